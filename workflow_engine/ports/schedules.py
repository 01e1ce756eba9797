"""The schedules port: what is begun by itself, and up to when that was settled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from workflow_engine.record.schedule import Schedule


class Schedules(Protocol):
    """Keeps schedules, each under its name. Every method may raise errors.StoreError."""

    async def every(self) -> Sequence[Schedule]:
        """All schedules by name. Damaged ones are logged and left out, so that the others go on."""
        ...

    async def get(self, name: str) -> Schedule:
        """One schedule. Raises errors.ScheduleNotFound, errors.StoreDamaged."""
        ...

    async def add(self, schedule: Schedule) -> None:
        """Keep a new one; durable when this returns. Raises errors.ScheduleTaken if its name is."""
        ...

    async def replace(self, before: Schedule, after: Schedule) -> bool:
        """Keep `after` in the place of `before`, which has the same name; False, and nothing is changed, where another
        stands there by now, or none. Of several who replace the same one, one succeeds.
        """
        ...

    async def remove(self, name: str) -> None:
        """Forget a schedule, damaged or not; runs that it began stay. Raises errors.ScheduleNotFound."""
        ...


@runtime_checkable
class KeepsSchedules(Protocol):
    """A ledger that also keeps schedules, in the same store."""

    @property
    def schedules(self) -> Schedules:
        """Where it keeps them."""
        ...
