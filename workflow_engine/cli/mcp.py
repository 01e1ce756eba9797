"""The command `mcp`: offer workflows as MCP tools, and drive the runs that are begun by them."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import AllowUnsandboxed, Executor, ExecutorName, Models, Store, chain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workflow_engine.cli.driving import Manner
    from workflow_engine.cli.exits import Exit
    from workflow_engine.targets import Loaded

TOKEN = "WORKFLOW_MCP_TOKEN"


def mcp(
    targets: Annotated[list[str], typer.Argument(metavar="TARGET", help="the workflows that are offered")],
    http: Annotated[
        int | None,
        typer.Option("--http", metavar="PORT", min=0, max=65535, help="over HTTP on 127.0.0.1, 0 for a free port"),
    ] = None,
    answer_as: Annotated[
        str | None, typer.Option("--answer-as", metavar="NAME", help="let callers answer questions, under this name")
    ] = None,
    at_once: Annotated[int, typer.Option("--at-once", metavar="N", min=1, help="so many runs at a time")] = 8,
    model: Models = None,
    executor: Executor = ExecutorName.NATIVE,
    store: Store = None,
    allow_unsandboxed: AllowUnsandboxed = False,
) -> None:
    """Offer workflows as MCP tools, over stdio or HTTP.

    Their runs are kept in the store and driven here; whoever knows the token of --http may call (WORKFLOW_MCP_TOKEN, or
    a new one that is shown). Questions are told, and answered only with --answer-as: a caller may be a model.
    """
    from workflow_engine.cli.driving import Manner
    from workflow_engine.cli.proving import prove
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.targets import load

    loaded = [load(each) for each in targets]
    for each in loaded:
        prove(each.workflow)
    manner = Manner(store, executor, chain(model), allow_unsandboxed)
    # What bodies print goes to stderr: over stdio, stdout is the protocol's, and serving it diverts the rest itself.
    with nullcontext() if http is None else redirect_stdout(sys.stderr):
        raise typer.Exit(run_loop(_serve(loaded, manner, at_once, http, answer_as)))


async def _serve(
    targets: Sequence[Loaded], manner: Manner, at_once: int, http: int | None, answer_as: str | None
) -> Exit:
    import asyncio
    from importlib import import_module

    from workflow_engine.cli.driving import let_info_through
    from workflow_engine.cli.exits import Exit
    from workflow_engine.cli.opening import driving
    from workflow_engine.cli.stopping import Stopped, until_stopped
    from workflow_engine.cli.voice import say, trouble
    from workflow_engine.cli.worker import one_model, resources_of
    from workflow_engine.mcp.ear import Ear
    from workflow_engine.mcp.offer import Offer
    from workflow_engine.targets import Label

    choice = one_model(targets, manner.model)
    resources = await resources_of(targets, choice, manner)
    await asyncio.to_thread(import_module, "workflow_engine.mcp.serve")
    from workflow_engine.mcp.serve import server_of

    let_info_through()
    ear = Ear()
    stops: list[Callable[[], None]] = []

    async with driving(targets, manner, choice, resources, listeners=[ear]) as engine:
        labels = {each.workflow.name: str(Label(each.label, manner.model)) for each in targets}
        offer = Offer(engine, [each.workflow for each in targets], ear, labels, answer_as)
        server = server_of(offer)
        working = asyncio.create_task(engine.work(at_once=at_once, on_problem=trouble))

        async def work() -> None:
            say(f"offering {', '.join(each.name for each in offer.tools())}")
            serving = asyncio.create_task(_transport(server, http, stops))
            await asyncio.wait({serving, working}, return_when=asyncio.FIRST_COMPLETED)
            engine.drain()
            for stop in stops:
                stop()
            await asyncio.wait({serving})
            await working
            if not serving.cancelled():
                serving.result()

        try:
            await until_stopped(work(), engine.drain, lambda: None)
        except Stopped:
            return Exit.INTERRUPTED
    return Exit.DONE


async def _transport(server: Any, http: int | None, stops: list[Callable[[], None]]) -> None:
    import asyncio
    import os
    import secrets
    from functools import partial

    from workflow_engine.cli.voice import say
    from workflow_engine.errors import UsageError
    from workflow_engine.mcp.serve import serve_http, serve_stdio

    if http is None:
        here = asyncio.current_task()
        assert here is not None
        stops.append(partial(_cancel, here))
        return await serve_stdio(server)
    given = os.environ.get(TOKEN, "").strip()
    token = given or secrets.token_urlsafe(24)

    def listening(address: str, stop: Callable[[], None]) -> None:
        stops.insert(0, stop)
        say(f"listening on {address}")
        say(f"  its token is that of {TOKEN}" if given else f"  Authorization: Bearer {token}")

    try:
        await serve_http(server, http, token, listening)
    except OSError as error:
        raise UsageError(f"port {http} cannot be had: {error.strerror}", "give another one, or --http 0") from error


def _cancel(task: Any) -> None:
    task.cancel()
