"""The command `start`: prove a workflow, store a run of it, and leave it to a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from workflow_engine.cli.options import Json, Models, Store, Target, chain

if TYPE_CHECKING:
    from workflow_engine.record.ids import RunId


def start(
    target: Target,
    fields: Annotated[
        list[str] | None, typer.Argument(metavar="FIELD=VALUE", help="inputs, typed by the state")
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="@FILE", help="inputs as a JSON object: @file.json, or - for stdin"),
    ] = None,
    model: Models = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Begin a run and leave it to a worker; prints its id."""
    from workflow_engine.cli.inputs import read_inputs
    from workflow_engine.cli.opening import writing
    from workflow_engine.cli.proving import prove
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, emit_json, point
    from workflow_engine.targets import Label, load

    loaded = load(target)
    prove(loaded.workflow)
    given = read_inputs(loaded.workflow, fields or [], inputs or [])
    named = chain(model)
    label = str(Label(loaded.label, named))

    async def begin() -> RunId:
        async with writing(store) as engine:
            return await engine.start(loaded.workflow, given.typed, label)

    run = run_loop(begin())
    if json:
        emit_json({"run": run, "workflow": loaded.workflow.name, "status": "queued"})
    else:
        emit(run)
    chosen = () if named is None else ("--model", named)
    point(
        ("look", typed("show", run, store=store)),
        ("drive", typed("worker", loaded.label, *chosen, store=store)),
    )
