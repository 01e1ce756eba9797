"""Tails: what happens in runs, read from the journal once for everybody who looks on.

One task looks at the store's number; when it moved, it reads what is new of the runs that somebody looks at. Lines lie
in a ring that all viewers of a run share, each at their own place: a slow one costs nothing, and one that falls behind
the ring reads the journal itself. What is heard of a run driven here (`began`, `said`, `heard`) lies in the same ring,
without a number, for it is no fact.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any

from workflow_engine.engine import Engine
from workflow_engine.errors import WorkflowError
from workflow_engine.ports.ledger import Recorded
from workflow_engine.ports.listener import Began, Heard, Said
from workflow_engine.record.events import write_event
from workflow_engine.record.fold import advance
from workflow_engine.record.ids import RunId
from workflow_engine.record.run import FINAL
from workflow_engine.runtime.footing import Footing

log = logging.getLogger("workflow_engine")
LOOK = 0.1
"""Seconds between two looks at the store's number."""
LISTS = 0.4
"""Seconds between two words to those who look at lists, at least."""
BREATH = 15.0
"""Seconds after which a silent stream says that it is alive."""
RING = 1_000
"""Lines of a run that lie ready."""
KEPT, PIECES = 200, 10_000
"""Runs whose answers are kept while they are made, and the pieces of one."""


@dataclass(frozen=True)
class Line:
    """One line of a stream: an event's name and JSON, and its number if it is a fact; `name` takes its number's place
    where a stream is of more than one run.
    """

    event: str
    data: str
    seq: int | None = None
    name: str | None = None


