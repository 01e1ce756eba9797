"""A pace: turns that come no faster than so many a second, for whoever asks for one."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from workflow_engine.ports.clock import Clock


class Pace:
    """Gives turns `1 / rate` seconds apart; a turn nobody took is not made up for later. Without a rate, at once."""

    def __init__(self, clock: Clock, rate: float | None) -> None:
        self._clock = clock
        self._apart = None if rate is None else timedelta(seconds=1 / rate)
        self._next: datetime | None = None
        self._seen: datetime | None = None

    async def turn(self, stop: asyncio.Event) -> bool:
        """Wait for a turn; False where `stop` came first."""
        if self._apart is None:
            return not stop.is_set()
        now = self._clock.now()
        if self._seen is not None and now < self._seen:
            self._next = None  # the clock was set back: nobody waits for the time that it takes to catch up
        self._seen = now
        mine = now if self._next is None else max(now, self._next)
        self._next = mine + self._apart
        waits = [asyncio.ensure_future(each) for each in (self._clock.sleep((mine - now).total_seconds()), stop.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        return not stop.is_set()
