"""Going on with a run: its code from the remembered file, its model as it was named, then a drive."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from workflow_engine.cli.driving import Manner, drive
from workflow_engine.cli.figures import plain
from workflow_engine.cli.opening import reading
from workflow_engine.cli.typed import typed
from workflow_engine.cli.voice import say
from workflow_engine.errors import RunEnded, RunOwned, TargetError, UsageError
from workflow_engine.targets import Label, Loaded, from_label, load

if TYPE_CHECKING:
    from workflow_engine.engine import Engine
    from workflow_engine.record.ids import RunId
    from workflow_engine.record.run import Run
    from workflow_engine.runtime.view import RunView

_MOMENT = 0.15
"""Seconds after which a run is tried once more: somebody may have held it for a moment, and drive nothing."""


async def go_on(
    name: str,
    manner: Manner,
    *,
    target: str | None = None,
    verb: Literal["resume", "answer"] = "resume",
    accept_changes: bool = False,
) -> RunView[Any]:
    """Drive a run on until it rests. Raises RunOwned, RunEnded, TargetError, WorkflowChanged, ModelMissing."""
    async with reading(manner.store) as engine:
        view = await engine.get(name)
    run = view.run
    # Told before its code is looked for: what is wrong with the run comes first.
    if view.owned:
        raise RunOwned(f"run {run.id} is driven by a living process", typed("watch", run.id, store=manner.store))
    if run.ended and run.status != "failed":
        was = "succeeded" if run.status == "succeeded" else "was cancelled"
        forking = typed("fork", run.id, "--at", "STEP", store=manner.store)
        cure = f"begin a new run, or go on from an earlier step of it: {forking}"
        raise RunEnded(f"run {run.id} {was}; there is nothing to resume", cure)
    name, run = run.id, await _driven_for(run, manner)
    loaded = code_of(run, target, manner)
    manner = remembered(run, manner)

    async def act(engine: Engine) -> RunView[Any]:
        return await engine.resume(name, executor=manner.executor, verb=verb, accept_changes=accept_changes)

    return await drive(loaded, manner, act, before=run.id)


async def _driven_for(run: Run, manner: Manner) -> Run:
    """The run itself, or the outermost one around it, which is driven so that this one goes on; it is said then."""
    if run.within is None:
        return run
    async with reading(manner.store) as engine:
        outer = await engine.outermost(run.id)
    if outer.owned:
        raise RunOwned(
            f"run {outer.id}, around run {run.id}, is driven by a living process",
            typed("watch", outer.id, store=manner.store),
        )
    say(f"run {run.id} does {run.within.what} of run {run.within.run}: run {outer.id} goes on, and it with that")
    return outer.run


def go_on_or_say(run: RunId, manner: Manner) -> None:
    """Drive the run on after a word from outside was recorded, and end with the code that its report has; or say how.

    What was sent is recorded either way, so what hinders is told and is no failure.
    """
    import typer

    from workflow_engine.cli.drawing import draw_rest
    from workflow_engine.cli.report import report
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.voice import AMBER, emit_json, point

    try:
        try:
            view = run_loop(go_on(run, manner, verb="answer"))
        except RunOwned:
            time.sleep(_MOMENT)
            view = run_loop(go_on(run, manner, verb="answer"))
    except RunOwned:
        say("the process that drives the run takes it up")
        way = ("watch", typed("watch", run, store=manner.store))
    except UsageError as error:
        # Its code is not here, or no model for it: somebody else may go on.
        say(plain(f"the run does not go on here: {error.what}"), AMBER)
        way = ("go on", error.cure or typed("resume", run, store=manner.store))
    else:
        drawn = draw_rest(view, manner.store, as_json=manner.as_json)
        raise typer.Exit(report(view, store=manner.store, as_json=manner.as_json, picture=drawn))
    if manner.as_json:
        emit_json(run_loop(standing(run, manner)).document())
    point(way)


async def standing(run: RunId, manner: Manner) -> RunView[Any]:
    """The run as it is, without going on."""
    async with reading(manner.store) as engine:
        return await engine.get(run)


def code_of(run: Run, target: str | None, manner: Manner, *, verb: str = "resume") -> Loaded:
    """The run's workflow: from TARGET if one is given, else from the file it remembers."""
    if target is None:
        return from_label(run.target, run.workflow, ask=f"name it: {typed(verb, run.id, 'TARGET', store=manner.store)}")
    loaded = load(target)
    if loaded.workflow.name != run.workflow:
        raise TargetError(
            f"{loaded.label} is the workflow {loaded.workflow.name!r}; run {run.id} is one of {run.workflow!r}",
            "give the TARGET the run was begun with",
        )
    return loaded


def remembered(run: Run, manner: Manner) -> Manner:
    """The manner with the model the run was begun with, unless another is named now."""
    from dataclasses import replace

    if manner.model is not None or run.target is None:
        return manner
    return replace(manner, model=Label.read(run.target).model)
