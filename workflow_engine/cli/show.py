"""The command `show`: one run, or one step of it, as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import Json, RunName, Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from workflow_engine.ports.ledger import Recorded
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
    from workflow_engine.cli.steppage import find_step, step_document, step_lines
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed, ways_on
    from workflow_engine.cli.voice import emit, emit_json, point

    view, journal = run_loop(_read(run, store))
    if step is not None:
        record = find_step(view, step)
        if json:
            emit_json(step_document(view, record, journal))
        else:
            emit("\n".join(step_lines(view, record, journal, full=full)))
        point(("run", typed("show", view.id, store=store)))
        return
    if json:
        emit_json(view.document())
    else:
        emit("\n".join(run_lines(view, full=full)))
    point(*ways_on(view, store))


async def _read(run: str, store: Path | None) -> tuple[RunView[Any], Sequence[Recorded]]:
    from workflow_engine.cli.opening import reading

    async with reading(store) as engine:
        view = await engine.get(run)
        return view, await engine.journal(view.id)
