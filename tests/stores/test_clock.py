"""The public clock and mint: time jumps in order, ids follow from the seed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.mint import SeededMint


async def test_sleepers_wake_in_the_order_of_their_moments() -> None:
    clock, woken = FakeClock(), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, (clock.now() - start).total_seconds()))

    start = clock.now()
    await asyncio.gather(*(sleeper(seconds) for seconds in (3600, 1, 60, 1.5, 0, -5)))
    assert woken == [(0, 0), (-5, 0), (1, 1), (1.5, 1.5), (60, 60), (3600, 3600)]


async def test_time_stands_while_others_work() -> None:
    clock = FakeClock()
    start = clock.now()
    sleeping = asyncio.create_task(clock.sleep(60))
    for _ in range(20):
        await asyncio.sleep(0)
    assert clock.now() == start
    await sleeping
    assert clock.now() == start + timedelta(seconds=60)


async def test_a_sleeper_that_was_cancelled_moves_no_time() -> None:
    clock = FakeClock()
    start = clock.now()
    sleeping = asyncio.create_task(clock.sleep(60))
    await asyncio.sleep(0)
    sleeping.cancel()
    await asyncio.wait([sleeping])
    await clock.sleep(5)
    assert clock.now() == start + timedelta(seconds=5)


async def test_without_jumping_only_advance_moves_time() -> None:
    clock = FakeClock(jump=False)
    start = clock.now()
    sleeping = asyncio.create_task(clock.sleep(60))
    for _ in range(200):
        await asyncio.sleep(0)
    assert (clock.now(), sleeping.done()) == (start, False)
    clock.advance(59)
    await asyncio.sleep(0)
    assert not sleeping.done()
    clock.advance(1)
    await sleeping
    assert clock.now() == start + timedelta(seconds=60)


def test_a_seed_gives_the_same_ids_and_no_id_twice() -> None:
    one, two, other = SeededMint(7), SeededMint(7), SeededMint(8)
    ids = [one.run_id() for _ in range(100)]
    assert ids == [two.run_id() for _ in range(100)]
    assert len(set(ids)) == 100
    assert ids[0] != other.run_id()
    assert one.chance() == two.chance()
