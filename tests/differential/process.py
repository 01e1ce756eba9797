"""One process that may die: its view of a ledger that outlives it, and the moment at which it is killed.

A batch is durable only some turns of the loop after it was handed over, alone or with the ones behind it, as on a disk
that several runs share. A kill loses what is still in the queue. From then on nothing of the process acts: whatever it
asks of its ledger, and whatever body it would begin, waits for ever, until the test clears the process away.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from tests.differential.outside import DONE, Visit, World
from workflow_engine.ports.checkpoints import Checkpoints, Placed, Write
from workflow_engine.ports.ledger import Batch, Fence
from workflow_engine.record.events import ItemFailed, ItemFinished, StepFailed, StepFinished
from workflow_engine.record.ids import RunId, node_of, place_of
from workflow_engine.record.logs import LogPage
from workflow_engine.record.run import Run
from workflow_engine.stores.memory import MemoryLedger


class Wrong(AssertionError):
    """The engine broke a promise."""


@dataclass
class Disk:
    """What outlives every process: the ledger, and what is known to be on it."""

    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    runs: dict[RunId, Run] = field(default_factory=dict)
    left: set[Visit] = field(default_factory=set)
    inner: set[tuple[str, str, int]] = field(default_factory=set)
    commits: int = 0
    wrongs: list[str] = field(default_factory=list)

    def keep(self, batch: Batch) -> None:
        """Remember a batch that is durable now."""
        self.commits += 1
        before = self.runs.get(batch.run.id)
        self.runs[batch.run.id] = batch.run
        for event in batch.events:
            dropped = getattr(getattr(event, "move", None), "dropped", ())
            if before is not None and (doubtful := {*dropped} & {*map(node_of, before.doubts)}):
                self.wrongs.append(f"{doubtful} were dropped with their effects in doubt")
            match event:
                case StepFinished():
                    place = event.node
                case StepFailed() if event.move is not None:
                    place = event.node
                case ItemFinished():
                    place = place_of(event.node, event.item)
                case ItemFailed() if event.final:
                    place = place_of(event.node, event.item)
                case _:
                    continue
            visit = (batch.run.id, place, event.visit)
            if visit in self.left:
                self.wrongs.append(f"{visit} was committed twice")
            self.left.add(visit)

    def keep_inner(self, series: str, writes: Sequence[Write]) -> None:
        """Remember which inner node of a foreign graph is done: that it has run is one of its writes."""
        for each in writes:
            if each.field.startswith(DONE) and isinstance(each.value, int):
                self.inner.add((series, each.field.removeprefix(DONE), each.value))


class Process:
    """Implements ports.ledger.Ledger over a disk, and outside.Process for the bodies. Dies at its `kill`-th batch."""

    def __init__(
        self,
        disk: Disk,
        world: World,
        random: Random,
        *,
        kill: int | None = None,
        when: Literal["before", "after"] = "before",
        on_commit: Callable[[], None] = lambda: None,
    ) -> None:
        self.disk, self.world, self.random = disk, world, random
        self.kill, self.when, self.on_commit = kill, when, on_commit
        self.died: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.dead = False
        self.written = 0
        self._queue: deque[tuple[Callable[[], asyncio.Future[Any]], Callable[[], None], asyncio.Future[Any]]] = deque()
        self._writing = False
        self._buried = False
        self._asked: list[asyncio.Future[Any]] = []
        self._in_hand: dict[Visit, set[str]] = {}

    # For bodies

    def turns(self) -> int:
        return self.random.choice((0, 0, 1, 2, 5, 12))

    async def alive(self) -> None:
        if self.dead:
            await self._never()

    def beginning(self, run: str, place: str, visit: int, at_once: int = 0) -> None:
        if self.dead:
            return  # a plain function in its thread, which outlives the process
        # Remembered rather than raised: for the engine, what a body raises is a failure of the step.
        frontier = self.disk.runs[RunId(run)].frontier
        node = place.partition("[")[0]  # an item is due with its node
        if (run, place, visit) in self.disk.left:
            self.disk.wrongs.append(f"{place} visit {visit} of {run} runs again, and is committed")
        elif node not in frontier.due or frontier.visits[node] != visit:
            self.disk.wrongs.append(f"{node} visit {visit} of {run} begins before what leads to it is on disk")
        if at_once:
            hand = self._in_hand.setdefault((run, node, visit), set())
            hand.add(place)
            if sum((run, each, visit) not in self.disk.left for each in hand) > at_once:
                self.disk.wrongs.append(f"more than {at_once} items of {node} are in hand or not on disk")

    def inside(self, series: str, mark: str, count: int, done: Mapping[str, int]) -> None:
        if self.dead:
            return
        run, node, visit = series.rsplit("/", 2)
        self.beginning(run, node, int(visit))
        if (series, mark, count) in self.disk.inner:
            self.disk.wrongs.append(f"{mark} of {series} runs for the {count}. time again, and is on disk")
        for each, many in done.items():
            if (series, each.removeprefix(DONE), many) not in self.disk.inner:
                self.disk.wrongs.append(f"{mark} of {series} begins before {each} is on disk")

    # The ledger

    async def create(self, batch: Batch) -> Fence:
        return await self._batch(None, batch)  # type: ignore[no-any-return]

    def commit(self, fence: Fence, batch: Batch) -> Awaitable[None]:
        return self._batch(fence, batch)

    @property
    def checkpoints(self) -> Inner:
        return Inner(self, self.disk.ledger.checkpoints)

    def checkpoints_of(self, fence: Fence) -> Inner:
        return Inner(self, self.disk.ledger.checkpoints_of(fence))

    def log(self, fence: Fence, page: LogPage) -> None:
        if not self.dead:
            self.disk.ledger.log(fence, page)

    async def claim(self, run: RunId) -> Any:
        await self._pause()
        await self.alive()
        return await self.disk.ledger.claim(run)

    async def release(self, fence: Fence) -> None:
        while self._queue:  # noqa: ASYNC110 (a few turns of the loop)
            await asyncio.sleep(0)
        if not self.dead:
            await self.disk.ledger.release(fence)

    def __getattr__(self, name: str) -> Any:
        return self.asking(getattr(self.disk.ledger, name))

    def asking(self, found: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """What is asked of the disk, some turns later; nothing once the process is dead."""

        async def ask(*args: Any, **kwargs: Any) -> Any:
            await self._pause()
            await self.alive()
            return await found(*args, **kwargs)

        return ask

    async def _pause(self) -> None:
        for _ in range(self.random.choice((0, 0, 1, 3))):
            await asyncio.sleep(0)

    def _batch(self, fence: Fence | None, batch: Batch) -> asyncio.Future[Any]:
        def keep() -> None:
            self.disk.keep(batch)
            if not self.dead:
                self.on_commit()

        if fence is None:
            # Run to its end here and now: a process that dies in the next turn must not own the run after its death.
            return self.written_by(lambda: at_once(self.disk.ledger.create(batch)), keep)
        return self.written_by(lambda: asyncio.ensure_future(self.disk.ledger.commit(fence, batch)), keep)

    def written_by(self, store: Callable[[], asyncio.Future[Any]], keep: Callable[[], None]) -> asyncio.Future[Any]:
        """A write of its own in the queue; `keep` is told once it is durable."""
        if self.dead:
            return self._never()
        durable: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.append((store, keep, durable))
        if not self._writing:
            self._writing = True
            self._later(self.random.choice((0, 1, 2, 6)))
        return durable

    def _later(self, turns: int) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(self._write if turns == 0 else lambda: self._later(turns - 1))

    def _write(self) -> None:
        """Make what is queued durable, or the first part of it."""
        many = self.random.randint(1, len(self._queue)) if self._queue else 0
        for _ in range(many):
            if self.dead:
                return
            self.written += 1
            store, keep, durable = self._queue.popleft()
            if self.written == self.kill and self.when == "before":
                self._orphan(durable)
                return self._die()
            self._keep(store(), keep, durable)
            if self.written == self.kill:
                return self._die()
        self._writing = bool(self._queue)
        if self._writing:
            self._later(self.random.choice((0, 1, 3)))

    def _keep(self, kept: asyncio.Future[Any], keep: Callable[[], None], durable: asyncio.Future[Any]) -> None:
        def acknowledge(kept: asyncio.Future[Any]) -> None:
            failure = kept.exception()
            if failure is not None:
                if self.dead:
                    self._orphan(durable)
                elif not durable.done():
                    durable.set_exception(failure)
                return
            if self.dead:
                self._orphan(durable)
            elif not durable.done():
                durable.set_result(kept.result())
            keep()

        kept.add_done_callback(acknowledge)

    def _never(self) -> asyncio.Future[Any]:
        """What a dead process waits for, until it is cleared away."""
        return self._orphan(asyncio.get_running_loop().create_future())

    def _orphan(self, asked: asyncio.Future[Any]) -> asyncio.Future[Any]:
        if self._buried:
            asked.cancel()
        self._asked.append(asked)
        return asked

    def bury(self) -> None:
        """Stop what still waits in this dead process."""
        self._buried = True
        while self._asked:
            self._asked.pop().cancel()

    def _die(self) -> None:
        self.dead = True
        self._asked += [durable for _, _, durable in self._queue]
        self._queue.clear()
        self.disk.ledger.abandon()
        if not self.died.done():
            self.died.set_result(None)


class Inner:
    """Implements ports.checkpoints.Checkpoints for the foreign graphs of a process: each write is one it may die at."""

    def __init__(self, process: Process, kept: Checkpoints) -> None:
        self._process, self._kept = process, kept

    async def put(self, *given: Any) -> Placed:
        return await self._process.written_by(lambda: at_once(self._kept.put(*given)), lambda: None)  # type: ignore[no-any-return]

    async def pend(self, series: str, scope: str, checkpoint: str, writes: Sequence[Write]) -> None:
        await self._process.written_by(
            lambda: at_once(self._kept.pend(series, scope, checkpoint, writes)),
            lambda: self._process.disk.keep_inner(series, writes),
        )

    def __getattr__(self, name: str) -> Any:
        return self._process.asking(getattr(self._kept, name))


def at_once(work: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
    """Work that waits for nothing, done here and now."""
    made: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    try:
        while True:
            work.send(None)
    except StopIteration as done:
        made.set_result(done.value)
    except Exception as error:
        made.set_exception(error)
    return made
