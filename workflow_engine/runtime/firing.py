"""Firing: the runs of schedules that are due are put into the queue, each due time once, however many workers look.

Two things see to that. The id of a run is derived from its schedule and due time, so a second one is refused where it
would be stored: that is what decides. And a schedule says up to when everything is settled, so that nobody tries again;
whoever dies between the two leaves a due time that is tried once more, and refused.

Clocks jump. Forwards by a day, the last due time of that day is started and the others are passed over (or all are
caught up with, where the schedule says so). Backwards, the schedule follows the clock back, so that it does not keep
silent for a day: due times that come a second time have their runs already, and are refused.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from workflow_engine.errors import StoreError, UsageError, WorkflowError
from workflow_engine.ports.schedules import KeepsSchedules, Schedules
from workflow_engine.record.ids import RunId
from workflow_engine.record.schedule import Schedule
from workflow_engine.runtime.begin import started
from workflow_engine.runtime.calendar import first_after, last_until
from workflow_engine.runtime.lookout import LAG
from workflow_engine.runtime.schedules import typed_inputs
from workflow_engine.runtime.workshop import Workshop

SKEW = timedelta(minutes=1)
"""By how much clocks may differ, or be corrected, without anybody calling it a jump."""
MOST = 100
"""So many due times are caught up with in one look."""
Problem = Callable[[RunId | None, WorkflowError], None]


@dataclass(eq=False)
class Firing:
    """What one worker knows of the schedules: when the next is due, and whether they may have changed since."""

    shop: Workshop
    on_problem: Problem
    next: datetime | None = None
    stale: bool = True
    seen: datetime | None = None
    read: float = float("-inf")
    said: set[str] = field(default_factory=set)

    async def fire(self, *, at_once: bool = False) -> None:
        """Begin what is due. `at_once` looks even if schedules were read a moment ago."""
        ledger = self.shop.ledger
        if not isinstance(ledger, KeepsSchedules):
            return
        now = self.shop.around.clock.now().astimezone(UTC)
        due = self.next is not None and self.next <= now
        back = self.seen is not None and now < self.seen
        self.seen = now
        fresh = at_once or time.monotonic() - self.read >= LAG
        if not due and not back and not (self.stale and fresh):
            return
        self.read = time.monotonic()
        self.stale = True  # until all of it is done
        self.next = min([each async for each in self._each(ledger.schedules, now)], default=None)
        self.stale = False

    async def _each(self, schedules: Schedules, now: datetime) -> AsyncIterator[datetime]:
        """When each schedule is due next, once what is due of it was begun. One schedule's trouble stops no other."""
        for schedule in await schedules.every():
            if schedule.paused:
                continue
            if schedule.workflow not in self.shop.workflows:
                what = f"it is left alone: this worker was not given workflow {schedule.workflow!r}"
                self._say(schedule, UsageError(what, f"workflow worker {schedule.target or 'FILE.py'}"))
                continue
            try:
                after = await self._one(schedules, schedule, now)
            except StoreError:
                raise
            except WorkflowError as error:  # a time zone that this machine does not know
                self._say(schedule, error)
            except Exception as error:  # a forged one may say anything
                self._say(schedule, UsageError(f"it makes no sense ({error})", "remove it and add it anew"))
            else:
                if after is not None:
                    yield after

    async def _one(self, schedules: Schedules, schedule: Schedule, now: datetime) -> datetime | None:
        """Start what is due of one schedule; when it is due next."""
        if now + SKEW < schedule.settled:
            followed = replace(schedule, settled=now)
            if not await schedules.replace(schedule, followed):
                return now  # somebody else did something to it: look again
            schedule = followed
        for due in _due(schedule, now):
            after = await self._started(schedule, due)
            if not await schedules.replace(schedule, after):
                return now
            schedule = after
        return first_after(schedule, schedule.settled)

    async def _started(self, schedule: Schedule, due: datetime) -> Schedule:
        """The schedule once one due time is settled."""
        run = schedule.run(due)
        workflow = self.shop.workflows[schedule.workflow]
        try:
            await started(self.shop, workflow, typed_inputs(workflow, schedule, due), schedule.target, run)
        except StoreError:
            if run not in await self.shop.ledger.find(run):
                raise
        except WorkflowError as error:
            what = f"nothing was begun for {due:%Y-%m-%d %H:%M:%S} UTC: {error.what}"
            self._say(schedule, UsageError(what, error.cure))
            return replace(schedule, settled=due, trouble=error.what)
        return replace(schedule, settled=due, last=run, trouble="")

    def _say(self, schedule: Schedule, error: WorkflowError) -> None:
        """Tell a trouble of a schedule, once."""
        what = f"schedule {schedule.name}: {error.what}"
        if what not in self.said:
            self.said.add(what)
            with suppress(Exception):
                self.on_problem(None, UsageError(what, error.cure))


def _due(schedule: Schedule, now: datetime) -> Sequence[datetime]:
    """What is to be started now: all that was missed, or the last of it."""
    if not schedule.catch_up:
        last = last_until(schedule, schedule.settled, now)
        return () if last is None else (last,)
    found: list[datetime] = []
    moment = schedule.settled
    while len(found) < MOST:
        due = first_after(schedule, moment)
        if due is None or due > now:
            break
        found.append(due)
        moment = due
    return found
