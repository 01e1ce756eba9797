"""A clock that jumps: waiting costs no time, and everybody who waits wakes in the order of what they wait for."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta


class FakeClock:
    """Implements ports.clock.Clock.

    With `jump` (the default) time moves by itself to the next sleeper's moment as soon as the loop has nothing else to
    do in this turn; without it, only `advance` moves time.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC), *, jump: bool = True) -> None:
        self._now = start
        self._jump = jump
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._count = 0
        self._pump: asyncio.Handle | None = None
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
            self._soon()
        await wake

    def advance(self, seconds: float) -> None:
        """Move time on; whoever's moment has come wakes in the next turns of the loop."""
        self._reach(self._now + timedelta(seconds=seconds))

    def _reach(self, moment: datetime) -> None:
        while self._sleepers and self._sleepers[0][0] <= moment:
            due, _, wake = heapq.heappop(self._sleepers)
            self._now = max(self._now, due)
            if not wake.done():
                wake.set_result(None)
        self._now = max(self._now, moment)

    def _soon(self) -> None:
        if self._pump is None:
            self._pump = asyncio.get_running_loop().call_soon(self._tick)

    def _tick(self) -> None:
        self._pump = None
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        if not self._sleepers:
            return
        self._reach(self._sleepers[0][0])
        if self._sleepers:
            self._soon()


__all__ = ["FakeClock"]
