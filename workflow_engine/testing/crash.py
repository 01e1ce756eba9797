"""Ledgers that die at one of their writes: what a crash leaves behind can be looked at, at every write in turn.

Two acts, two words. `crash_after` lets a ledger in memory die within the test's own process: from that moment nobody is
answered any more, as if the process that drove the runs were gone. `kill_after` sends a real SIGKILL to the process it
stands in, which is for a child that a test started, and works with every ledger.

A write is what changes the store or who owns a run: `create`, `claim`, `commit`, `send`, `publish`, `delivered` and
`release`, and what foreign graphs write, `put` and `pend`. They are counted in the order in which they are asked for,
from 1. "before" means that the write does not happen, "after" that it is durable and nobody was told so: the two sides
between which a promise is kept or broken.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any, Literal, NoReturn, Protocol, TypeVar, cast

from workflow_engine.errors import UsageError
from workflow_engine.ports.ledger import Batch, Fence, Ledger, Snapshot
from workflow_engine.record.ids import RunId
from workflow_engine.record.inbox import Letter
from workflow_engine.record.publication import Publication

T = TypeVar("T")
When = Literal["before", "after"]


class Crashed(Exception):
    """The ledger that the work was done on has died. What it had made durable is there, and nothing else."""


class DyingLedger(Ledger, Protocol):
    """A ledger that crashes within this process. `writes` counts the writes asked for, `crashed` says that it died."""

    writes: int
    crashed: bool

    async def until_crash(self, work: Awaitable[T]) -> T:
        """Do the work. Raises Crashed once the ledger has died and what used it was stopped."""
        ...


def crash_after(ledger: Ledger, writes: int, *, when: When = "after") -> DyingLedger:
    """A ledger that dies in this process before or after its `writes`-th write, and leaves every run to whoever claims.

    Needs a ledger that can be abandoned, as `stores.memory.MemoryLedger` can; raises errors.UsageError for another. The
    ledger itself lives on: give it to a second engine to see what is left.

    >>> from workflow_engine import END, START, Engine, State, function, workflow
    >>> from workflow_engine.stores.memory import MemoryLedger
    >>> class Count(State):
    ...     n: int = 0
    >>> @function(writes="n")
    ... def one() -> int:
    ...     print("one")
    ...     return 1
    >>> @function(writes="n")
    ... def more(n: int) -> int:
    ...     print("more")
    ...     return n + 1
    >>> count = workflow("count", state=Count, edges=[START >> one >> more >> END])
    >>> async def example() -> None:
    ...     kept = MemoryLedger()
    ...     dying = crash_after(kept, 2)  # the run was created, and `one` is committed
    ...     async with Engine.connect(ledger=dying, workflows=[count]) as engine:
    ...         try:
    ...             await dying.until_crash(engine.run(count))
    ...         except Crashed:
    ...             print("crashed")
    ...     async with Engine.connect(ledger=kept, workflows=[count]) as engine:
    ...         [run] = await engine.recover()
    ...         print(run.status, run.state.n)
    >>> asyncio.run(example())
    one
    crashed
    more
    succeeded 2
    """
    if not callable(getattr(ledger, "abandon", None)):
        raise UsageError(
            f"a {type(ledger).__name__} cannot be abandoned by a process that lives on",
            "use kill_after, in a process that the test starts",
        )
    return cast("DyingLedger", _Crashing(ledger, writes, when))


def kill_after(ledger: Ledger, writes: int, *, when: When = "after") -> Ledger:
    """A ledger that kills the process it stands in (SIGKILL) before or after its `writes`-th write.

    For a process that the test starts, on a store that outlives it. In one that has done fewer writes nothing happens.
    """
    return cast("Ledger", _Mortal(ledger, writes, when, kill))


def kill() -> NoReturn:
    """End this process as `kill -9` would: nothing is flushed, closed or said."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody comes this far")


