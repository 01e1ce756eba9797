"""The lookout: the one place that asks a store which runs nobody drives and somebody could go on with.

What has begun goes before what has not: runs whose time is up, whose process died or was stopped, whose answer or
signal waits to be taken, and then the queue, oldest first. Such a run comes about in three ways, and each is noticed in
its own: something was stored (the ledger's number differs), an owner died (its lock is gone, which stores nothing), or
a moment came (no later than the ledger's next due).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Container
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.ids import RunId

LAG = 0.5
"""Seconds between two readings of the runs that have begun, while things are stored all the time."""
_PAGE = 100


@dataclass(frozen=True)
class Ready:
    """A run that can be gone on with: taken from the `queue`, or where it was `left`. `target` is its label."""

    run: RunId
    place: Literal["queue", "left"]
    target: str | None = None


@dataclass(eq=False)
class Lookout:
    """What one worker knows of a store. `begun` are the runs that had begun and not ended when they were last read."""

    ledger: Ledger
    begun: dict[RunId, None] = field(default_factory=dict)
    _number: int = -1
    _stale: bool = True
    _read: float = float("-inf")
    _due: datetime | None = None

    async def changed(self, now: datetime, skip: Container[RunId]) -> bool:
        """Whether a look could find what the last one did not. Cheap: a number, and a lock for each run under way."""
        number = await self.ledger.changed(self._number)
        if number != self._number:
            self._number, self._stale = number, True
            return True
        if self._due is not None and self._due <= now:
            self._stale = True
            return True
        if self._stale and time.monotonic() - self._read >= LAG:
            return True
        for run in self.begun:
            if run not in skip and not await self.ledger.owned(run):
                return True
        return False

    async def ready(
        self, workflows: Collection[str], most: int, now: datetime, skip: Container[RunId], *, at_once: bool = False
    ) -> list[Ready]:
        """At most so many runs to go on with; those that have begun may be of any workflow. `at_once` waits for no
        LAG.
        """
        await self._reread(now, at_once)
        found: list[Ready] = []
        for run in list(self.begun):
            if run not in skip and not await self.ledger.owned(run):
                found.append(Ready(run, "left"))
                # Whatever becomes of it, it is looked for again once something was stored.
                del self.begun[run]
            if len(found) == most:
                return found
        after = 0
        while True:
            page = await self.ledger.queued(workflows, min(_PAGE, most + 8), after)
            for each in page:
                after = each.place
                if each.run not in skip and not await self.ledger.owned(each.run):
                    found.append(Ready(each.run, "queue", each.target))
                if len(found) == most:
                    return found
            if not page:
                return found

    async def _reread(self, now: datetime, at_once: bool) -> None:
        due = self._due is not None and self._due <= now
        if not due and not (self._stale and (at_once or time.monotonic() - self._read >= LAG)):
            return
        self._stale, self._read = False, time.monotonic()
        self.begun = dict.fromkeys([*await self.ledger.due(now), *await self.ledger.unfinished()])
        self._due = await self.ledger.next_due(now)
