"""The worker: goes on with every run that nobody drives, so many at once, until it is told to stop.

It owns nothing but what it drives. What there is to do stands in the store; who does it is decided by `claim`, so any
number of workers may look at the same queue, and losing a run to another is no event. A worker takes only what it has a
seat for, and so leaves the rest to the others.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from workflow_engine.errors import (
    FenceLost,
    RunEnded,
    RunNotFound,
    RunOwned,
    StoreDamaged,
    StoreError,
    UsageError,
    WorkflowError,
)
from workflow_engine.record.ids import RunId
from workflow_engine.record.run import INTERRUPTED, Run
from workflow_engine.runtime.firing import Firing
from workflow_engine.runtime.lookout import LAG, Lookout, Ready
from workflow_engine.runtime.publish import deliver
from workflow_engine.runtime.resume import taken, to_recover
from workflow_engine.runtime.workshop import Verb, Workshop

log = logging.getLogger("workflow_engine")

POLL = 0.1
"""Seconds between two looks at the ledger's number, while a seat is free."""
LONGEST = 5.0
"""Seconds between two tries of what the store refused, at most."""
_TRIES = 5
"""How often a run that the store refuses is tried by a worker that is to end."""
_NAMED = 3

Until = Literal["stopped", "idle", "once"]
Problem = Callable[[RunId | None, WorkflowError], None]


@dataclass(frozen=True)
class Worked:
    """What a worker did: how many runs it drove, by the status each was left in (a released one is interrupted), and
    how many it could not go on with.
    """

    rested: Mapping[str, int]
    problems: int = 0


async def work(
    shop: Workshop,
    at_once: int,
    until: Until,
    on_problem: Problem | None,
    on_rest: Callable[[Run], None] | None,
    refuse: Callable[[str | None], WorkflowError | None] | None,
) -> Worked:
    """Drive what there is. Raises errors.UsageError for no seats; errors.StoreError only where it would end anyway."""
    if type(at_once) is not int or at_once < 1:
        raise UsageError(f"a worker cannot drive {at_once!r} runs at once", "at_once=8")
    if until not in ("stopped", "idle", "once"):
        raise UsageError(f"until={until!r} is nothing to work until", 'until="stopped", "idle" or "once"')
    return await _Worker(shop, at_once, until, on_problem or _logged, on_rest, refuse).work()


def _logged(run: RunId | None, error: WorkflowError) -> None:
    log.error("%s: %s", "the store" if run is None else f"run {run}", error)


