"""The command `fork`: a new run from a step of another, with edits, driven here until it ends or waits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import AllowUnsandboxed, Executor, ExecutorName, Json, Models, RunName, Store, chain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workflow_engine.cli.driving import Manner
    from workflow_engine.engine import Engine
    from workflow_engine.ports.ledger import Recorded
    from workflow_engine.runtime.view import RunView


def fork(
    run: RunName,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="TARGET|FIELD=VALUE", help="its code, where the run's own is gone; edits"),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="STEP", help="a step's number, a node or node:visit; 0 is START (the last step)"),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="@FILE", help="edits as a JSON object: @file.json, or - for stdin"),
    ] = None,
    model: Models = None,
    executor: Executor = ExecutorName.NATIVE,
    store: Store = None,
    allow_unsandboxed: AllowUnsandboxed = False,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="draw the fork into FILE when it rests")
    ] = None,
    json: Json = False,
) -> None:
    """Begin a new run from a step of another, with edits.

    It has the other's state after the step, edited, and leaves the step anew: routes are decided again. The other run
    is not touched.
    """
    from workflow_engine.cli.drawing import wanted
    from workflow_engine.cli.driving import Manner
    from workflow_engine.cli.report import report
    from workflow_engine.cli.stopping import run_loop

    picture = wanted(picture, as_json=json)
    given = list(words or [])
    target = given.pop(0) if given and "=" not in given[0] else None
    manner = Manner(store, executor, chain(model), allow_unsandboxed, json)
    view, drawn = run_loop(_forked(run, target, at, given, inputs or [], manner, picture))
    raise typer.Exit(report(view, store=store, as_json=json, picture=drawn))


async def _forked(
    name: str,
    target: str | None,
    at: str | None,
    pairs: Sequence[str],
    documents: Sequence[str],
    manner: Manner,
    picture: Path | None,
) -> tuple[RunView[Any], Path | None]:
    from workflow_engine.cli.choosing import choose_model, refuse_unknown_inputs
    from workflow_engine.cli.diff import number_of
    from workflow_engine.cli.drawing import draw_view
    from workflow_engine.cli.driving import drive
    from workflow_engine.cli.goingon import code_of, remembered
    from workflow_engine.cli.inputs import read_edits
    from workflow_engine.cli.opening import reading
    from workflow_engine.cli.proving import prove
    from workflow_engine.targets import Label

    async with reading(manner.store) as engine:
        parent = await engine.get(name)
        story = await engine.story(parent.id)
    step = None if at is None else number_of(parent, at)
    loaded = code_of(parent.run, target, manner, verb="fork")
    prove(loaded.workflow)
    edits = read_edits(loaded.workflow, pairs, documents)
    label = None if target is None and manner.model is None else loaded.label
    manner = remembered(parent.run, manner)
    choice = choose_model(loaded, manner.model)
    refuse_unknown_inputs(choice, {**parent.values, **edits.plain})
    if label is not None:
        label = str(Label(label, manner.model if choice is not None else None))

    async def act(engine: Engine) -> RunView[Any]:
        return await engine.fork(parent.id, edits.typed, label, at=step)

    view = await drive(loaded, manner, act, choice=choice, recalled=_until(story, step))
    return view, None if picture is None else draw_view(loaded.workflow, view, picture)


def _until(story: Sequence[Recorded], step: int | None) -> list[Recorded]:
    """The steps that the fork has behind it; the last that was left where none is named."""
    from workflow_engine.record.history import COMMITS

    ends = [each for each in story if isinstance(each.event, COMMITS)]
    return [each for each in ends if each.event.move is not None] if step is None else ends[:step]
