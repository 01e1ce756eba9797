"""Entering: the step of a subflow. A run of its own does the work, in the hands of whoever drives the run around it.

That run is never driven by itself: whoever wants it to go on goes on with the outermost run around it, whose step
enters it again. So both have one owner, and nothing needs to be told from one to the other: what the run within did is
on disk before the step around it looks, and however often the process dies between the two, the step finds it done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from workflow_engine.bodies import subflow
from workflow_engine.bodies.intent import Rest, Wrote
from workflow_engine.bodies.scene import Scene
from workflow_engine.errors import Failure, StepError, SubflowFailed
from workflow_engine.ports.ledger import Snapshot
from workflow_engine.record.events import AttemptFailed, StepFailed, SubflowEntered
from workflow_engine.record.ids import RunId
from workflow_engine.record.renaming import called_then
from workflow_engine.record.run import Run
from workflow_engine.record.usage import Usage
from workflow_engine.spec.subflow import Subflow
from workflow_engine.steps.ending import FORSAKEN
from workflow_engine.steps.live import Live


@dataclass
class Visit:
    """What is known of one visit to a subflow, or one `item` of it: the runs that did it so far, the present one last.

    `told` says that the last one's failure stands in the journal around it: one that ended so is not entered again.
    `charged` is what the steps around were told of its cost already.
    """

    number: int
    item: int | None = None
    began: datetime | None = None
    runs: list[RunId] = field(default_factory=list)
    told: bool = False
    charged: Usage = field(default_factory=Usage)


class Nest(Protocol):
    """What drives the runs within another one. Made by the engine; `Live.nest` holds it."""

    async def drive(self, around: Live, node: Subflow, visit: Visit, inputs: Mapping[str, Any]) -> Snapshot:
        """Begin the run of a visit, or take the one there is, and drive it until it rests."""
        ...

    async def usage(self, runs: Sequence[RunId]) -> Usage:
        """What these runs cost, together."""
        ...

    async def ready(self, run: RunId) -> bool:
        """Whether a run that waited can go on: by a letter, by the time, or by a run within it."""
        ...

    async def in_doubt(self, run: RunId) -> bool:
        """Whether an effect of a run, or of one within it, began and its end is not known."""
        ...

    async def rests(self, run: RunId) -> Rest | None:
        """Until when a run waits, if it does and cannot go on."""
        ...

    async def cancel(self, run: RunId, by: str, around: RunId) -> None:
        """End a run within `around` that nobody drives any more, and those within it."""
        ...


async def visit_of(live: Live, node: str) -> Visit:
    """What the journal tells of the visit that is due."""
    visit = Visit(live.run.frontier.visits[node])
    if node not in live.run.entered:  # the usual case: nothing was begun
        return visit
    events = [recorded.event for recorded in await live.around.ledger.journal(live.run.id)]
    for event, name in zip(events, called_then(events, node), strict=True):
        if (getattr(event, "node", None), getattr(event, "visit", None)) != (name, visit.number):
            continue
        match event:
            case SubflowEntered():
                visit.began = visit.began or event.at
                if event.run not in visit.runs:
                    visit.runs.append(event.run)
                    visit.told = False
            case StepFailed() | AttemptFailed():
                visit.told = True
                if isinstance(event, StepFailed) and event.usage is not None:
                    visit.charged += event.usage
            case _:
                pass
    if not visit.runs:  # entered under another name, before the code changed
        visit.runs.append(live.run.entered[node])
    return visit


async def enter(live: Live, node: Subflow, visit: Visit, scene: Scene) -> Wrote | Rest | None:
    """One try. None means that it was let go of, because somebody drains: it is still to be done.

    Raises errors.SubflowFailed for what the run within failed of.
    """
    assert live.nest is not None, "whoever drives a run brings what drives those within it"
    intent = subflow.run(node, scene)
    _not_too_deep(live, node, visit)
    kept = await live.nest.drive(live, node, visit, intent.inputs)
    run = kept.run
    match run.status:
        case "succeeded":
            return Wrote(subflow.taken(node, kept.state), await _charge(live.nest, visit, run), run.answered_by)
        case "waiting":
            return Rest(run.id, run.due)
        case "failed" if run.error is not None and run.error.kind == FORSAKEN:
            return None
        case "failed" | "cancelled":
            raise await _failed(live.nest, visit, run)
        case "running" | "queued":
            return None


def _not_too_deep(live: Live, node: Subflow, visit: Visit) -> None:
    if node.depth is None or visit.runs:
        return
    name = node.workflow.name
    if around_and(live.run).count(name) > node.depth:
        raise StepError(
            f"{name} lies within itself {node.depth} times here, and no deeper",
            f"subflow(..., depth={node.depth}) says so: end the recursion earlier, or allow more",
            kind="limit",
            retryable=False,
        )


def around_and(run: Run) -> tuple[str, ...]:
    """The workflows around a run and its own, outermost first."""
    return (*(run.within.workflows if run.within else ()), run.workflow)


async def _charge(nest: Nest, visit: Visit, run: Run) -> Usage | None:
    """What has not been told yet of what the visit's runs cost."""
    earlier = await nest.usage(visit.runs[:-1]) if len(visit.runs) > 1 else Usage()
    total = earlier + run.usage
    new, visit.charged = total - visit.charged, total
    return new if new.requests else None


async def _failed(nest: Nest, visit: Visit, run: Run) -> SubflowFailed:
    failure = run.error or Failure("", "error", "it failed")
    if run.status == "cancelled":
        what, kind = f"run {run.id} ({run.workflow}) was cancelled by {run.reason or 'somebody'}", "cancelled"
    elif run.ended:
        what, kind = f"run {run.id} ({run.workflow}) ended at FAIL: {failure.message}", failure.kind
    else:
        what, kind = f"run {run.id} ({run.workflow}) failed at {failure.node}: {failure.message}", failure.kind
    error = SubflowFailed(what, kind=kind)
    error.so_far = Wrote(usage=await _charge(nest, visit, run), answered_by=run.answered_by)
    visit.told = True
    return error


async def leave_behind(live: Live, run: RunId) -> None:
    """End the run of a visit that was given up and is left, unless it failed and rests on nothing."""
    assert live.nest is not None
    kept = (await live.around.ledger.read(run)).run
    if not kept.ended and (kept.status != "failed" or kept.open or kept.waits):
        await live.nest.cancel(run, "the run around it, which went on without it", live.run.id)


async def look_within(live: Live, letters: Sequence[str] = ()) -> None:
    """Enter the runs again that a step rests on and that can go on; `letters` told of one that ended."""
    assert live.nest is not None
    now = live.around.clock.now()
    again: list[SubflowEntered] = []
    for each in live.run.waits:
        if each.on == "run":
            those = {item: run for item, run in live.run.entered_by(each.node).items() if run in each.names}
            ready = {item: run for item, run in those.items() if await live.nest.ready(run)}
            if not ready and each.until is not None and each.until <= now:
                ready = those
            again += [SubflowEntered(now, each.node, each.visit, run, item) for item, run in ready.items()]
    if again or letters:
        await live.post(again, (), letters)