class _Mortal:
    """Counts the writes and dies at one of them. Whatever is no write goes straight through."""

    def __init__(self, ledger: Ledger, last: int, when: When, die: Callable[[], object]) -> None:
        if last < 1:
            raise UsageError(f"there is no write {last}", "writes are counted from 1")
        if when not in ("before", "after"):
            raise UsageError(f"when={when!r}", 'when="before" or when="after" the write')
        self._ledger, self._last, self._when, self._die = ledger, last, when, die
        self.writes = 0

    async def create(self, batch: Batch) -> Fence:
        return await self._written(lambda: self._ledger.create(batch))

    async def claim(self, run: RunId) -> tuple[Fence, Snapshot]:
        return await self._written(lambda: self._ledger.claim(run))

    def commit(self, fence: Fence, batch: Batch) -> Awaitable[None]:
        return self._written(lambda: self._ledger.commit(fence, batch))

    async def send(self, letter: Letter) -> bool:
        return await self._written(lambda: self._ledger.send(letter))

    async def publish(self, publication: Publication) -> tuple[Publication, bool]:
        return await self._written(lambda: self._ledger.publish(publication))

    async def delivered(self, publication: Publication) -> None:
        await self._written(lambda: self._ledger.delivered(publication))

    async def release(self, fence: Fence) -> None:
        await self._written(lambda: self._ledger.release(fence))

    @property
    def checkpoints(self) -> _Checkpoints:
        """Those of foreign graphs: what a graph writes is counted too."""
        return _Checkpoints(self, cast("Any", self._ledger).checkpoints)

    def checkpoints_of(self, fence: Fence) -> _Checkpoints:
        return _Checkpoints(self, cast("Any", self._ledger).checkpoints_of(fence))

    def _asked(self, read: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        return read()

    def _written(self, write: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        """The write, or death. It is asked for before this returns, so that commits keep their order."""
        self.writes += 1
        if self.writes != self._last:
            return write()
        if self._when == "before":
            self._die()
            return asyncio.ensure_future(self._gone())
        # A task, so that death comes whether the caller awaits its commit or not.
        return asyncio.ensure_future(self._done_for(write()))

    async def _done_for(self, written: Awaitable[Any]) -> Any:
        await written
        self._die()
        return await self._gone()

    async def _gone(self) -> Any:
        raise AssertionError("a killed process asks for nothing")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


class _Checkpoints:
    """The checkpoints of a ledger that dies."""

    def __init__(self, mortal: _Mortal, checkpoints: Any) -> None:
        self._mortal, self._checkpoints = mortal, checkpoints

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._checkpoints, name)
        act = self._mortal._written if name in ("put", "pend") else self._mortal._asked

        async def ask(*args: Any, **named: Any) -> Any:
            return await act(lambda: found(*args, **named))

        return ask


class _Crashing(_Mortal):
    """Dies without its process: whoever asks it for anything waits until what is left of the dead is cleared away."""

    def __init__(self, ledger: Any, last: int, when: When) -> None:
        super().__init__(ledger, last, when, self._crash)
        self._crashed = asyncio.Event()
        self._buried = asyncio.Event()

    @property
    def crashed(self) -> bool:
        return self._crashed.is_set()

    def _crash(self) -> None:
        self._crashed.set()
        cast("Any", self._ledger).abandon()

    async def until_crash(self, work: Awaitable[T]) -> T:
        task = asyncio.ensure_future(work)
        crash = asyncio.ensure_future(self._crashed.wait())
        try:
            await asyncio.wait({task, crash}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            crash.cancel()
        if not self.crashed:
            return await task
        self._buried.set()
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # of a dead process nobody hears
        raise Crashed(f"at write {self._last}, {self._when} it was durable")

    async def close(self) -> None:
        if not self.crashed:
            await self._ledger.close()

    def _written(self, write: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        return asyncio.ensure_future(self._gone()) if self.crashed else super()._written(write)

    def _asked(self, read: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        return asyncio.ensure_future(self._gone()) if self.crashed else read()

    async def _gone(self) -> Any:
        await self._buried.wait()
        # Not an error of ours, which the engine would act on: everything that waited here is stopped.
        raise asyncio.CancelledError

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._ledger, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def ask(*args: Any, **named: Any) -> Any:
            return await (self._gone() if self.crashed else found(*args, **named))

        return ask


__all__ = ["Crashed", "DyingLedger", "When", "crash_after", "kill", "kill_after"]
