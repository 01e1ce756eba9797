"""The command `serve`: the page and the API on a store, and the runs that are begun there."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import AllowUnsandboxed, Executor, ExecutorName, Models, Store, chain

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from workflow_engine.cli.driving import Manner
    from workflow_engine.cli.exits import Exit
    from workflow_engine.engine import Engine
    from workflow_engine.http.desk import Desk
    from workflow_engine.http.tail import Tails
    from workflow_engine.targets import Loaded

TOKEN = "WORKFLOW_SERVE_TOKEN"
SHORTEST = 20
"""Characters of a token that is given, at least."""


def serve(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="TARGET", help="the workflows whose runs go on here")
    ] = None,
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 for a free one")] = 8765,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="the address it listens on")] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME[:PORT]", help="a further name it answers to, as behind a proxy"),
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="let everybody look and nobody act")] = False,
    browser: Annotated[bool, typer.Option("--open", help="open the page in a browser")] = False,
    at_once: Annotated[int, typer.Option("--at-once", metavar="N", min=1, help="so many runs at a time")] = 8,
    models: Models = None,
    executor: Executor = ExecutorName.NATIVE,
    store: Store = None,
    allow_unsandboxed: AllowUnsandboxed = False,
) -> None:
    """Serve the page and the HTTP API.

    Runs of the workflows go on here, with those that died before. Whoever knows the token may do everything
    (WORKFLOW_SERVE_TOKEN, or a new one that is shown); people of `workflow people` may answer under their own names.
    """
    from workflow_engine.cli.driving import Manner
    from workflow_engine.cli.proving import prove
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.targets import load

    must_be_installed()
    loaded = [load(each) for each in targets or []]
    for each in loaded:
        prove(each.workflow)
    manner = Manner(store, executor, chain(models), allow_unsandboxed)
    names = [host, *(allow_host or [])]
    with redirect_stdout(sys.stderr):  # what bodies print
        raise typer.Exit(run_loop(_serve(loaded, manner, at_once, (names, port), read_only, browser)))


def must_be_installed() -> None:
    """Raises UsageError where the extra is missing."""
    from importlib.util import find_spec

    from workflow_engine.errors import UsageError

    missing = [each for each in ("fastapi", "uvicorn") if find_spec(each) is None]
    if missing:
        raise UsageError(f"{' and '.join(missing)} are not installed here", "pip install 'workflow-proof[serve]'")


async def _serve(
    targets: Sequence[Loaded],
    manner: Manner,
    at_once: int,
    place: tuple[list[str], int],
    read_only: bool,
    browser: bool,
) -> Exit:
    import asyncio
    from importlib import import_module

    from workflow_engine.cli.driving import let_info_through
    from workflow_engine.cli.exits import Exit
    from workflow_engine.cli.opening import driving
    from workflow_engine.cli.stopping import Stopped, until_stopped
    from workflow_engine.cli.voice import trouble
    from workflow_engine.cli.worker import one_model, refusal, resources_of

    choice = one_model(targets, manner.model)
    resources = await resources_of(targets, choice, manner)
    await asyncio.to_thread(import_module, "workflow_engine.http.app")
    from workflow_engine.http.serve import serve
    from workflow_engine.http.tail import Tails

    let_info_through()
    names, port = place
    bound = _bound(names[0], port)
    tails = Tails()
    drives = bool(targets) and not read_only

    async with driving(targets, manner, choice, resources, listeners=[tails]) as engine:
        from workflow_engine.http.app import app_of

        desk, address, token = _desk(engine, targets, manner, tails, bound, names, read_only=read_only)
        ending = asyncio.Event()

        def drain() -> None:
            engine.drain()
            ending.set()

        async def work() -> None:
            stops: list[Callable[[], None]] = []
            serving = asyncio.create_task(serve(app_of(desk), bound, desk.rates.limits, stops.append))
            tasks: set[asyncio.Task[Any]] = {serving, asyncio.create_task(ending.wait())}
            working = None
            if drives:
                refuse = refusal(targets, manner.model)
                working = asyncio.create_task(engine.work(at_once=at_once, on_problem=trouble, refuse=refuse))
                tasks.add(working)
            _greet(address, token, targets, drives=drives, read_only=read_only, browser=browser)
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            drain()
            tails.close()
            for stop in stops:
                stop()
            await asyncio.wait(tasks)
            if desk.driving:
                await asyncio.wait(desk.driving)
            for task in tasks:
                task.result()

        try:
            await until_stopped(work(), drain, lambda: None)
        except Stopped:
            return Exit.INTERRUPTED
    return Exit.DONE


def _bound(host: str, port: int) -> socket.socket:
    from workflow_engine.errors import UsageError
    from workflow_engine.http.serve import bound_to

    try:
        return bound_to(host, port)
    except OSError as error:
        raise UsageError(
            f"{host} port {port} cannot be had: {error.strerror or error}", "give another one, or --port 0"
        ) from error


def _desk(
    engine: Engine,
    targets: Sequence[Loaded],
    manner: Manner,
    tails: Tails,
    bound: socket.socket,
    names: list[str],
    *,
    read_only: bool,
) -> tuple[Desk, str, str]:
    """What is served, its address, and the token."""
    import os
    import secrets

    from workflow_engine.cli.options import who
    from workflow_engine.errors import UsageError
    from workflow_engine.http.desk import Desk
    from workflow_engine.http.sessions import Role, Sessions
    from workflow_engine.targets import Label

    token = os.environ.get(TOKEN, "").strip()
    if token and len(token) < SHORTEST:
        raise UsageError(f"{TOKEN} has {len(token)} characters", f"give at least {SHORTEST}, drawn at random")
    port = bound.getsockname()[1]
    host = f"[{names[0]}]" if ":" in names[0] else names[0]
    shown = "127.0.0.1" if host in ("0.0.0.0", "[::]") else host
    hosts = {f"{each}:{port}".lower() for each in ("127.0.0.1", "localhost", "[::1]", host)}
    hosts |= {each.lower() for each in names[1:]}
    held = token or secrets.token_urlsafe(32)
    most = Role.VIEWER if read_only else Role.OPERATOR
    tails.attach(engine)
    desk = Desk(
        engine,
        Sessions(engine, held, who(None), most=most),
        tails,
        {each.workflow.name: each.workflow for each in targets},
        {each.workflow.name: str(Label(each.label, manner.model)) for each in targets},
        drives=bool(targets) and not read_only,
        read_only=read_only,
        hosts=frozenset(hosts),
        cookie=f"workflow-{port}",
    )
    return desk, f"http://{shown}:{port}/", token or held


def _greet(
    address: str, token: str, targets: Sequence[Loaded], *, drives: bool, read_only: bool, browser: bool
) -> None:
    from workflow_engine.cli.voice import AMBER, say

    names = ", ".join(dict.fromkeys(each.workflow.name for each in targets))
    if drives:
        say(f"serving {names}; Ctrl-C stops after the steps under way")
    elif read_only:
        say("serving read-only: everybody may look, nobody act")
    else:
        say("serving without code: runs are shown and questions answered; they go on in a worker:", AMBER)
        say("  workflow worker TARGET, or serve their files: workflow serve TARGET")
    say(f"  {address}#token={token}")
    if browser:
        import webbrowser

        webbrowser.open(f"{address}#token={token}")