@dataclass(eq=False)
class _Worker:
    """One shift. `driving` holds its seats; `refused` are runs it will not try again; `later` may be tried again from a
    moment on, and how often that was in vain; `unknown` are workflows it was not given the code of; `more` says that
    the last look may not have found everything.
    """

    shop: Workshop
    at_once: int
    until: Until
    on_problem: Problem
    on_rest: Callable[[Run], None] | None
    refuse: Callable[[str | None], WorkflowError | None] | None
    driving: dict[RunId, asyncio.Task[None]] = field(default_factory=dict)
    refused: set[RunId] = field(default_factory=set)
    later: dict[RunId, tuple[float, int]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    rested: Counter[str] = field(default_factory=Counter)
    problems: int = 0
    more: bool = True
    published: bool = True
    _delivered: float = float("-inf")
    _named: float = float("-inf")

    def __post_init__(self) -> None:
        self.lookout = Lookout(self.shop.ledger)
        self.firing = Firing(self.shop, self._problem)

    async def work(self) -> Worked:
        self.shop.bells.add(self.bell)
        vain = 0
        try:
            while not self.shop.draining:
                self.bell.clear()
                wait = POLL
                try:
                    found = await self._look()
                    vain = 0
                except StoreError as error:
                    if self.until != "stopped":
                        raise
                    vain += 1
                    wait = min(POLL * 2**vain, LONGEST)
                    if vain == 1:
                        self._problem(None, error)
                    found = True
                if self.until == "once" or (self.until == "idle" and not found and not self.driving):
                    break
                await self._pause(wait)
            await self._done()
        finally:
            self.shop.bells.discard(self.bell)
            await self._stop()
        return Worked(dict(self.rested), self.problems)

    async def _look(self) -> bool:
        """Fill the free seats; whether anything was found, or may be found later."""
        now = self.shop.around.clock.now()
        skip = _Skip(self)
        asked = self.until != "stopped"
        if await self.lookout.changed(now, skip):
            self.more = self.firing.stale = self.published = True
        if self.published and (asked or time.monotonic() - self._delivered >= LONGEST):
            await deliver(self.shop)  # for a publisher that died; beside a living one it does no harm
            self.published, self._delivered = False, time.monotonic()
        await self.firing.fire(at_once=asked)
        free = self.at_once - len(self.driving)
        if free <= 0:
            return True
        over = [run for run, (moment, _) in self.later.items() if moment <= time.monotonic()]
        if not asked and not over and not self.more:
            return False
        self.more = True  # so that a look the store cut short is made again
        found = await self.lookout.ready(list(self.shop.workflows), free, now, skip, at_once=asked)
        self.more = len(found) == free
        for ready in found:
            self._begin(ready)
        await self._name_unknown()
        return bool(found) or bool(self.later)

    def _begin(self, ready: Ready) -> None:
        def ended(_: asyncio.Task[None]) -> None:
            self.driving.pop(ready.run, None)
            self.bell.set()

        task = asyncio.create_task(self._drive(ready), name=f"run {ready.run}")
        self.driving[ready.run] = task
        task.add_done_callback(ended)

    async def _drive(self, ready: Ready) -> None:
        try:
            run = await self._driven(ready)
        except RunEnded:
            self.refused.add(ready.run)  # it never goes on by itself, whatever its row says of it
            return
        except (RunOwned, FenceLost, RunNotFound):
            return  # somebody else was faster
        except WorkflowError as error:
            lasting = not isinstance(error, StoreError) or isinstance(error, StoreDamaged)
            self._failed(ready, error, lasting=lasting)
            return
        except Exception as error:  # one run's problem stops no other, be it a mistake of ours
            log.exception("run %s stopped by a mistake", ready.run)
            self._failed(ready, WorkflowError(f"{type(error).__name__}: {error}"), lasting=True)
            return
        if run is not None:
            word = INTERRUPTED if run.status == "running" else run.status
            self.rested[word] += 1
            if self.on_rest is not None:
                with suppress(Exception):
                    self.on_rest(run)

    async def _driven(self, ready: Ready) -> Run | None:
        shop = self.shop
        verb: Verb = "run"
        name, target = ready.run, ready.target
        if ready.place == "left":
            run = await to_recover(shop, ready.run)
            if run is None:
                return None
            if run.workflow not in shop.workflows:
                self.refused.add(ready.run)  # another worker's
                return None
            if run.status not in ("running", "waiting"):
                return None
            verb, target = "answer" if run.status == "waiting" else "recover", run.target
            name = run.id  # the outermost one around it
        refusal = None if self.refuse is None else self.refuse(target)
        if refusal is not None:
            raise refusal
        live = await taken(shop, name, shop.executor, verb)
        taken_at = live.run.seq
        await shop.driven(live, shop.executor)
        if ready.place == "left" and live.run.seq == taken_at:
            # It was there to be gone on with, and went nowhere: whatever it is, it is not tried again and again.
            if self.until == "stopped":
                tries = self.later.get(ready.run, (0.0, 0))[1] + 1
                self.later[ready.run] = (time.monotonic() + min(POLL * 2**tries, LONGEST), tries)
            else:
                self.refused.add(ready.run)
            return None
        self.later.pop(ready.run, None)
        return live.run

    def _failed(self, ready: Ready, error: WorkflowError, *, lasting: bool) -> None:
        run = ready.run
        tries = self.later.get(run, (0.0, 0))[1] + 1
        if lasting or (self.until != "stopped" and tries == _TRIES):
            self.refused.add(run)
            self.later.pop(run, None)
            self._problem(run, error)
            return
        if ready.place == "left":
            self.lookout.begun[run] = None
        self.later[run] = (time.monotonic() + min(POLL * 2**tries, LONGEST), tries)
        if tries == 1:
            self._problem(run, error)

    def _problem(self, run: RunId | None, error: WorkflowError) -> None:
        self.problems += 1
        with suppress(Exception):
            self.on_problem(run, error)

    async def _name_unknown(self) -> None:
        """Say once of each workflow that its runs wait for another worker."""
        if time.monotonic() - self._named < LAG:
            return
        self._named = time.monotonic()
        for name in await self.shop.ledger.queues():
            if name in self.unknown or name in self.shop.workflows:
                continue
            self.unknown.add(name)
            some = await self.shop.ledger.queued([name], _NAMED + 1)
            if some:
                runs = ", ".join(each.run for each in some[:_NAMED]) + (" and more" if len(some) > _NAMED else "")
                what = f"queued and left alone, for this worker was not given workflow {name!r}: {runs}"
                self._problem(some[0].run, UsageError(what, f"workflow worker {some[0].target or 'FILE.py'}"))

    async def _pause(self, seconds: float) -> None:
        """Wait for the bell, and not longer than this: what others store and what time brings rings none."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.bell.wait()

    async def _done(self) -> None:
        while self.driving:
            await asyncio.wait(list(self.driving.values()))
            await asyncio.sleep(0)

    async def _stop(self) -> None:
        left = list(self.driving.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


class _Skip:
    """Runs that a worker does not look at now."""

    def __init__(self, worker: _Worker) -> None:
        self._worker = worker

    def __contains__(self, run: object) -> bool:
        worker = self._worker
        if run in worker.driving or run in worker.refused:
            return True
        moment = worker.later.get(run) if isinstance(run, str) else None  # type: ignore[call-overload]
        return moment is not None and moment[0] > time.monotonic()


__all__ = ["Until", "Worked", "work"]
