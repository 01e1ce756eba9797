"""Batches: each line is done once, however often it is begun, and one line's trouble is its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal

import pytest

from workflow_engine import END, START, Question, State, function, human, workflow
from workflow_engine.errors import InputError, StoreError, UsageError
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.crash import Crashed, crash_after


class Count(State):
    n: int
    there: int = 0


DONE: list[int] = []
LIVE = Counter[str]()
BROKEN: set[int] = set()
GATE: list[asyncio.Event] = []
NOW: list[Any] = []


@function(writes="there")
async def note(n: int) -> int:
    LIVE["now"] += 1
    LIVE["most"] = max(LIVE["most"], LIVE["now"])
    try:
        await asyncio.sleep(0)
        if n < 0:
            await GATE[-1].wait()
        if n in BROKEN:
            raise RuntimeError(f"{n} is broken")
    finally:
        LIVE["now"] -= 1
    DONE.append(n)
    return n * 10


class Asked(State):
    who: str
    ruling: Literal["yes"] | None = None


@human(writes="ruling")
def ask(who: str) -> Question[Literal["yes"]]:
    return Question(f"go on, {who}?")


FLOW = workflow("flow", state=Count, edges=[START >> note >> END])
ASKING = workflow("asking", state=Asked, edges=[START >> ask, ask["yes"] >> END])


@pytest.fixture(autouse=True)
def fresh() -> None:
    DONE.clear()
    LIVE.clear()
    BROKEN.clear()
    GATE.append(asyncio.Event())


def rows(*numbers: int) -> list[dict[str, int]]:
    return [{"n": number} for number in numbers]


async def told(lines: AsyncIterator[Any]) -> list[tuple[int, str, Any]]:
    return [(each.number, each.status, each.values.get("there")) async for each in lines]


async def test_results_come_in_the_order_of_the_inputs(opened: Any) -> None:
    async with opened(FLOW) as engine:
        lines = engine.batch(FLOW, rows(-1, 2, 3, 4), key="k", at_once=2)
        first = asyncio.ensure_future(anext(lines))
        while DONE != [2, 3, 4]:  # noqa: ASYNC110 (the first is slow, and keeps no seat from the others)
            await asyncio.sleep(0)
        assert not first.done()
        GATE[-1].set()
        assert (await first).values["there"] == -10
        assert await told(lines) == [(2, "succeeded", 20), (3, "succeeded", 30), (4, "succeeded", 40)]


async def test_so_many_are_driven_at_once_and_the_inputs_are_read_no_further(opened: Any) -> None:
    read: list[int] = []

    def given() -> Iterator[dict[str, int]]:
        for number in range(500):
            read.append(number)
            assert number - len(DONE) <= 12
            yield {"n": number}

    async with opened(FLOW) as engine:
        found = await told(engine.batch(FLOW, given(), key="k", at_once=7))
        assert [each[0] for each in found] == list(range(1, 501))
        assert LIVE["most"] == 7


async def test_begun_again_it_does_nothing_and_tells_the_same(opened: Any) -> None:
    async with opened(FLOW) as engine:
        first = [each async for each in engine.batch(FLOW, rows(1, 2, 2, 1), key="k")]
    async with opened(FLOW) as engine:
        second = [each async for each in engine.batch(FLOW, rows(1, 2, 2, 1), key="k")]
    assert sorted(DONE) == [1, 1, 2, 2]  # the same inputs twice are two runs
    assert len({each.run for each in first}) == 4
    assert [(each.run, each.values) for each in first] == [(each.run, each.values) for each in second]
    assert {each.before for each in first} == {False}
    assert {each.before for each in second} == {True}


async def test_another_key_is_another_batch(opened: Any) -> None:
    async with opened(FLOW) as engine:
        await told(engine.batch(FLOW, rows(1), key="monday"))
        await told(engine.batch(FLOW, rows(1), key="tuesday"))
    assert DONE == [1, 1]


async def test_of_changed_inputs_only_what_is_new_is_done(opened: Any) -> None:
    async with opened(FLOW) as engine:
        await told(engine.batch(FLOW, rows(1, 2, 3), key="k"))
        DONE.clear()
        found = await told(engine.batch(FLOW, rows(7, 3, 1, 9), key="k"))
        assert [each[2] for each in found] == [70, 30, 10, 90]
        assert sorted(DONE) == [7, 9]


@pytest.mark.parametrize("writes", range(1, 13))
async def test_killed_anywhere_and_begun_again_no_line_is_done_twice(opened: Any, ledger: Any, writes: int) -> None:
    dying = crash_after(ledger, writes)
    async with opened(FLOW, ledger=dying) as engine:
        with pytest.raises(Crashed):
            await dying.until_crash(told(engine.batch(FLOW, rows(*range(4)), key="k", at_once=2)))
    async with opened(FLOW) as engine:
        found = await told(engine.batch(FLOW, rows(*range(4)), key="k", at_once=2))
        assert [each[1] for each in found] == ["succeeded"] * 4
        listed = await engine.runs()
        assert len(listed) == 4
        assert {each.steps for each in listed} == {1}  # no committed step ran again


async def test_a_line_that_fails_stops_no_other_and_is_resumed_by_the_next_start(opened: Any) -> None:
    BROKEN.add(2)
    async with opened(FLOW) as engine:
        found = [each async for each in engine.batch(FLOW, rows(1, 2, 3), key="k")]
        assert [each.status for each in found] == ["succeeded", "failed", "succeeded"]
        assert found[1].error is not None
        assert found[1].error.message == "RuntimeError: 2 is broken"
        BROKEN.clear()
        again = [each async for each in engine.batch(FLOW, rows(1, 2, 3), key="k")]
        assert [(each.status, each.before) for each in again] == [
            ("succeeded", True),
            ("succeeded", False),
            ("succeeded", True),
        ]
        assert again[1].run == found[1].run


async def test_inputs_that_do_not_fit_are_refused_one_by_one(opened: Any) -> None:
    async with opened(FLOW) as engine:
        given: list[Any] = [{"n": 1}, {"n": "none"}, {"m": 1}, 7, {"n": 2}]
        found = [each async for each in engine.batch(FLOW, given, key="k")]
        assert [each.status for each in found] == ["succeeded", "refused", "refused", "refused", "succeeded"]
        assert isinstance(found[1].refusal, InputError)
        assert len(await engine.runs()) == 2


async def test_a_line_that_waits_is_told_as_such_and_gone_on_with_once_answered(opened: Any) -> None:
    people = [{"who": "Ana"}, {"who": "Ben"}]
    async with opened(ASKING) as engine:
        found = [each async for each in engine.batch(ASKING, people, key="k")]
        assert [each.status for each in found] == ["waiting", "waiting"]
        await engine.answer(found[0].questions[0], "yes")
        again = [each async for each in engine.batch(ASKING, people, key="k")]
        assert [(each.status, each.before) for each in again] == [("succeeded", False), ("waiting", True)]


async def test_two_starts_at_once_do_each_line_once_and_both_hear_of_all(opened: Any) -> None:
    async with opened(FLOW) as one, opened(FLOW) as two:
        both = await asyncio.gather(
            *(told(each.batch(FLOW, rows(*range(30)), key="k", at_once=3)) for each in (one, two))
        )
        assert both[0] == both[1]
        assert sorted(DONE) == list(range(30))


async def test_a_second_start_that_is_faster_is_no_trouble(
    opened: Any, ledger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins the same line after this one saw that nobody had, and before this one does."""
    create = type(ledger).create

    async def slow(self: Any, batch: Any) -> Any:
        monkeypatch.undo()
        async with opened(FLOW) as faster:
            assert await told(faster.batch(FLOW, rows(1), key="k")) == [(1, "succeeded", 10)]
        return await create(self, batch)

    async with opened(FLOW) as engine:
        monkeypatch.setattr(type(ledger), "create", slow)
        assert await told(engine.batch(FLOW, rows(1), key="k")) == [(1, "succeeded", 10)]
    assert DONE == [1]


