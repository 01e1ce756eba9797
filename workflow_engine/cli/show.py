"""The command `show`: one run, or one step of it, as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import Json, RunName, Store
from workflow_engine.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from workflow_engine.cli.diff import Moment
    from workflow_engine.runtime.steppage import StepPage
    from workflow_engine.runtime.view import RunView


def show(
    run: RunName,
    step: Annotated[
        str | None, typer.Argument(metavar="STEP", help="a step's number, a node (its last visit) or node:visit")
    ] = None,
    other: Annotated[
        str | None,
        typer.Argument(metavar="OTHER", help="with --diff: the step to compare with (the one before), or RUN:STEP"),
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="what differs in the state, field by field")] = False,
    full: Annotated[bool, typer.Option("--full", help="values of the state at full length")] = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """Show a run, or one of its steps.

    Of a run its steps, its state and what it asks; of a step what it wrote; with --diff what it changed.
    """
    from workflow_engine.cli.page import run_lines
    from workflow_engine.cli.steppage import step_lines
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed, ways_on
    from workflow_engine.cli.voice import emit, emit_json, point
    from workflow_engine.runtime.steppage import step_document

    if diff:
        _show_diff(run, step, other, full=full, store=store, as_json=json)
        return
    if other is not None:
        raise UsageError(f"{other!r} is a second step", "compare two steps: add --diff")
    if step is not None:
        page = run_loop(_read_step(run, step, store))
        view = page.view
        if json:
            emit_json(step_document(page))
        else:
            emit("\n".join(step_lines(page, full=full)))
        within = [] if page.step.run is None else [("within", typed("show", page.step.run, store=store))]
        point(*within, ("run", typed("show", view.id, store=store)))
        return
    view, prints = run_loop(_read(run, store))
    if json:
        emit_json({**view.document(), "nodes": prints})
    else:
        emit("\n".join(run_lines(view, full=full)))
    point(*ways_on(view, store))


def _show_diff(run: str, step: str | None, other: str | None, *, full: bool, store: Path | None, as_json: bool) -> None:
    from workflow_engine.cli.diff import diff_document, diff_lines, moments
    from workflow_engine.cli.opening import reading
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, emit_json, point

    async def read() -> tuple[Moment, Moment]:
        async with reading(store) as engine:
            return await moments(engine, run, step, other)

    before, after = run_loop(read())
    if as_json:
        emit_json(diff_document(before, after))
    else:
        emit("\n".join(diff_lines(before, after, full=full)))
    at = str(after.step)
    forking = typed("fork", after.run, "--at", at, "FIELD=VALUE", store=store)
    point(("step", typed("show", after.run, at, store=store)), ("fork", forking))


async def _read(run: str, store: Path | None) -> tuple[RunView[Any], dict[str, str]]:
    """The run, and the fingerprint of each node it was last driven with."""
    from workflow_engine.cli.opening import reading
    from workflow_engine.errors import StoreDamaged, StoreError
    from workflow_engine.spec.comparison import fingerprints

    async with reading(store) as engine:
        view = await engine.get(run)
        try:
            return view, fingerprints(await engine.document(view.id), view.run.bodies)
        except StoreDamaged:
            raise
        except StoreError:  # it was stored without a document
            return view, {}


async def _read_step(run: str, name: str, store: Path | None) -> StepPage:
    from workflow_engine.cli.opening import reading

    async with reading(store) as engine:
        return await engine.step(run, name)
