"""A run in its owner's hands: what may begin, what is handed over in which order, and how waiting is cut short."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.runtime.held import HeldLedger
from workflow_engine import END, START, State, function, workflow
from workflow_engine.bodies.resources import Resources
from workflow_engine.ports.ledger import Batch, Snapshot
from workflow_engine.record.events import (
    QuestionAnswered,
    QuestionAsked,
    RunClaimed,
    RunCreated,
    StepFinished,
)
from workflow_engine.record.fold import advance, begin
from workflow_engine.record.frontier import Frontier, Move
from workflow_engine.record.ids import RunId, question_id
from workflow_engine.record.inbox import Answer, QuestionRecord
from workflow_engine.record.values import Write
from workflow_engine.steps.live import Live, Surroundings
from workflow_engine.steps.onward import onward
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.mint import SeededMint

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = RunId("r1")


class Empty(State):
    n: int = 0


@function
async def a() -> None: ...


b, c, d = a.named("b"), a.named("c"), a.named("d")
FLOW = workflow("flow", state=Empty, edges=[START >> (a >> c, b) >> d >> END])


def no_model() -> Any:
    raise AssertionError("no agents here")


@pytest.fixture
def ledger() -> HeldLedger:
    return HeldLedger()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(jump=False)


@pytest.fixture
async def live(ledger: HeldLedger, clock: FakeClock) -> Live:
    """A run at its beginning: a and b are due."""
    move = onward(FLOW, Frontier(), START.name, None, {}).move
    created = RunCreated(NOW, RUN, FLOW.name, FLOW.shape, FLOW.bodies, move)
    claimed = RunClaimed(NOW, 1, "here", "run")
    run = advance(begin(created), claimed)
    fence = await ledger.create(Batch(run, (created, claimed)))
    around = Surroundings(ledger, clock, SeededMint(1), Resources(), no_model)
    return Live.of(FLOW, around, fence, Snapshot(run, {}))


def finished(live: Live, node: str) -> StepFinished:
    move: Move = onward(FLOW, live.run.frontier, node, None, {}).move
    return StepFinished(NOW, node, "function", 1, 1, NOW, 0.0, (), move)


def asked(live: Live, node: str) -> QuestionAsked:
    return QuestionAsked(NOW, QuestionRecord(question_id(RUN, live.run.asked + 1), RUN, node, 1, "?", "", {}))


async def test_what_is_due_and_neither_busy_nor_resting_may_begin(live: Live) -> None:
    assert live.startable() == ("a", "b")
    live.busy.add("a")
    assert live.startable() == ("b",)
    await live.post([asked(live, "b")])
    assert live.startable() == ()


async def test_nothing_begins_once_somebody_drains_or_cancels(live: Live) -> None:
    live.drain()
    assert live.startable() == ()


async def test_a_node_may_begin_once_the_commit_that_leads_to_it_is_on_disk(live: Live, ledger: HeldLedger) -> None:
    ledger.stop()
    durable = asyncio.ensure_future(live.post([finished(live, "a")]))
    await asyncio.sleep(0)
    assert live.run.frontier.due == ("b", "c")
    assert live.startable() == ("b",)
    ledger.go_on()
    await durable
    assert live.startable() == ("b", "c")


async def test_a_node_that_was_asked_about_begins_once_its_answer_is_on_disk(live: Live, ledger: HeldLedger) -> None:
    question = asked(live, "a")
    await live.post([question])
    ledger.stop()
    answer = Answer(question.question.id, "rerun", "ann", NOW, "test")
    durable = asyncio.ensure_future(live.post([QuestionAnswered(NOW, question.question.id, "a", 1, answer)]))
    await asyncio.sleep(0)
    assert not live.run.resting
    assert live.startable() == ("b",)
    ledger.go_on()
    await durable
    assert live.startable() == ("a", "b")


async def test_steps_that_end_at_one_moment_are_handed_over_in_the_order_in_which_each_saw_the_others(
    live: Live, ledger: HeldLedger
) -> None:
    ledger.stop()
    first = live.post([finished(live, "a")], [Write("n", "set", "1")])
    second = live.post([finished(live, "b")])
    third = live.post([finished(live, "c")])
    seen = [(batch.run.seq, batch.run.frontier.due) for _, batch, _ in ledger.queue]
    assert seen == [(3, ("b", "c")), (4, ("c",)), (5, ("d",))]
    assert live.state["n"].seq == 3
    ledger.go_on()
    await asyncio.gather(third, second, first)  # whoever hears first, what is on disk never goes back
    assert live.kept is live.run


async def test_an_edge_counts_as_passed_each_time_it_is_travelled(live: Live) -> None:
    await live.post([finished(live, "a")])
    await live.post([finished(live, "b")])
    await live.post([finished(live, "c")])
    assert live.passed == {"a > c": 1, "b + c > d": 2} or live.passed == {"a > c": 1, "c + b > d": 2}


async def test_a_pause_lasts_as_long_as_it_should(live: Live, clock: FakeClock) -> None:
    pausing = asyncio.create_task(live.pause(10, "a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    clock.advance(9)
    await asyncio.sleep(0)
    assert not pausing.done()
    clock.advance(1)
    await pausing


async def test_a_drain_ends_a_pause(live: Live, clock: FakeClock) -> None:
    pausing = asyncio.create_task(live.pause(3600, "a"))
    await asyncio.sleep(0)
    live.drain()
    await pausing
    assert clock.now().hour == 0