async def test_draining_ends_a_batch_that_is_gone_on_with_later(opened: Any) -> None:
    async with opened(FLOW) as engine:
        lines = engine.batch(FLOW, rows(1, -1, 2, 3, 4), key="k", at_once=2)
        assert (await anext(lines)).number == 1
        rest = asyncio.ensure_future(told(lines))
        while LIVE["now"] == 0 or len(DONE) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        engine.drain()
        GATE[-1].set()
        assert len(await rest) < 5
    async with opened(FLOW) as engine:
        found = await told(engine.batch(FLOW, rows(1, -1, 2, 3, 4), key="k", at_once=2))
        assert [each[1] for each in found] == ["succeeded"] * 5
        assert sorted(DONE) == [-1, 1, 2, 3, 4]


async def test_a_rate_spaces_beginnings_and_costs_nothing_for_what_is_done(opened: Any, clock: FakeClock) -> None:
    async with opened(FLOW) as engine:
        began = clock.now()
        await told(engine.batch(FLOW, rows(*range(6)), key="k", rate=0.5, at_once=3))
        assert (clock.now() - began).total_seconds() == 10  # the first at once, the others two seconds apart
        await told(engine.batch(FLOW, rows(*range(6)), key="k", rate=0.5))
        assert (clock.now() - began).total_seconds() == 10


async def test_a_batch_that_waits_for_its_pace_stops_at_once_when_told(opened: Any) -> None:
    still = FakeClock(jump=False)
    async with opened(FLOW, clock=still) as engine:
        lines = engine.batch(FLOW, rows(1, 2, 3), key="k", rate=0.001)
        assert (await anext(lines)).number == 1
        rest = asyncio.ensure_future(told(lines))
        while not still.slept:  # noqa: ASYNC110
            await asyncio.sleep(0)
        engine.drain()
        assert await rest == [(2, "interrupted", None), (3, "interrupted", None)]


async def test_a_store_that_fails_ends_the_batch(opened: Any, ledger: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: Any) -> Any:
        raise StoreError("the disk is full")

    async with opened(FLOW) as engine:
        with monkeypatch.context() as broken:
            broken.setattr(type(ledger), "create", full)
            with pytest.raises(StoreError, match="full"):
                await told(engine.batch(FLOW, rows(1, 2), key="k"))
        assert len(await told(engine.batch(FLOW, rows(1, 2), key="k"))) == 2


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"key": ""}, "key"),
        ({"key": None}, "key"),
        ({"at_once": 0}, "at once"),
        ({"rate": 0}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"rate": "10/s"}, "rate"),
    ],
)
async def test_what_no_batch_can_be_is_refused(opened: Any, wrong: Any, what: str) -> None:
    async with opened(FLOW) as engine:
        with pytest.raises(UsageError, match=what):
            engine.batch(FLOW, [], **{"key": "k", **wrong})
