"""Times: kept in the store, needing no process, and known to nobody but the clock on the wall."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pytest

from tests.waits.flows import DATED, ONE, SLOW, Payment
from workflow_engine import END, START, State, append, function, wait, workflow

DAY = timedelta(days=1).total_seconds()


async def test_a_run_waits_for_days_without_a_process(opened: Any, clock: Any) -> None:
    async with opened(SLOW) as engine:
        view = await engine.run(SLOW, order="A")
        assert (view.status, view.reason) == ("waiting", "time")
        (waiting,) = view.run.waits
        assert waiting.until == clock.now() + timedelta(days=3)
    clock.advance(3 * DAY - 1)
    async with opened(SLOW) as engine:
        assert (await engine.due(), await engine.recover()) == ([], [])
    clock.advance(1)
    async with opened(SLOW) as engine:
        assert await engine.due() == [view.id]
        (view,) = await engine.recover()
        assert view.status == "succeeded"
        assert view.history.latest("cool").seconds == pytest.approx(3 * DAY)


async def test_resumed_too_early_it_waits_on_until_the_time_it_was_to(opened: Any, clock: Any) -> None:
    async with opened(SLOW) as engine:
        view = await engine.run(SLOW, order="A")
        until = view.run.waits[0].until
        clock.advance(DAY)
        view = await engine.resume(view.id)
        assert (view.status, view.run.waits[0].until) == ("waiting", until)


async def test_a_time_in_a_field_is_waited_for(opened: Any, clock: Any) -> None:
    due = clock.now() + timedelta(hours=5)
    async with opened(DATED) as engine:
        view = await engine.run(DATED, due=due)
        assert (view.reason, view.run.waits[0].until) == ("time", due)
        clock.advance(5 * 3600)
        (view,) = await engine.recover()
        assert view.state.log == ["awake"]


async def test_a_time_that_has_passed_is_over_at_once(opened: Any, clock: Any) -> None:
    async with opened(DATED) as engine:
        view = await engine.run(DATED, due=clock.now() - timedelta(days=400))
        assert (await engine.due(), view.status) == ([view.id], "waiting")
        (view,) = await engine.recover()
        assert view.status == "succeeded"


async def test_a_time_without_a_zone_is_the_steps_failure(opened: Any) -> None:
    class Naive(State):
        due: datetime

    flow = workflow("naive", state=Naive, edges=[START >> wait(until="due") >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow, due=datetime(2026, 5, 5))  # noqa: DTZ001
        assert view.status == "failed"
        assert "does not say in which time zone" in view.error.message


async def test_a_clock_set_on_by_a_day_ends_waits_early_and_once(opened: Any, clock: Any) -> None:
    async with opened(SLOW) as engine:
        view = await engine.run(SLOW, order="A")
        clock.set(clock.now() + timedelta(days=4))
        (view,) = await engine.recover()
        assert view.status == "succeeded"
        clock.set(clock.now() - timedelta(days=4))
        assert await engine.recover() == []
        kinds = [each.event.type for each in await engine.journal(view.id)]
        assert kinds.count("WaitBegan") == 1


async def test_a_clock_set_back_by_a_day_makes_waits_longer_and_loses_none(opened: Any, clock: Any) -> None:
    async with opened(SLOW) as engine:
        view = await engine.run(SLOW, order="A")
        began = clock.now()
        clock.set(began - timedelta(days=1))
        view = await engine.resume(view.id)
        assert view.status == "waiting"
        clock.set(began + timedelta(days=3) - timedelta(seconds=1))
        assert await engine.recover() == []
        clock.set(began + timedelta(days=3))
        (view,) = await engine.recover()
        assert (view.status, view.history.latest("cool").seconds) == ("succeeded", pytest.approx(3 * DAY))


async def test_a_wait_for_a_signal_is_as_true_to_the_clock(opened: Any, clock: Any) -> None:
    async with opened(ONE) as engine:
        view = await engine.run(ONE, order="A")
        clock.set(clock.now() - timedelta(days=1))
        await engine.signal(view.id, "payment", Payment(amount=1))
        assert (await engine.resume(view.id)).status == "succeeded"


@pytest.mark.parametrize("executor", ["native", "langgraph"])
async def test_a_time_comes_while_a_sibling_arm_is_at_work(opened: Any, clock: Any, executor: str) -> None:
    class Arms(State):
        log: Annotated[list[str], append] = []

    gate, woke = asyncio.Event(), asyncio.Event()

    @function
    async def slow() -> None:
        await gate.wait()

    @function(writes="log")
    async def after() -> list[str]:
        woke.set()
        return ["woke"]

    @function(writes="log")
    async def join() -> list[str]:
        return ["joined"]

    pause = wait(timedelta(days=3), name="pause")
    flow = workflow("arms", state=Arms, edges=[START >> (slow, pause >> after) >> join >> END])
    async with opened(flow, executor=executor) as engine:
        driving = asyncio.ensure_future(engine.run(flow))
        while not await engine.runs():  # noqa: ASYNC110 (it is about to begin)
            await asyncio.sleep(0)
        run = (await engine.runs())[0].run
        async for each in engine.watch(run):
            if each.event.type == "WaitBegan":
                break
        clock.advance(3 * DAY)
        await asyncio.wait_for(woke.wait(), 10)
        gate.set()
        assert (await driving).state.log == ["woke", "joined"]


async def test_a_worker_may_sleep_until_the_next_time(opened: Any, ledger: Any, clock: Any) -> None:
    async with opened(SLOW, DATED, ONE) as engine:
        await engine.run(SLOW, order="A")
        await engine.run(ONE, order="A")
        await engine.run(DATED, due=datetime(2026, 1, 1, 6, tzinfo=UTC))
        now = clock.now()
        assert await ledger.next_due(now) == now + timedelta(hours=6)
        clock.advance(6 * 3600)
        await engine.recover()
        assert await ledger.next_due(clock.now()) == now + timedelta(days=2)
