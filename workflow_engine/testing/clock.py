"""A clock that jumps: waiting costs no time, and everybody who waits wakes in the order of what they wait for."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

PATIENCE = 50


class FakeClock:
    """Implements ports.clock.Clock.

    With `jump` (the default) time moves by itself to the next sleeper's moment once the loop turned `PATIENCE` times
    without anybody else going to sleep, which lets whatever needs no other thread be done first. Without it, only
    `advance` moves time: for tests whose bodies work in threads or processes.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC), *, jump: bool = True) -> None:
        self._now = start
        self._jump = jump
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._count = 0
        self._turns = 0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        self.slept.append(seconds)
        wake = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._now + timedelta(seconds=seconds), self._count, wake))
        if self._jump:
            if self._turns == 0:
                asyncio.get_running_loop().call_soon(self._turn)
            self._turns = PATIENCE
        await wake

    def advance(self, seconds: float) -> None:
        """Move time on; whoever's moment has come wakes in the next turns of the loop."""
        self._reach(self._now + timedelta(seconds=seconds))

    def set(self, moment: datetime) -> None:
        """As if somebody set the clock, on or back: sleepers sleep on for as long as they meant to."""
        shift = moment - self._now
        self._now = moment
        self._sleepers = [(due + shift, count, wake) for due, count, wake in self._sleepers]

    def _reach(self, moment: datetime) -> None:
        while self._sleepers and self._sleepers[0][0] <= moment:
            due, _, wake = heapq.heappop(self._sleepers)
            self._now = max(self._now, due)
            if not wake.done():
                wake.set_result(None)
        self._now = max(self._now, moment)

    def _turn(self) -> None:
        while self._sleepers and self._sleepers[0][2].done():  # its sleeper was cancelled
            heapq.heappop(self._sleepers)
        self._turns = self._turns - 1 if self._sleepers else 0
        if self._sleepers and self._turns == 0:
            self._reach(self._sleepers[0][0])
            self._turns = PATIENCE
        if self._turns:
            asyncio.get_running_loop().call_soon(self._turn)


__all__ = ["FakeClock"]
