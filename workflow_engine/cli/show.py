"""The command `show`: one run, or one step of it, as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import Json, RunName, Store

if TYPE_CHECKING:
    from pathlib import Path

    from workflow_engine.cli.steppage import StepPage
    from workflow_engine.runtime.view import RunView


def show(
    run: RunName,
    step: Annotated[
        str | None, typer.Argument(metavar="[STEP]", help="a step's number, a node (its last visit) or node:visit")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="values of the state at full length")] = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """Show a run: its steps, its state, what it asks."""
    from workflow_engine.cli.page import run_lines
    from workflow_engine.cli.steppage import step_document, step_lines
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed, ways_on
    from workflow_engine.cli.voice import emit, emit_json, point

    if step is not None:
        page = run_loop(_read_step(run, step, store))
        view = page.view
        if json:
            emit_json(step_document(page))
        else:
            emit("\n".join(step_lines(page, full=full)))
        point(("run", typed("show", view.id, store=store)))
        return
    view = run_loop(_read(run, store))
    if json:
        emit_json(view.document())
    else:
        emit("\n".join(run_lines(view, full=full)))
    point(*ways_on(view, store))


async def _read(run: str, store: Path | None) -> RunView[Any]:
    from workflow_engine.cli.opening import reading

    async with reading(store) as engine:
        return await engine.get(run)


async def _read_step(run: str, name: str, store: Path | None) -> StepPage:
    from workflow_engine.cli.opening import reading
    from workflow_engine.cli.steppage import StepPage, find_step

    async with reading(store) as engine:
        view = await engine.get(run)
        step = find_step(view, name)
        then = {} if step.step is None else await engine.state_at(view.id, step.step)
        return StepPage(view, step, await engine.journal(view.id), then)
