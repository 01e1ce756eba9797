"""Children: the runs that do the items of an `each` node over a subflow, at most `at_once` of them alive at a time.

A child that waits keeps its place among those alive, so that a run never remembers more of them than that. The hand
that holds it waits beside it while others are at work, and goes on with it as soon as it can; once all hands stand so,
nothing is under way any more, and the whole step rests on those that wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from workflow_engine.bodies import each
from workflow_engine.bodies.each import Spread
from workflow_engine.bodies.intent import Rest, Wrote
from workflow_engine.bodies.scene import Scene
from workflow_engine.frontier.leave import catches
from workflow_engine.record.events import AttemptFailed, ItemFailed, SubflowEntered
from workflow_engine.record.ids import place_of
from workflow_engine.record.usage import Usage
from workflow_engine.record.waiting import Waiting
from workflow_engine.spec.each import Each
from workflow_engine.spec.subflow import Subflow
from workflow_engine.steps.entering import Visit, enter, leave_behind
from workflow_engine.steps.live import Live


class Children:
    """What is known of the runs of one visit's items: of those alive, and of no others.

    `resting` are the items whose run waits, with the time until when; `began` is when the first run was begun.
    """

    def __init__(self, live: Live, node: Each[Any, Any], one: Subflow, visit: int) -> None:
        self.live, self.node, self.one, self.number = live, node, one, visit
        self.resting: dict[int, datetime | None] = {}
        self.began: datetime | None = None
        self._visits: dict[int, Visit] = {}
        self._own: set[int] = set()
        self._hands = 0
        self._over = False

    # ------------------------------------------------------------------------------------------------- recalling

    def recall(self, events: Iterable[Any]) -> None:
        """Take in what the journal tells of this visit: of the items that were entered and are not done."""
        for item, run in self.live.run.entered_by(self.node.name).items():
            if item is not None:
                self._visits[item] = Visit(self.number, item, runs=[run])
        found: dict[int, Visit] = {}
        for event in events:
            if isinstance(event, SubflowEntered):
                self.began = self.began or event.at
            item = getattr(event, "item", None)
            if item not in self._visits:
                continue
            visit = found.setdefault(item, Visit(self.number, item))
            if isinstance(event, SubflowEntered) and event.run not in visit.runs:
                visit.runs.append(event.run)
                visit.told = False
            elif isinstance(event, AttemptFailed | ItemFailed):
                visit.told = True
                visit.charged += getattr(event, "usage", None) or Usage()
        self._visits |= {item: visit for item, visit in found.items() if visit.runs}

    async def look(self) -> None:
        """See which of them wait and cannot go on: nobody touches these."""
        assert self.live.nest is not None
        for item, visit in self._visits.items():
            rests = await self.live.nest.rests(visit.runs[-1])
            if rests is not None:
                self.resting[item] = rests.until

    async def unsettled(self) -> list[int]:
        """The items with an effect in doubt: of a fork that was left they alone come to an end."""
        assert self.live.nest is not None
        begun = {item: visit.runs[-1] for item, visit in self._visits.items() if visit.runs}
        return [item for item, run in begun.items() if await self.live.nest.in_doubt(run)]

    # ----------------------------------------------------------------------------------------------------- doing

    @property
    def stopping(self) -> bool:
        """Whether no run should be begun or gone on with: none would take a step."""
        live, name = self.live, self.node.name
        return live.stopping or name in live.leaving or live.is_over(name)

    async def enter(self, work: Spread, item: int, scene: Scene) -> Wrote | Rest | None:
        """One try at an item: None where its run was let go of. Raises errors.SubflowFailed."""
        visit = self._visits.setdefault(item, Visit(self.number, item))
        self._own.discard(item)
        try:
            return await enter(self.live, self.one, visit, each.with_item(self.node, work, item, scene))
        except Exception:
            self._own.add(item)
            raise

    def failed_itself(self, item: int) -> bool:
        """Whether it is its own run that failed, and not what is left for all of them together."""
        return item in self._own

    async def give_up(self, item: int) -> None:
        """End the run of an item that the step goes on without: nobody comes back to it."""
        visit = self._visits.pop(item, None)
        self._own.discard(item)
        if visit is not None and visit.runs:
            await leave_behind(self.live, visit.runs[-1])

    def done(self, item: int) -> None:
        """Forget an item that has its result."""
        self._visits.pop(item, None)
        self._own.discard(item)

    def fail(self) -> None:
        """One item failed the step: the runs of the others end the steps under way and begin none."""
        self.live.give_over(self.node.name)
        self.live.ring(self.node.name)

    async def leave(self) -> None:
        """The step failed. Where that leads on, nobody comes back to what its runs still ask or do."""
        if catches(self.live.workflow, self.node.name, "failed") or self.live.is_left(self.node.name):
            for run in self.live.run.entered_by(self.node.name).values():
                await leave_behind(self.live, run)

    # ------------------------------------------------------------------------------------------------- in waiting

    def begin(self, hands: int) -> None:
        """So many hands go to work."""
        self._hands = hands
        self._over = False
        self.live.bells[self.node.name] = asyncio.Event()

    def end(self) -> None:
        """No hand is at work any more."""
        self.live.bells.pop(self.node.name, None)
        self.live.leaving.discard(self.node.name)

    def lay_down(self) -> None:
        """One hand has nothing to do any more, or waits."""
        self._hands -= 1
        if not self._hands:
            self._over = True
            self.live.ring(self.node.name)

    async def goes_on(self, item: int) -> bool:
        """Wait beside a run that rests until it can go on; False once all others rest as well, or none should go on."""
        assert self.live.nest is not None
        run, until = self._visits[item].runs[-1], self.resting[item]
        place = place_of(self.node.name, item)
        if until is not None:
            self.live.alarms[place] = until
        try:
            while not self.stopping and not self._over:
                bell = self.live.bells[self.node.name]
                if await self.live.nest.ready(run):
                    del self.resting[item]
                    return True
                self.lay_down()
                try:
                    await self._rung(bell)
                finally:
                    self._hands += 1
        finally:
            self.live.alarms.pop(place, None)
        return False

    async def _rung(self, bell: asyncio.Event) -> None:
        """Wait for a bell, or until nothing should begin any more."""
        ringing = asyncio.ensure_future(bell.wait())
        try:
            await self.live.until(ringing, self.node.name)
        finally:
            ringing.cancel()

    async def resting_on(self, missing: int) -> Waiting | None:
        """What the step rests on, if each place is taken by a run that waits; `missing` counts the items not done."""
        resting = sorted(self.resting)
        if self.live.is_left(self.node.name):
            doubtful = await self.unsettled()
            resting = [item for item in resting if item in doubtful]
            missing = len(doubtful)
        if not resting or len(resting) < min(self.node.at_once, missing):
            return None
        names = tuple(self._visits[item].runs[-1] for item in resting)
        until = min((each for item in resting if (each := self.resting[item]) is not None), default=None)
        since = self.began or self.live.around.clock.now()
        return Waiting(self.node.name, self.number, "run", names, until=until, since=since)


__all__ = ["Children"]
