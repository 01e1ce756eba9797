"""Subflows under a saboteur: death at every write, two owners, forged and missing links, and very many of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from tests.engine.conftest import KeptLedger
from tests.engine.deaths import die_at_every_write
from workflow_engine import (
    END,
    FAIL,
    START,
    Engine,
    Failure,
    Question,
    State,
    at_most,
    function,
    human,
    route,
    subflow,
    workflow,
)
from workflow_engine.errors import StoreDamaged
from workflow_engine.record.ids import RunId
from workflow_engine.testing import Crashed, crash_after

done: list[str] = []


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    done.clear()
    yield
    done.clear()


class Bill(State):
    order: str
    total: int | None = None
    ok: Literal["yes", "no"] | None = None
    paid: str = ""


class Shop(State):
    cart: str
    invoice: int | None = None
    receipt: str = ""
    sent: str = ""
    beside: str = ""
    trouble: str = ""


@function(writes="total")
def add(order: str) -> int:
    done.append("add")
    return len(order)


@function(writes="paid")
def pay(total: int, order: str) -> str:
    done.append("pay")
    if order == "bad":
        raise ValueError("no money")
    return f"paid {total}"


@human(writes="ok")
def approve(total: int) -> Question[Literal["yes", "no"]]:
    return Question(f"pay {total}?")


@function(writes="sent")
def send(invoice: int) -> str:
    done.append("send")
    return f"sent for {invoice}"


@function(writes="beside")
def beside(cart: str) -> str:
    done.append("beside")
    return cart


@function(writes="trouble")
def apologise(failure: Failure) -> str:
    done.append("apologise")
    return failure.kind


TAKES = {"invoice": "total", "receipt": "paid"}
billing = workflow("billing", state=Bill, edges=[START >> add >> pay >> END])
asking = workflow(
    "asking", state=Bill, edges=[START >> add >> approve, approve["yes"] >> pay >> END, approve["no"] >> FAIL("no")]
)
inner = subflow(asking, name="inner", reads="order", writes=("total", "paid"))
middle = workflow("middle", state=Bill, edges=[START >> inner >> END])


def flow(name: str, within: Any) -> Any:
    bill = subflow(within, name="bill", reads={"order": "cart"}, writes=TAKES)
    return workflow(name, state=Shop, edges=[START >> (bill, beside) >> send >> END])


def caught(name: str, within: Any) -> Any:
    bill = subflow(within, name="bill", reads={"order": "cart"}, writes=TAKES)
    return workflow(name, state=Shop, edges=[START >> bill >> send >> END, bill.failed >> apologise >> END])


PLAIN, DEEP, CAUGHT, REFUSED = (
    flow("plain", billing),
    flow("deep", middle),
    caught("caught", billing),
    caught("refused", middle),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "cart", "answer"),
    [(PLAIN, "abc", ""), (DEEP, "abc", "yes"), (CAUGHT, "bad", ""), (REFUSED, "abc", "no")],
    ids=lambda each: getattr(each, "name", each),
)
@pytest.mark.parametrize("executor", ["native", "langgraph"])
async def test_a_death_at_any_write_changes_nothing_about_the_end(
    made: Any, cart: str, answer: str, executor: str
) -> None:
    runs, writes = await die_at_every_write(made, done, answer, executor=executor, cart=cart)
    assert runs == (3 if made in (DEEP, REFUSED) else 2)
    assert writes > 8


async def test_one_of_many_who_resume_runs_within_and_around_wins() -> None:
    kept = KeptLedger()
    async with Engine.connect("unused", ledger=kept, workflows=[DEEP]) as engine:
        view = await engine.run(DEEP, cart="abc")
        [asked] = await engine.inbox()
        await engine.answer(asked.question.id, "yes", by="ana")
        done.clear()
        names = [view.id, f"{view.id}-bill-1", f"{view.id}-bill-1-inner-1"] * 4
        outcomes = await asyncio.gather(*(engine.resume(name) for name in names), return_exceptions=True)
        assert done == ["pay", "send"]
        assert (await engine.get(view.id)).status == "succeeded"
        assert {type(each).__name__ for each in outcomes} <= {"RunView", "RunOwned", "RunEnded"}
        assert sum(not isinstance(each, BaseException) for each in outcomes) == 1


async def _interrupted(kept: KeptLedger) -> tuple[RunId, RunId]:
    """A run that died while the one within it was at work."""
    dying = crash_after(kept, 5)
    async with Engine.connect("unused", ledger=dying, workflows=[CAUGHT]) as engine:
        with pytest.raises(Crashed):
            await dying.until_crash(engine.run(CAUGHT, cart="abc"))
    kept.abandon()
    [run, within] = list(kept._boxes)
    return run, within


async def test_a_run_within_that_is_gone_is_damage_and_not_begun_again() -> None:
    kept = KeptLedger()
    run, within = await _interrupted(kept)
    del kept._boxes[within]
    async with Engine.connect("unused", ledger=kept, workflows=[CAUGHT]) as engine:
        with pytest.raises(StoreDamaged, match=f"run {within}, which does its step bill, is missing"):
            await engine.resume(run)
        assert (await engine.get(run)).status == "running"


async def test_a_run_that_claims_another_ones_place_is_damage() -> None:
    kept = KeptLedger()
    run, within = await _interrupted(kept)
    box = kept._boxes[within]
    box.text = box.text.replace(f'"within":{{"run":"{run}"', '"within":{"run":"another"')
    async with Engine.connect("unused", ledger=kept, workflows=[CAUGHT]) as engine:
        with pytest.raises(StoreDamaged, match="is not the one that does step bill"):
            await engine.resume(run)
        with pytest.raises(StoreDamaged, match="run another around it is missing"):
            await engine.resume(within)


async def test_runs_within_one_another_in_a_circle_are_damage() -> None:
    kept = KeptLedger()
    _, within = await _interrupted(kept)
    box = kept._boxes[within]
    box.text = re.sub(r'"within":\{"run":"[^"]*"', f'"within":{{"run":"{within}"', box.text)
    async with Engine.connect("unused", ledger=kept, workflows=[CAUGHT]) as engine:
        with pytest.raises(StoreDamaged, match="lies within itself"):
            await engine.resume(within)


@pytest.mark.slow
async def test_a_thousand_runs_within_one() -> None:
    class Many(State):
        n: int = 0
        order: str = "x"
        total: int | None = None

    @function(writes="n")
    def count(n: int) -> int:
        return n + 1

    @route
    def enough(n: int) -> Literal["yes", "no"]:
        return "yes" if n == 1000 else "no"

    quick = workflow("quick", state=Bill, edges=[START >> add >> END])
    each = subflow(quick, name="each", reads="order", writes="total")
    many = workflow(
        "many",
        state=Many,
        edges=[
            START >> each >> count >> enough,
            enough["no"] >> at_most(1000, each, then=FAIL("too many")),
            enough["yes"] >> END,
        ],
    )
    kept = KeptLedger()
    async with Engine.connect("unused", ledger=kept, workflows=[many]) as engine:
        view = await engine.run(many)
        assert (view.status, len(kept._boxes), len(done)) == ("succeeded", 1001, 1000)
        assert len(kept._boxes[view.id].text) < 2000
        assert [each.run for each in await engine.runs()] == [view.id]
        assert await engine.find(view.id[:4]) == await engine.find("@last") == view.id


async def test_a_run_within_that_was_begun_and_not_noted_yet_is_not_taken_for_one_that_is_over() -> None:
    for number in range(1, 8):
        kept = KeptLedger()
        dying = crash_after(kept, number)
        async with Engine.connect("unused", ledger=dying, workflows=[CAUGHT]) as engine:
            with pytest.raises(Crashed):
                await dying.until_crash(engine.run(CAUGHT, cart="abc"))
        kept.abandon()
        around, *within = list(kept._boxes)
        if within and not kept._boxes[around].run.entered:
            break
    else:
        raise AssertionError("there was no such moment")
    async with Engine.connect("unused", ledger=kept, workflows=[CAUGHT]) as engine:
        found = await engine.to_recover(within[0])
        assert found is not None
        assert found.id == around
        assert (await engine.get(within[0])).run.status == "running"
