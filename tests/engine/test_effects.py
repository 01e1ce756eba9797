"""Effects and deaths: what began and may have happened is never silently repeated."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from workflow_engine import END, FAIL, START, State, Step, function, workflow


class Shop(State):
    n: int
    receipt: str = ""


class Outside:
    """The outside world: what really happened, and how often."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.keys: list[str] = []
        self.hang = True
        self.there = False

    async def pay(self, n: int, step: Step) -> str:
        self.keys.append(step.key)
        if self.hang:
            self.began.set()
            await asyncio.Event().wait()
        return f"paid {n}"

    async def look(self, n: int) -> str | None:
        return f"found {n}" if self.there else None


def shop(outside: Outside, in_doubt: Any) -> Any:
    pay = function(name="pay", writes="receipt", effect=True, in_doubt=in_doubt)(outside.pay)
    return workflow("shop", state=Shop, edges=[START >> pay >> END, pay.failed >> FAIL("not paid")])


async def die(opened: Any, flow: Any, outside: Outside, ledger: Any) -> str:
    """Begin a run and let its process die in the middle of the effect."""
    async with opened(flow) as engine:
        running = asyncio.create_task(engine.run(flow, n=1))
        await outside.began.wait()
        ledger.abandon()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        outside.hang = False
        return str(await engine.find("@last"))


async def test_an_effect_in_doubt_asks_a_person_by_default(opened: Any, ledger: Any) -> None:
    outside = Outside()
    flow = shop(outside, "ask")
    run = await die(opened, flow, outside, ledger)
    async with opened(flow) as engine:
        [view] = await engine.recover()
        assert view.status == "waiting"
        [standing] = await engine.inbox()
        assert standing.question.asks == "effect"
        assert standing.question.choices == ("rerun", "accept", "fail")
        assert len(outside.keys) == 1, "it was not repeated"
        await engine.answer(run, "rerun", by="ana")
        view = await engine.resume(run)
    assert (view.status, view.values["receipt"]) == ("succeeded", "paid 1")
    assert outside.keys == [f"{run}/pay/1"] * 2, "the same key each time"


async def test_an_effect_can_be_accepted_with_a_value(opened: Any, ledger: Any) -> None:
    outside = Outside()
    flow = shop(outside, "ask")
    run = await die(opened, flow, outside, ledger)
    async with opened(flow) as engine:
        await engine.recover()
        with pytest.raises(Exception, match="'receipt' is a required property"):
            await engine.answer(run, {"choice": "accept"})
        await engine.answer(run, {"choice": "accept", "receipt": "by hand"})
        view = await engine.resume(run)
    assert (view.status, view.values["receipt"]) == ("succeeded", "by hand")
    assert len(outside.keys) == 1


async def test_an_effect_can_be_given_up(opened: Any, ledger: Any) -> None:
    outside = Outside()
    flow = shop(outside, "ask")
    run = await die(opened, flow, outside, ledger)
    async with opened(flow) as engine:
        await engine.recover()
        await engine.answer(run, "fail", by="ana")
        view = await engine.resume(run)
    assert (view.status, view.run.reason) == ("failed", "not paid")
    assert len(outside.keys) == 1


async def test_a_second_death_asks_a_second_question(opened: Any, ledger: Any) -> None:
    outside = Outside()
    flow = shop(outside, "ask")
    run = await die(opened, flow, outside, ledger)
    async with opened(flow) as engine:
        await engine.recover()
        await engine.answer(run, "rerun")
        outside.hang, outside.began = True, asyncio.Event()
        again = asyncio.create_task(engine.resume(run))
        await outside.began.wait()
        again.cancel()
        with pytest.raises(asyncio.CancelledError):
            await again
        outside.hang = False
        view = (await engine.recover())[0]
        assert view.status == "waiting"
        [standing] = await engine.inbox()
        assert standing.question.id == f"{run}.q2"
        assert len(outside.keys) == 2, "the first answer did not repeat it a second time"


@pytest.mark.parametrize(("there", "receipt", "calls"), [(True, "found 1", 1), (False, "paid 1", 2)])
async def test_a_probe_decides(opened: Any, there: bool, receipt: str, calls: int, ledger: Any) -> None:
    outside = Outside()
    flow = shop(outside, outside.look)
    await die(opened, flow, outside, ledger)
    outside.there = there
    async with opened(flow) as engine:
        [view] = await engine.recover()
    assert (view.status, view.values["receipt"], len(outside.keys)) == ("succeeded", receipt, calls)
    assert [each.words for each in view.history.steps] == ["found by its probe" if there else ""]


async def test_a_probe_that_says_something_has_the_last_word(opened: Any, ledger: Any) -> None:
    async def look(n: int, step: Step) -> str:
        step.progress("it is in the books")
        return f"found {n}"

    outside = Outside()
    flow = shop(outside, look)
    await die(opened, flow, outside, ledger)
    async with opened(flow) as engine:
        [view] = await engine.recover()
    assert [each.words for each in view.history.steps] == ["it is in the books"]


async def test_an_effect_may_say_that_repeating_it_is_harmless(opened: Any, ledger: Any) -> None:
    outside = Outside()
    flow = shop(outside, "rerun")
    await die(opened, flow, outside, ledger)
    async with opened(flow) as engine:
        [view] = await engine.recover()
    assert (view.status, len(outside.keys)) == ("succeeded", 2)


async def test_a_step_that_takes_its_process_down_five_times_is_not_tried_a_sixth(opened: Any, ledger: Any) -> None:
    outside = Outside()
    deadly = function(name="deadly", writes="receipt")(outside.pay)
    flow = workflow("flow", state=Shop, edges=[START >> deadly >> END])
    run = await die(opened, flow, outside, ledger)
    for death in range(2, 6):
        outside.hang, outside.began = True, asyncio.Event()
        async with opened(flow) as engine:
            again = asyncio.create_task(engine.recover())
            await outside.began.wait()
            ledger.abandon()
            again.cancel()
            with pytest.raises(asyncio.CancelledError):
                await again
        assert len(outside.keys) == death
    outside.hang = False
    async with opened(flow) as engine:
        [view] = await engine.recover()
        assert view.status == "waiting"
        [standing] = await engine.inbox()
        assert (standing.question.asks, len(outside.keys)) == ("deaths", 5)
        await engine.answer(run, "rerun")
        assert (await engine.resume(run)).status == "succeeded"
    assert len(outside.keys) == 6