@cache
def snake(name: str) -> str:
    """A class's name as an event's: StepFinished is step_finished."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def line_of(recorded: Recorded) -> Line:
    """A fact as a line."""
    return Line(snake(type(recorded.event).__name__), write_event(recorded.event), recorded.seq)


@dataclass(eq=False)
class _Feed:
    """One run that is looked at, folded up to the last fact in the ring; `count` tells the lines ever put in it."""

    footing: Footing
    viewers: int = 0
    count: int = 0
    ring: deque[Line] = field(default_factory=lambda: deque(maxlen=RING))
    bell: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def run(self) -> RunId:
        return self.footing.run.id

    @property
    def seq(self) -> int:
        return self.footing.run.seq

    def put(self, line: Line) -> None:
        self.ring.append(line)
        self.count += 1
        self.ring_bell()

    def take(self, recorded: Recorded) -> None:
        """Take in a fact."""
        self.footing = replace(self.footing, run=advance(self.footing.run, recorded.event))
        self.put(line_of(recorded))

    def ring_bell(self) -> None:
        bell, self.bell = self.bell, asyncio.Event()
        bell.set()

    def since(self, place: int) -> list[Line] | None:
        """The lines from a place on; None where it is not in the ring any more."""
        first = self.count - len(self.ring)
        if place < first:
            return None
        return [self.ring[each - first] for each in range(place, self.count)]


class Tails:
    """The tails of one engine. It is a listener of it as well: begin with `Tails()`, then `attach` the engine."""

    deltas = True

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._feeds: dict[RunId, _Feed] = {}
        self._lists: set[asyncio.Event] = set()
        self._kept: dict[RunId, list[Line]] = {}
        self._task: asyncio.Task[None] | None = None
        self._number = -1
        self.stirred: dict[RunId, int] = {}
        self.moves = 0
        self.closing = asyncio.Event()

    def attach(self, engine: Engine) -> None:
        """Look at this engine's store."""
        self._engine = engine

    def hear(self, run: RunId, event: Any) -> None:
        """Implements ports.listener.Listener: what is no fact goes to the viewers at once."""
        feed, kept = self._feeds.get(run), self._kept.get(run)
        if (feed is None and kept is None) or not isinstance(event, Began | Said | Heard):
            return
        line = Line(snake(type(event).__name__), json.dumps(asdict(event), ensure_ascii=False))
        if feed is not None:
            feed.put(line)
        if kept is not None and isinstance(event, Heard) and event.piece["item"] in ("delta", "broken_off"):
            kept.append(line)
            if len(kept) > PIECES:
                self.forget(run)

    def keep(self, run: RunId) -> None:
        """From now on keep the pieces of what a run's agents say, whether anybody looks on or not."""
        while len(self._kept) >= KEPT and run not in self._kept:
            self.forget(next(iter(self._kept)))
        self._kept.setdefault(run, [])

    def forget(self, run: RunId) -> None:
        """Nobody comes back for the pieces of a run."""
        self._kept.pop(run, None)

    @property
    def viewers(self) -> int:
        """How many look at runs."""
        return sum(feed.viewers for feed in self._feeds.values())

    def close(self) -> None:
        """End every stream."""
        self.closing.set()
        if self._task is not None:
            self._task.cancel()
        for feed in self._feeds.values():
            feed.ring_bell()
        for bell in self._lists:
            bell.set()

    async def of(self, run: RunId, after: int) -> AsyncIterator[Line | None]:
        """The facts of a run numbered above `after`, then what comes, until it ended; None is a breath.

        `status` tells how it stands, at first and whenever that changes without a fact, as when its process dies.
        `rest` is the last line: nothing will change the run any more. First of all come the pieces that were kept.
        """
        with await self._looking(run) as feed:
            place, until = feed.count, feed.seq
            for piece in tuple(self._kept.get(run, ())):  # from here on the ring has what comes
                yield piece
            told: Line | None = None
            while not self.closing.is_set():
                bell = feed.bell
                lines = feed.since(place)
                if lines is None or until:
                    # From the journal: what was before this viewer came, or what it was too slow for.
                    end, place, until = feed.seq, feed.count if lines is None else place, 0
                    for recorded in await self._opened.journal(run, after):
                        if recorded.seq <= end:
                            after = recorded.seq
                            yield line_of(recorded)
                    continue
                place = feed.count
                for line in lines:
                    if line.seq is None or line.seq > after:
                        after = after if line.seq is None else line.seq
                        yield line
                if feed.count > place:
                    continue
                stands = feed.footing
                status = Line("status", json.dumps({"status": stands.status, "reason": stands.reason}))
                if told != status:
                    told = status
                    yield status
                    continue
                if stands.run.ended:
                    yield Line("rest", status.data)
                    return
                try:
                    await asyncio.wait_for(bell.wait(), BREATH)
                except TimeoutError:
                    yield None

    async def lists(self) -> AsyncIterator[Line | None]:
        """Which runs changed, and how many questions are open: at first, and then a few times a second at most."""
        bell = asyncio.Event()
        self._lists.add(bell)
        self._work()
        seen, inbox = self.moves, -1
        try:
            while not self.closing.is_set():
                bell.clear()
                runs = [run for run, move in self.stirred.items() if move > seen]
                seen = self.moves
                now = len(await self._opened.inbox())
                if runs or now != inbox:
                    inbox = now
                    yield Line("changed", json.dumps({"runs": runs, "inbox": inbox}))
                    await asyncio.sleep(LISTS)
                    if bell.is_set():
                        continue
                try:
                    await asyncio.wait_for(bell.wait(), BREATH)
                except TimeoutError:
                    yield None
        finally:
            self._lists.discard(bell)

    @property
    def _opened(self) -> Engine:
        assert self._engine is not None, "attach an engine"
        return self._engine

    async def _looking(self, run: RunId) -> Any:
        feed = self._feeds.get(run)
        if feed is None:
            fresh = _Feed(await self._opened.footing(run))
            feed = self._feeds.setdefault(run, fresh)
        self._work()
        return self._viewed(feed)

    @contextmanager
    def _viewed(self, feed: _Feed) -> Iterator[_Feed]:
        feed.viewers += 1
        try:
            yield feed
        finally:
            feed.viewers -= 1
            if not feed.viewers:
                self._feeds.pop(feed.run, None)

    def _work(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._tail(), name="tail of the journal")

    async def _tail(self) -> None:
        while self._feeds or self._lists:
            try:
                await self._look()
            except WorkflowError:  # a store that is locked for a moment is looked at again
                self._number = -1
            except Exception:  # nobody awaits this task, and its viewers wait for it
                log.exception("the tail of the journal broke off")
                self._number = -1
            await asyncio.sleep(LOOK)

    async def _look(self) -> None:
        engine = self._opened
        number, runs = await engine.stirred(self._number)
        every, self._number = number < self._number or self._number < 0, number
        if runs:
            self.moves += 1
            for run in runs:
                self.stirred.pop(run, None)
                self.stirred[run] = self.moves
            while len(self.stirred) > RING:
                del self.stirred[next(iter(self.stirred))]
            for bell in self._lists:
                bell.set()
        for feed in list(self._feeds.values()):
            stirred = every or feed.run in runs
            if stirred:
                for recorded in await engine.journal(feed.run, feed.seq):
                    feed.take(recorded)
            if stirred or feed.footing.run.status not in FINAL:
                stands = await engine.footing(feed.footing.run)
                if stands.run is feed.footing.run and stands != feed.footing:
                    feed.footing = stands
                    feed.ring_bell()
