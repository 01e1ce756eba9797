"""Time and chance, handed in so that tests own them."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from workflow_engine.record.ids import RunId


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; returns at once for nothing or less."""
        ...


class Mint(Protocol):
    """Makes what must be unique or random."""

    def run_id(self) -> RunId:
        """An id no other run has."""
        ...

    def chance(self) -> float:
        """A random number in [0, 1)."""
        ...
