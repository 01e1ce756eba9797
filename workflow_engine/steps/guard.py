"""The guard of one step whose node has policies beyond its own attempt: it lets attempts begin, wait or give up.

A step without such policies has no guard: `Workflow.guarded` names the nodes that have one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar, cast

from workflow_engine.bodies.intent import Wrote
from workflow_engine.bodies.scene import Scene
from workflow_engine.errors import Unavailable
from workflow_engine.ports.listener import Said
from workflow_engine.record.events import EffectStarted, QuestionAnswered, RunClaimed
from workflow_engine.record.renaming import called_then
from workflow_engine.record.usage import NOTHING, Spent
from workflow_engine.spec.nodes import Node
from workflow_engine.spec.policies import within_of
from workflow_engine.spec.workflow import Sharing
from workflow_engine.steps.attempt import Attempt, attempts_spent
from workflow_engine.steps.live import Live
from workflow_engine.steps.recalling import Cache
from workflow_engine.steps.spending import must_be_priced, must_begin, usage_of

T = TypeVar("T")


class LetGo(Exception):
    """The attempt has not begun, and none should any more: the step is still to be done."""


@dataclass
class Guard:
    """What watches over the attempts of one step. `began` is when the time for all of them began to run."""

    live: Live
    node: Node
    visit: int
    began: datetime
    within: timedelta | None

    @classmethod
    async def over(cls, live: Live, node: Node, visit: int, item: int | None) -> Guard:
        """The guard of a step about to begin, or of one of many items, whose time begins with it."""
        within, now = within_of(node.retry), live.around.clock.now()
        began = now if within is None or item is not None else await _began(live, node.name, visit, now)
        return cls(live, node, visit, began, within)

    @property
    def spent(self) -> timedelta:
        """The time since the step began; a clock that was set back gives none."""
        return max(self.live.around.clock.now() - self.began, timedelta(0))

    async def run(self, attempt: Attempt, act: Callable[[Scene], Awaitable[T]]) -> T:
        """One attempt, once it may begin. Raises errors.StepError if it may not, and what the attempt raises; LetGo if
        none should begin any more.
        """
        cache = None if attempt.item is not None else Cache.of(self.live, self.node)
        if cache is None:
            return await self._admitted(attempt, act)
        recalled = await cache.recall()
        if recalled is not None:  # nothing is used up, waited for or heard of
            attempt.words = f"from the cache, {_old(recalled.age)} old"
            return cast(T, recalled.wrote)
        done = await self._admitted(attempt, act)
        if isinstance(done, Wrote):
            cache.keep(done)
        return done

    async def _admitted(self, attempt: Attempt, act: Callable[[Scene], Awaitable[T]]) -> T:
        sharing = self.live.workflow.sharing.get(self.node.name)
        if sharing is None:
            return await self._begun(attempt, partial(attempt.run, act))
        slots = self.live.around.slots
        coming = await self._let_in(sharing)
        try:
            await self._say_effect(attempt)
            return await self._begun(attempt, partial(self._watched, sharing, attempt, act))
        finally:
            slots.give_back(sharing.slots, coming)

    async def _let_in(self, sharing: Sharing) -> asyncio.Future[None]:
        """The slots of an attempt, once it has them all and every breaker lets it pass. It holds none while it waits.

        What was begun is finished, so that a further attempt waits on where a first one is let go of.
        """
        live, slots, circuits = self.live, self.live.around.slots, self.live.around.circuits
        while True:
            changed = circuits.changed
            coming = slots.ask(sharing.slots)
            try:
                if not coming.done():
                    self._say(f"waits for {' and '.join(sharing.slots)}")
                    await live.until(coming, self.node.name)
                    self._must_go_on()
                wait = self._closed_for(sharing)
                if wait is None:
                    return coming
            except BaseException:
                slots.give_back(sharing.slots, coming)
                raise
            slots.give_back(sharing.slots, coming)
            self._say(f"waits for {' and '.join(sharing.breakers)} to come back")
            opening = asyncio.ensure_future(changed.wait())
            try:
                await live.until(opening, self.node.name, wait.total_seconds())
            finally:
                opening.cancel()
            self._must_go_on()

    async def _say_effect(self, attempt: Attempt) -> None:
        """That an effect is about to happen, where it was not said before: it may have waited long to begin."""
        live, name = self.live, self.node.name
        if self.node.effect and attempt.item is None and name not in live.run.doubts:
            key = live.run.key(name, self.visit)
            await live.post([EffectStarted(live.around.clock.now(), name, self.visit, key)])

    def _must_go_on(self) -> None:
        live = self.live
        if live.draining or live.cut or live.gave_up.is_set() or live.is_left(self.node.name):
            raise LetGo

    def _say(self, words: str) -> None:
        self.live.tell(Said(self.node.name, self.visit, words))

    def _closed_for(self, sharing: Sharing) -> timedelta | None:
        """How long a breaker lets nobody pass. Raises errors.Unavailable where it says not to wait for it."""
        now, found = self.live.around.clock.now(), None
        for name, breaker in sharing.breakers.items():
            wait = self.live.around.circuits.standing(name).wait(breaker, now)
            if wait is None:
                continue
            if breaker.meanwhile == "fail":
                raise Unavailable(f"{self.node.name} uses {name}, which failed too often and is left alone for a while")
            found = wait.time if found is None else max(found, wait.time)
        return found

    async def _watched(self, sharing: Sharing, attempt: Attempt, act: Callable[[Scene], Awaitable[T]]) -> T:
        """An attempt whose end the breakers are told of."""
        circuits, clock = self.live.around.circuits, self.live.around.clock
        probes = {name: circuits.passed(name) for name in sharing.breakers}
        error: BaseException | None = None
        try:
            return await attempt.run(act)
        except BaseException as raised:
            error = raised
            raise
        finally:
            for name, breaker in sharing.breakers.items():
                # What fails of something else was answered by it; what is stopped tells nothing.
                failed = isinstance(error, breaker.on) if error is None or isinstance(error, Exception) else None
                circuits.told(name, breaker, clock.now(), failed, probe=probes[name])

    async def _begun(self, attempt: Attempt, work: Callable[[], Awaitable[T]]) -> T:
        if self.within is not None:
            attempt.left = self.within - self.spent
            if attempt.left <= timedelta(0):
                raise attempts_spent(self.node)
        if self.node.name in self.live.workflow.scopes:
            return await self._paid(work)
        return await work()

    async def _paid(self, work: Callable[[], Awaitable[T]]) -> T:
        """An attempt that counts in budgets. Raises errors.BudgetSpent if they leave nothing to begin it with."""
        live, name = self.live, self.node.name
        must_begin(live, self.node)
        live.owing.setdefault(name, Spent(steps=1))
        began = live.around.clock.now()
        told: Any = None
        try:
            told = result = await work()
        except Exception as error:
            told = getattr(error, "so_far", None)
            raise
        finally:
            seconds = max(live.around.clock.now() - began, timedelta(0)).total_seconds()
            used = Spent.of(usage_of(told), seconds)
            live.owing[name] = live.owing.get(name, NOTHING) + used
        must_be_priced(live, self.node, used, told)
        return result


def _old(age: timedelta) -> str:
    """An age in its largest unit.

    >>> _old(timedelta(seconds=90)), _old(timedelta(days=2, hours=3))
    ('1 min', '2 d')
    """
    for unit, seconds in (("d", 86400), ("h", 3600), ("min", 60)):
        if age.total_seconds() >= seconds:
            return f"{age.total_seconds() // seconds:.0f} {unit}"
    return f"{age.total_seconds():.0f} s"


async def _began(live: Live, name: str, visit: int, now: datetime) -> datetime:
    """When a step began, as the journal knows it: it may have begun in a process that died.

    Somebody who resumes a run, or answers that a step is to be done again, gives it its whole time once more.
    """
    before = live.first.frontier
    if name not in before.due or before.visits[name] != visit:
        return now
    began = now
    events = [recorded.event for recorded in await live.around.ledger.journal(live.run.id)]
    for each, then in zip(events, called_then(events, name), strict=True):
        match each:
            case RunClaimed(verb="resume", at=at):
                began = at
            case QuestionAnswered(node=node, at=at) if node == then:
                began = at
            case event if (move := getattr(event, "move", None)) is not None and then in move.entered:
                began = event.at
    return began
