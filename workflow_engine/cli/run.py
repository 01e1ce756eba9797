"""The command `run`: prove a workflow, begin a run of it, and drive it here until it ends or waits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import AllowUnsandboxed, Executor, ExecutorName, Json, Models, Store, Target, chain

if TYPE_CHECKING:
    from workflow_engine.engine import Engine
    from workflow_engine.runtime.view import RunView


def run(
    target: Target,
    fields: Annotated[
        list[str] | None, typer.Argument(metavar="FIELD=VALUE", help="inputs, typed by the state")
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="@FILE", help="inputs as a JSON object: @file.json, or - for stdin"),
    ] = None,
    model: Models = None,
    executor: Executor = ExecutorName.NATIVE,
    store: Store = None,
    allow_unsandboxed: AllowUnsandboxed = False,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="draw the run into FILE when it rests")
    ] = None,
    json: Json = False,
    batch: Annotated[
        str | None,
        typer.Option("--batch", metavar="FILE", help="one run for each line of a JSON lines file, - for stdin"),
    ] = None,
    at_once: Annotated[
        int | None, typer.Option("--at-once", metavar="N", min=1, help="runs of a batch at a time (8)")
    ] = None,
    rate: Annotated[
        str | None, typer.Option("--rate", metavar="N/s", help="begin no more of a batch than 10/s, 100/m, 5/h")
    ] = None,
    results: Annotated[
        Path | None, typer.Option("--results", metavar="FILE", help="what became of each line of a batch (stdout)")
    ] = None,
    batch_id: Annotated[
        str | None,
        typer.Option("--batch-id", metavar="NAME", help="the batch this is or goes on with (the path of its file)"),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="run a batch though some of its lines cannot run")
    ] = False,
) -> None:
    """Begin a run and drive it here until it ends or waits.

    With --batch, one for each line of a file.
    """
    from workflow_engine.cli.choosing import choose_model, refuse_unknown_inputs
    from workflow_engine.cli.drawing import draw_view, wanted
    from workflow_engine.cli.driving import Manner, drive
    from workflow_engine.cli.inputs import read_inputs
    from workflow_engine.cli.proving import prove
    from workflow_engine.cli.report import report
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.errors import UsageError
    from workflow_engine.targets import Label, load

    loaded = load(target)
    prove(loaded.workflow)
    manner = Manner(store, executor, chain(model), allow_unsandboxed, json)
    if batch is not None:
        from workflow_engine.cli.batch import Order, read_rate, run_batch
        from workflow_engine.cli.inputs import read_given

        if picture is not None or json:
            odd = "--json" if json else "--picture"
            raise UsageError(f"{odd} is of one run, not of a batch", "what became of each line is JSON lines anyway")
        order = Order(
            None if batch == "-" else Path(batch),
            batch_id,
            at_once or 8,
            None if rate is None else read_rate(rate),
            results,
            skip_bad,
            read_given(loaded.workflow, fields or [], inputs or []),
        )
        raise typer.Exit(run_loop(run_batch(loaded, order, manner)))
    picture = wanted(picture, as_json=json)  # a suffix nobody can draw is told before the run, not after it
    if (alone := _of_a_batch(at_once, rate, results, batch_id, skip_bad)) is not None:
        raise UsageError(f"{alone} says how a batch runs", "add --batch FILE.jsonl")
    given = read_inputs(loaded.workflow, fields or [], inputs or [])
    choice = choose_model(loaded, manner.model)
    refuse_unknown_inputs(choice, given.plain)
    label = str(Label(loaded.label, manner.model if choice is not None else None))

    async def begin(engine: Engine) -> RunView[Any]:
        return await engine.run(loaded.workflow, given.typed, label)

    view = run_loop(drive(loaded, manner, begin, choice=choice))
    drawn = None if picture is None else draw_view(loaded.workflow, view, picture)
    raise typer.Exit(report(view, store=store, as_json=json, picture=drawn))


def _of_a_batch(
    at_once: int | None, rate: str | None, results: Path | None, batch_id: str | None, skip_bad: bool
) -> str | None:
    """The first of a batch's options that was given."""
    given = {"--at-once": at_once, "--rate": rate, "--results": results, "--batch-id": batch_id}
    return next((name for name, value in given.items() if value is not None), "--skip-bad" if skip_bad else None)
