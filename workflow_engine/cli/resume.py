"""The commands `resume`, `recover`, `cancel`: go on by request, go on with what a death left behind, end for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import (
    AllowUnsandboxed,
    By,
    Executor,
    ExecutorName,
    Json,
    Models,
    RunName,
    Store,
    chain,
    who,
)

if TYPE_CHECKING:
    from workflow_engine.engine import Engine
    from workflow_engine.runtime.view import RunView


def resume(
    run: RunName,
    target: Annotated[
        str | None, typer.Argument(metavar="TARGET", help="its code, where the run's own is gone")
    ] = None,
    model: Models = None,
    executor: Executor = ExecutorName.NATIVE,
    store: Store = None,
    allow_unsandboxed: AllowUnsandboxed = False,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="go on with changed code though it has consequences for the run")
    ] = False,
    json: Json = False,
) -> None:
    """Go on with a failed or interrupted run."""
    from workflow_engine.cli.drawing import draw_rest
    from workflow_engine.cli.driving import Manner
    from workflow_engine.cli.goingon import go_on
    from workflow_engine.cli.report import report
    from workflow_engine.cli.stopping import run_loop

    manner = Manner(store, executor, chain(model), allow_unsandboxed, json)
    view = run_loop(go_on(run, manner, target=target, accept_changes=accept_changes))
    drawn = draw_rest(view, store, as_json=json)
    raise typer.Exit(report(view, store=store, as_json=json, picture=drawn))


def recover(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="TARGET", help="code of runs that do not remember theirs")
    ] = None,
    model: Models = None,
    executor: Executor = ExecutorName.NATIVE,
    store: Store = None,
    allow_unsandboxed: AllowUnsandboxed = False,
    json: Json = False,
) -> None:
    """Go on with every run whose process died."""
    from workflow_engine.cli.driving import Manner
    from workflow_engine.cli.recovering import recover_all
    from workflow_engine.cli.stopping import run_loop

    manner = Manner(store, executor, chain(model), allow_unsandboxed, json)
    raise typer.Exit(run_loop(recover_all(targets or [], manner)))


def cancel(run: RunName, by: By = None, store: Store = None, json: Json = False) -> None:
    """End a run for good."""
    from workflow_engine.cli.opening import reading
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, emit_json, point

    async def end() -> RunView[Any]:
        async with reading(store) as engine:
            return await _gone(engine, await engine.cancel(run, by=who(by)))

    view = run_loop(end())
    if json:
        emit_json(view.document())
    elif view.run.status == "cancelled":
        emit(f"run {view.id} is cancelled")
    else:
        emit(f"run {view.id} was told to stop; its owner ends it after what cannot be cut off")
    point(("look", typed("show", view.id, store=store)))


async def _gone(engine: Engine, view: RunView[Any]) -> RunView[Any]:
    """The run once its living owner has heard, which takes a moment; not much longer than that is waited."""
    import asyncio

    for _ in range(20):
        if view.run.status == "cancelled" or not view.owned:
            break
        await asyncio.sleep(0.1)
        view = await engine.get(view.id)
    return view
