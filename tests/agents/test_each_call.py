"""Every fault at each call of a turn: it ends as the policy says, nothing is asked twice, and the record says who."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from tests.agents.asking import Design
from tests.agents.endpoint import Script, call, fault, raw, say, status, stopped
from tests.agents.test_failover import two
from tests.agents.ticket import Ticket, Town, opening
from tests.engine.conftest import Open, clock, ledger, opened
from workflow_engine import END, START, Retry, State, Workflow, agent, workflow
from workflow_engine.record.events import CallFailed, CallFinished

__all__ = ["clock", "ledger", "opened"]

TURN: tuple[Script, ...] = (call(("read", {"number": 1})), call(("read", {"number": 2})), say("both were read"))
FAULTS: dict[str, tuple[Script, str]] = {
    "429": (status(429), "rate_limit"),
    "500": (status(500), "infrastructure"),
    "hang": (fault("hang"), "timeout"),
    "drip": (fault("drip"), "timeout"),
    "cut": (fault("cut"), "infrastructure"),
    "drop": (fault("drop"), "infrastructure"),
    "bad": (raw(b'{"id": "c"'), "model"),
    "hollow": (raw(b"{}"), "model"),
    "huge": (raw(b"{" + b" " * (50 * 2**20) + b"}"), "model"),
    "stopped": (stopped(say("both were"), 1), "infrastructure"),
}


class Ear:
    deltas = True

    def hear(self, run: Any, event: Any) -> None: ...


def flow() -> Workflow[Any]:
    def read(number: int, town: Town) -> str:
        """Read a ticket."""
        town.reads.append(number)
        return f"ticket {number}"

    @agent(writes="done", instructions="Read both.", tools=[read], retry=Retry(2, first=timedelta(seconds=1)))
    def work(number: int) -> str:
        return "Read tickets 1 and 2."

    return workflow("reading", state=Ticket, edges=[START >> work >> END], resources={Town: opening(Town())})


def _places() -> Iterator[Any]:
    """Each fault at each call. Those that take seconds to be given up are seen at every call by `make crash`."""
    for chained, name, at in product((True, False), FAULTS, range(3)):
        slow = name in SLOW and (name, at, chained) not in SOME
        marks = [pytest.mark.crash] if slow else []
        yield pytest.param(name, at, chained, id=f"{'chain' if chained else 'alone'}-{name}-{at}", marks=marks)


SLOW = ("hang", "drip")
SOME = (("hang", 0, True), ("drip", 2, True), ("drip", 1, False))


@pytest.mark.parametrize(("name", "at", "chained"), [*_places()])
async def test_a_fault_at_any_call_costs_that_call_and_nothing_else(
    name: str, at: int, chained: bool, opened: Open, ledger: Any
) -> None:
    broken, kind = FAULTS[name]
    town, work = Town(), flow()
    listeners = [Ear()] if name == "stopped" else []
    first = [*TURN[:at], broken, *(TURN[at + 1 :] if chained else TURN[at:])]
    second = [TURN[at]] if chained else [status(500)] * 9
    limit = 2 if name in SLOW else 60
    # Alone: the model beside it is of no use, and is asked as well.
    async with (
        two(first, second, limit=limit) as (runner, one, other),
        opened(work, agents=runner, resources={Town: opening(town)}, listeners=listeners) as engine,
    ):
        view = await engine.run(work, {"number": 1})
        events = [each.event for each in await ledger.journal(view.id)]
    failed = [each for each in events if isinstance(each, CallFailed)]
    finished = [each for each in events if isinstance(each, CallFinished) and each.what == "model"]
    assert (view.status, view.state.done) == ("succeeded", "both were read"), view.run.failed
    assert town.reads == [1, 2], "a tool that was used is not used again"
    assert (failed[0].name, failed[0].kind) == ("big@a", kind)
    assert len(finished) == 3
    if chained:
        assert [each.name for each in finished] == [*["big@a"] * at, "small@b", *["big@a"] * (2 - at)]
    assert len(one.requests) + len(other.requests) == 3 + len(failed)


@pytest.mark.parametrize("wrong", ['{"title": 3}', "not JSON", ""])
async def test_an_answer_of_a_wrong_shape_is_asked_again_of_the_same_talk_and_then_fails(
    wrong: str, opened: Open, ledger: Any
) -> None:
    class Plan(State):
        n: int = 0
        design: Design | None = None

    @agent(writes="design", instructions="Design.", retry=Retry(1))
    def plan(n: int) -> str:
        return "Design it."

    work = workflow("plan", state=Plan, edges=[START >> plan >> END])
    async with (
        two([say(wrong)] * 3, [say('{"title": "t"}')]) as (runner, one, other),
        opened(work, agents=runner) as engine,
    ):
        view = await engine.run(work, {})
    [failure] = view.run.failed.values()
    assert (failure.kind, len(one.requests), len(other.requests)) == ("validation", 3, 0)
