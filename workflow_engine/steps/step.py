"""One step, from due to durable: attempts, the decision where it leads, and the one commit that records both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, assert_never

from workflow_engine.bodies import function
from workflow_engine.bodies.intent import Ask, Intent, Wrote
from workflow_engine.bodies.run import run as run_body
from workflow_engine.errors import Failure
from workflow_engine.frontier.leave import catches
from workflow_engine.record.events import EffectStarted, QuestionAsked, StepFailed, StepFinished
from workflow_engine.record.ids import step_key
from workflow_engine.record.inbox import Tried
from workflow_engine.record.values import Write
from workflow_engine.spec.nodes import Function, Node
from workflow_engine.steps.asking import deaths_question, doubt_question, human_question, tried_so_far
from workflow_engine.steps.live import Live, after
from workflow_engine.steps.onward import onward
from workflow_engine.steps.trying import GaveUp, Paid, Released, Tries, trying
from workflow_engine.steps.writing import reduced, within_state, within_write, writes_of

MOST_DEATHS = 5


@dataclass(frozen=True)
class Taken:
    """A step that has its result in hand and only needs its commit."""

    node: Node
    visit: int
    started: datetime
    attempts: int = 1
    words: str = ""
    paid: Paid = field(default_factory=Paid)


async def step(live: Live, name: str) -> None:
    """Take one due node from its first attempt to its commit.

    Returns when the run has moved on, rests on a question, or has recorded a failure. Raises only what ends the whole
    drive: errors.StoreError, errors.FenceLost, and cancellation, which leaves the node due.
    """
    node = live.workflow.nodes[name]
    visit = live.run.frontier.visits[name]
    started = live.around.clock.now()
    if live.run.deaths.get(name, 0) >= MOST_DEATHS and name not in live.cleared:
        await live.post([QuestionAsked(started, deaths_question(live, node, visit), started)])
        return
    effect = isinstance(node, Function) and node.effect
    if effect and name in live.run.doubts and name not in live.cleared:
        known = await _in_doubt(live, node, visit, started)
        if known is not None:
            return
    if effect:
        await live.post([EffectStarted(started, name, visit, step_key(live.run.id, name, visit))])
    live.cleared.discard(name)
    await _attempts(live, node, visit, started, partial(run_body, node))


async def _in_doubt(live: Live, node: Any, visit: int, started: datetime) -> bool | None:
    """An effect began and its end is not on disk. None means: run it; otherwise the step is settled or rests."""
    if node.in_doubt == "rerun":
        return None
    if node.in_doubt == "ask":
        await live.post([QuestionAsked(started, doubt_question(live, node, visit), started)])
        return True
    return await _attempts(live, node, visit, started, partial(function.probe, node), "found by its probe")


async def _attempts(live: Live, node: Node, visit: int, started: datetime, act: Any, unsaid: str = "") -> bool | None:
    """Try until it works or the policy gives up, and commit. None means that a probe found nothing.

    `unsaid` is the step's last word where `act` says nothing itself.
    """

    async def settle(intent: Intent | None, tries: Tries) -> Any:
        if intent is None:
            return None
        taken = Taken(node, visit, started, tries.number, tries.words or unsaid, tries.paid)
        tried = await tried_so_far(live) if isinstance(intent, Ask) else ()
        return _settle(live, taken, intent, tried)

    result = await trying(live, node, visit, act, settle)
    if isinstance(result, GaveUp):
        await fail(live, Taken(node, visit, started, result.tries.number, paid=result.tries.paid), result.failure)
    elif result is None:
        return None
    elif not isinstance(result, Released):
        await result
    return True


def _settle(live: Live, taken: Taken, intent: Intent, tried: tuple[Tried, ...]) -> Any:
    match intent:
        case Wrote():
            return finish(live, taken, writes_of(live.workflow, taken.node.name, intent.values, live.around.limits))
        case Ask():
            question = human_question(live, taken.node, taken.visit, intent, tried)
            return live.post([QuestionAsked(live.around.clock.now(), question, taken.started)])
        case _:
            assert_never(intent)


def finish(
    live: Live,
    taken: Taken,
    writes: tuple[Write, ...],
    outcome: str | None = None,
    before: Sequence[Any] = (),
    letters: Sequence[str] = (),
) -> Any:
    """Queue the commit of a step that did its work; await what is returned for it to be on disk.

    Synchronous on purpose: reducers, routes, the move and the batch must all see the same run. Raises
    errors.StepError if a limit is passed, or a reducer or a route on the way raises: then nothing was queued.
    """
    name = taken.node.name
    writes = reduced(live.workflow, name, live.state, writes)
    state = after(live.state, writes, live.run.seq)
    for write in writes:
        within_write(write, f"{name} wrote {write.field!r}, reduced", live.around.limits)
    if writes:
        within_state(live.state, state, f"{name} wrote too much", live.around.limits)
    left = onward(live.workflow, live.run.frontier, name, outcome, state)
    now = live.around.clock.now()
    event = StepFinished(
        at=now,
        node=name,
        kind=taken.node.kind,
        visit=taken.visit,
        attempts=taken.attempts,
        started=taken.started,
        seconds=_seconds(taken.started, now),
        writes=tuple(write.field for write in writes),
        move=left.move,
        outcome=outcome,
        routes=left.routes,
        usage=taken.paid.usage,
        answered_by=taken.paid.answered_by,
        words=taken.words,
    )
    return live.post([*before, event], writes, letters)


async def fail(
    live: Live, taken: Taken, failure: Failure, before: Sequence[Any] = (), letters: Sequence[str] = ()
) -> None:
    """Commit that a node gave up: onward by its `.failed` edge, or staying due with nothing to catch it."""
    name = taken.node.name
    now = live.around.clock.now()
    move = None
    if catches(live.workflow, name, "failed"):
        left = onward(live.workflow, live.run.frontier, name, "failed", live.state)
        move = left.move
    event = StepFailed(
        at=now,
        node=name,
        kind=taken.node.kind,
        visit=taken.visit,
        attempts=taken.attempts,
        started=taken.started,
        seconds=_seconds(taken.started, now),
        failure=failure,
        move=move,
        usage=taken.paid.usage,
        answered_by=taken.paid.answered_by,
    )
    await live.post([*before, event], (), letters)


def _seconds(started: datetime, now: datetime) -> float:
    # A clock that was set back must not give a negative duration.
    return max(0.0, (now - started).total_seconds())
