"""Waiting: how a wait begins, takes the signals that come for it, and is over.

A signal is recorded by one commit (SignalReceived) and acted on by the next (StepFinished): between them the node is
due and rests no more, so whoever takes the run up goes on there. What a signal carries stands in the journal alone; the
run remembers its name, its id and the number of its event.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from workflow_engine.bodies.intent import Await
from workflow_engine.errors import Conflict, StepError, StoreDamaged, StoreError
from workflow_engine.record.events import SignalReceived, SignalRefused, WaitBegan, WaitExpired
from workflow_engine.record.inbox import Letter, SignalRecord
from workflow_engine.record.values import Write
from workflow_engine.record.waiting import Waiting, words_of
from workflow_engine.spec.nodes import EXPIRED
from workflow_engine.spec.waits import Wait
from workflow_engine.steps.attempt import failure_of
from workflow_engine.steps.filing import must_be_there
from workflow_engine.steps.live import Live
from workflow_engine.steps.settling import Taken, fail, finish
from workflow_engine.steps.writing import writes_of


@dataclass(frozen=True)
class _Came:
    """A wait that is over because its signals came: what they write, the way out, and a word on who sent them."""

    writes: tuple[Write, ...]
    outcome: str | None
    words: str


def begin(live: Live, node: Wait, visit: int, started: datetime, told: Await) -> Awaitable[None]:
    """Queue the commit with which a node rests. What came before it is its own from then on."""
    now = live.around.clock.now()
    length = node.within if node.signals else node.lasting
    waiting = Waiting(
        node=node.name,
        visit=visit,
        on="signal" if node.signals else "time",
        names=node.names,
        first=node.first,
        until=told.until if length is None else now + length,
        topic=node.topic,
        since=started,
    )
    return live.post([WaitBegan(now, waiting)])


async def receive(live: Live, letter: Letter, signal: SignalRecord) -> None:
    """Take a signal up: for the node that waits for it, or for one that will.

    It is for a wait if it was sent before the time of that was over, however late anybody looks.
    """
    if live.run.ended:  # by a step that finished since the box was opened: no fact follows an end
        await live.post([], (), [letter.id])
        return
    now = live.around.clock.now()
    waiting = next((each for each in live.run.waits if _for(each, signal, letter.at)), None)
    node, visit = (None, 0) if waiting is None else (waiting.node, waiting.visit)
    came = SignalReceived(now, signal.name, signal.id, letter.by, signal.payload, node, visit, signal.topic)
    events: list[Any] = [came]
    if waiting is not None and (why := _misfit(live, waiting, signal.name, signal.payload)) is not None:
        events.append(SignalRefused(now, signal.name, signal.id, waiting.node, waiting.visit, why))
    await live.post(events, (), [letter.id])


def _for(waiting: Waiting, signal: SignalRecord, sent: datetime) -> bool:
    if waiting.on != "signal" or (signal.topic is not None and signal.topic != waiting.topic):
        return False
    return signal.name in waiting.missing and (waiting.until is None or sent <= waiting.until)


async def go_on(live: Live, node: Wait, waiting: Waiting) -> None:
    """Finish a wait whose signals are there."""
    found = await _came(live, node, waiting)
    if found is None:
        return
    taken = Taken(node, waiting.visit, waiting.since or live.around.clock.now(), words=found.words)
    try:
        durable = finish(live, taken, found.writes, found.outcome)
    except (StoreError, Conflict):
        raise
    except Exception as error:  # reducers and routes are the user's code
        durable = fail(live, taken, failure_of(node.name, error, 1))
    await durable


async def over(live: Live, waiting: Waiting, now: datetime) -> None:
    """End a wait whose time has come: a time that was waited for, or the end of patience with a signal or a run."""
    node = live.workflow.nodes[waiting.node]
    if waiting.on == "time":
        taken = Taken(node, waiting.visit, waiting.since or now, words=words_of(waiting))
        outcome, before = None, []
    else:
        taken = Taken(node, waiting.visit, waiting.since or now, words="nothing came in time")
        outcome, before = EXPIRED, [WaitExpired(now, waiting.node, waiting.visit)]
    try:
        durable = finish(live, taken, (), outcome, before)
    except StepError as error:
        durable = fail(live, taken, failure_of(node.name, error, 1), before)
    await durable


async def _came(live: Live, node: Wait, waiting: Waiting) -> _Came | None:
    """What the signals of a complete wait make of it; None where one did not fit, and was refused: it waits on."""
    had = await _had(live, waiting)
    for each in had:
        if (why := _misfit(live, waiting, each.name, each.payload)) is not None:
            now = live.around.clock.now()
            await live.post([SignalRefused(now, each.name, each.id, node.name, waiting.visit, why)])
            return None
    names = ", ".join(each.name for each in had)
    by = ", ".join(dict.fromkeys(each.by for each in had))
    writes = tuple(write for each in had for write in _writes(live, node, each.name, each.payload))
    return _Came(writes, had[0].name if node.first else None, f"{names} (by {by})")


async def _had(live: Live, waiting: Waiting) -> list[SignalReceived]:
    """The signals of a wait, as the journal has them."""
    wanted = [each.seq for each in waiting.had]
    journal = await live.around.ledger.journal(live.run.id, min(wanted, default=1) - 1)
    events = {each.seq: each.event for each in journal}
    had = [events.get(seq) for seq in wanted]
    came = [
        each
        for each, kept in zip(had, waiting.had, strict=True)
        if isinstance(each, SignalReceived) and (each.name, each.id) == (kept.name, kept.id)
    ]
    if not came or len(came) < len(had):
        what = f"run {live.run.id} is damaged: its journal lacks what {waiting.node} is said to have got"
        raise StoreDamaged(what, "restore the store from a backup, or fork the run at an earlier step")
    return came


def _misfit(live: Live, waiting: Waiting, name: str, payload: Any) -> str | None:
    """Why what a signal carries cannot be taken, as its type and its field know it."""
    node = live.workflow.nodes[waiting.node]
    if not isinstance(node, Wait):
        return None
    try:
        _writes(live, node, name, payload)
    except (StoreError, Conflict):
        raise
    except Exception as error:  # validators are the user's code
        return failure_of(node.name, error, 1).message[:500]
    return None


def _writes(live: Live, node: Wait, name: str, payload: Any) -> tuple[Write, ...]:
    field = node.carried.get(name)
    kind = node.payload(name, live.workflow.fields)
    value = None if kind is None else TypeAdapter(kind).validate_json(json.dumps(payload))
    if field is None:
        return ()
    writes = writes_of(live.workflow, f"signal {name}", {field: value}, live.around.limits)
    if field in live.workflow.filing:
        must_be_there(live, node, [write.text for write in writes], told=True)
    return writes
