"""The command `run`: prove a workflow, begin a run of it, and drive it here until it ends or waits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import AllowUnsandboxed, Executor, ExecutorName, Json, Model, Store, Target

if TYPE_CHECKING:
    from workflow_engine.engine import Engine
    from workflow_engine.runtime.view import RunView


def run(
    target: Target,
    fields: Annotated[
        list[str] | None, typer.Argument(metavar="[FIELD=VALUE]...", help="inputs, typed by the state")
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="@FILE", help="inputs as a JSON object: @file.json, or - for stdin"),
    ] = None,
    model: Model = None,
    executor: Executor = ExecutorName.NATIVE,
    store: Store = None,
    allow_unsandboxed: AllowUnsandboxed = False,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="draw the run into FILE when it rests")
    ] = None,
    json: Json = False,
) -> None:
    """Begin a run and drive it here until it ends or waits."""
    from workflow_engine.cli.choosing import choose_model, refuse_unknown_inputs
    from workflow_engine.cli.drawing import draw_view, format_of
    from workflow_engine.cli.driving import Manner, drive
    from workflow_engine.cli.inputs import read_inputs
    from workflow_engine.cli.proving import prove
    from workflow_engine.cli.report import report
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.targets import Label, load

    if picture is not None:
        format_of(picture)  # a suffix nobody can draw is told before the run, not after it
    loaded = load(target)
    prove(loaded.workflow)
    given = read_inputs(loaded.workflow, fields or [], inputs or [])
    choice = choose_model(loaded, model)
    refuse_unknown_inputs(choice, given.plain)
    manner = Manner(store, executor, model, allow_unsandboxed, json)
    label = str(Label(loaded.label, model if choice is not None else None))

    async def begin(engine: Engine) -> RunView[Any]:
        return await engine.run(loaded.workflow, given.typed, label)

    view = run_loop(drive(loaded, manner, begin, choice=choice))
    drawn = None if picture is None else draw_view(loaded.workflow, view, picture)
    raise typer.Exit(report(view, store=store, as_json=json, picture=drawn))
