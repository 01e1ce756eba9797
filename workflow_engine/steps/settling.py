"""Settling: the one commit that ends a step, and the decision where it leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from workflow_engine.errors import Failure
from workflow_engine.frontier.leave import catches, charged, is_left
from workflow_engine.making import quickly
from workflow_engine.record.events import QuestionWithdrawn, StepFailed, StepFinished, StepWithdrawn
from workflow_engine.record.frontier import Move
from workflow_engine.record.usage import Spent
from workflow_engine.record.values import Write
from workflow_engine.spec.nodes import Human, Node
from workflow_engine.spec.waits import Wait
from workflow_engine.steps.filing import must_be_there
from workflow_engine.steps.live import Live, after
from workflow_engine.steps.onward import onward
from workflow_engine.steps.trying import Paid
from workflow_engine.steps.writing import reduced, within_state, within_write


@quickly
@dataclass(frozen=True)
class Taken:
    """A step that has its result in hand and only needs its commit."""

    node: Node
    visit: int
    started: datetime
    attempts: int = 1
    words: str = ""
    paid: Paid = field(default_factory=Paid)


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
    if filed := [write.text for write in writes if write.field in live.workflow.filing]:
        must_be_there(live, taken.node, filed, told=bool(letters) or isinstance(taken.node, Human | Wait))
    cost = live.owing.get(name) if live.owing else None
    left = onward(live.workflow, live.run.frontier, name, outcome, state, cost, live.staying)
    live.owing.pop(name, None)
    now = live.around.clock.now()
    before = (*before, *_withdrawn(live, left.move, now))
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
    cost = live.owing.pop(name, None)
    spent: Mapping[str, Spent] = {}
    if catches(live.workflow, name, "failed") or live.is_left(name):
        left = onward(live.workflow, live.run.frontier, name, "failed", live.state, cost, live.staying)
        move = left.move
        before = (*before, *_withdrawn(live, move, now))
    else:
        live.gave_up.set()
        if cost is not None:
            spent = charged(live.workflow, live.run.frontier, name, cost)
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
        spent=spent,
    )
    await live.post([*before, event], (), letters)


async def withdraw(live: Live, name: str) -> None:
    """Commit that a node is due no more, whose fork was left before its step came to anything."""
    cost = live.owing.pop(name, None)
    visit, kind = live.run.frontier.visits[name], live.workflow.nodes[name].kind
    left = onward(live.workflow, live.run.frontier, name, None, live.state, cost)
    await live.post([StepWithdrawn(live.around.clock.now(), name, kind, visit, left.move)])


def _withdrawn(live: Live, move: Move, now: datetime) -> list[QuestionWithdrawn]:
    """The questions that are over because a move leaves a fork: all of its arms', but those about effects in doubt."""
    if not move.dropped and not move.leaving:
        return []
    ahead = live.run.frontier.after(move)
    return [
        QuestionWithdrawn(now, each.id, each.node, each.visit)
        for each in live.run.open
        if each.node in move.dropped
        or (is_left(live.workflow, ahead, each.node) and each.node != move.left and not live.in_doubt(each.node))
    ]


def _seconds(started: datetime, now: datetime) -> float:
    # A clock that was set back must not give a negative duration.
    return max(0.0, (now - started).total_seconds())
