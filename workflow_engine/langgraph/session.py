"""One entry into the compiled graph at the live frontier: what its nodes and routers ask, and the steps they begin.

LangGraph decides what runs when; where the run stands is asked of the frontier, again and again. So nothing that
LangGraph holds can disagree with the journal, and a graph that was left can be entered anew at any frontier.

A node never raises: LangGraph would cancel its siblings in the middle of their steps. A step that ended the drive is
seen by the driver, and its node parks until the driver takes the graph down. A node that rests on a person parks too:
it holds its arm's superstep open, so that an answer lets this arm go on at once while another is still at work. Once
nothing is under way and nothing can begin, the session is `over`: all that is parked lets go and every region ends.
"""

from __future__ import annotations

import asyncio
import contextvars
from dataclasses import dataclass, field

from workflow_engine.spec.regions import Place, Region, Regions
from workflow_engine.steps.live import Live
from workflow_engine.steps.step import step


@dataclass(eq=False)
class Session:
    """The context of one run of the compiled graph. `tasks` are the steps under way, which the driver owns."""

    live: Live
    regions: Regions
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    over: bool = False
    begun: int = 0
    _entered: dict[str, int] = field(default_factory=dict)
    _bell: asyncio.Event = field(default_factory=asyncio.Event)
    # Bodies see the context of the drive, as on our own executor, and not the one of LangGraph's node: a graph that a
    # body invokes must not take itself for a part of ours.
    _context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def look(self) -> None:
        """Something changed: let everything that is parked look again."""
        live = self.live
        if not live.busy and not live.startable() and live.kept.seq == live.run.seq:
            self.over = True
        self._bell.set()
        self._bell = asyncio.Event()

    async def take(self, name: str) -> None:
        """What a LangGraph node does: the step of a due node if it can begin, then wait until there is a way on."""
        live = self.live
        visit = live.kept.frontier.visits.get(name)
        if not self.over and name in live.startable():
            live.busy.add(name)
            self.begun += 1
            context = self._context.copy()
            work = asyncio.create_task(step(live, name), name=f"{live.run.id} {name}", context=context)
            work.add_done_callback(lambda _: self._rests(name))
            self.tasks[name] = work
            await asyncio.wait([work])
            if work.cancelled() or work.exception() is not None:
                await asyncio.Future()  # the driver has seen it, and takes this graph down
        while self._stays(name, visit):
            await self._bell.wait()

    def _rests(self, name: str) -> None:
        # Before the driver is woken, not in the node, which wakes later: else the driver sees it busy and never again.
        self.live.busy.discard(name)
        self.live.wake.set()

    def _stays(self, name: str, visit: int | None) -> bool:
        kept = self.live.kept.frontier
        due = name in kept.due and kept.visits.get(name) == visit
        return due and not self.over and name not in self.live.startable()

    def due(self, region: Region) -> tuple[str, ...]:
        """The one router: which steps and forks of a region have something due, as the disk knows it."""
        if self.over or self.live.stopping or self._left(region.place):
            return ()
        found: dict[str, None] = {}
        depth = len(region.place)
        for node in self.live.kept.frontier.due:
            place = self.regions.of[node]
            if place == region.place:
                found[node] = None
            elif place[:depth] == region.place:
                fork = place[depth][0]
                self._entered[fork] = self.live.passed[fork]
                found[fork] = None
        return tuple(found)

    def _left(self, place: Place) -> bool:
        """Whether the run has left this arm by its join and entered its fork anew, with no step between.

        The arm would take what is due in it for its own, while the other arms have ended and wait for it.
        """
        fork = place[-1][0] if place else None
        return fork is not None and self.live.passed[fork] != self._entered[fork]
