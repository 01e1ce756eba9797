"""Foreign checkpoints in the ledger's file: the port's acts, each handed to the ledger's writer or reader.

What is pending on a checkpoint is held back until the next checkpoint takes it along in its transaction. Nobody waits
for it before then, except where no checkpoint follows: so it goes by itself after a moment in which none came.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from workflow_engine.errors import FenceLost
from workflow_engine.ports.checkpoints import Given, Ground, Kept, Past, Placed, Series, Write
from workflow_engine.stores.sqlite.foreign import reading, removing, writing
from workflow_engine.stores.sqlite.queries import SQL
from workflow_engine.stores.sqlite.reader import Reader
from workflow_engine.stores.sqlite.writer import Writer

MOMENT = 0.002  # seconds: longer than a program takes from the end of a task to its checkpoint, and not to be noticed

_Held = tuple[
    Callable[[sqlite3.Connection], Any],
    Callable[[sqlite3.Connection, Any], bool],
    "asyncio.Future[asyncio.Future[Any]]",
]


class SqliteCheckpoints:
    """Implements ports.checkpoints.Checkpoints. Belongs to the event loop of its ledger.

    With an `owner`, the key of a run and the epoch it is owned under, nothing is stored once another owns it.
    """

    def __init__(self, writer: Writer, reader: Reader, owner: tuple[int, int] | None = None) -> None:
        self._writer = writer
        self._reader = reader
        self._owner = owner
        self._held: list[_Held] = []
        self._timer: asyncio.TimerHandle | None = None
        self._putting = 0

    async def put(self, series: str, scope: str, given: Given, ground: Ground | None) -> Placed:
        self.let_go()
        self._putting += 1
        try:
            placed: Placed = await self._do(
                self._fenced(partial(writing.put, series=series, scope=scope, given=given, ground=ground), series),
                partial(writing.is_put, series=series, scope=scope, given=given),
            )
            return placed
        finally:
            self._putting -= 1
            self._wait()

    async def pend(self, series: str, scope: str, checkpoint: str, writes: Sequence[Write]) -> None:
        gone: asyncio.Future[asyncio.Future[Any]] = asyncio.get_running_loop().create_future()
        work = self._fenced(
            partial(writing.pend, series=series, scope=scope, checkpoint=checkpoint, writes=writes), series
        )
        landed = partial(writing.is_pending, series=series, scope=scope, checkpoint=checkpoint, writes=writes)
        self._held.append((work, landed, gone))
        self._wait()
        await asyncio.shield(await asyncio.shield(gone))

    def let_go(self) -> None:
        """Queue what is held back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held, self._held = self._held, []
        for work, landed, gone in held:
            gone.set_result(self._writer.put(work, landed))

    def _wait(self) -> None:
        """Let go after a moment, unless a checkpoint is on its way: the one that follows will take all along."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held and not self._putting:
            self._timer = asyncio.get_running_loop().call_later(MOMENT, self.let_go)

    def _fenced(self, work: Callable[[sqlite3.Connection], Any], series: str) -> Callable[[sqlite3.Connection], Any]:
        owner = self._owner
        if owner is None:
            return work

        def fenced(db: sqlite3.Connection) -> Any:
            if db.execute(SQL["run_owned_under"], owner).fetchone() is None:
                raise FenceLost(f"the run of {series} is no longer driven from here", "look at who drives it now")
            return work(db)

        return fenced

    async def _do(
        self, work: Callable[[sqlite3.Connection], Any], landed: Callable[[sqlite3.Connection, Any], bool]
    ) -> Any:
        return await asyncio.shield(self._writer.put(work, landed))

    async def _settled(self) -> None:
        """Everything that was given so far is in the file: it will be read."""
        if self._held:
            goings = [gone for _, _, gone in self._held]
            self.let_go()
            await asyncio.wait([gone.result() for gone in goings])

    # Reading

    async def read(self, series: str, scope: str, id: str | None = None) -> Kept | None:
        await self._settled()
        return await self._reader.read(partial(reading.read, series=series, scope=scope, id=id))

    async def page(
        self, series: str, scope: str, before: str | None, size: int, matching: Callable[[Mapping[str, Any]], bool]
    ) -> Sequence[Kept]:
        await self._settled()
        work = partial(reading.page, series=series, scope=scope, before=before, size=size, matching=matching)
        return await self._reader.read(work)

    async def past(self, series: str, scope: str, id: str | None, fields: Sequence[str]) -> Mapping[str, Past]:
        await self._settled()
        return await self._reader.read(partial(reading.past, series=series, scope=scope, id=id, fields=fields))

    async def scopes(self, series: str) -> Sequence[str]:
        return await self._reader.read(partial(reading.scopes, series=series))

    async def page_of_series(self, after: str | None, size: int) -> Sequence[Series]:
        return await self._reader.read(partial(reading.page_of_series, after=after, size=size))

    # Removing

    async def delete(self, series: str) -> None:
        self.let_go()
        await self._do(partial(removing.delete, series=series), partial(removing.is_deleted, series=series))

    async def delete_labelled(self, labels: Sequence[str]) -> None:
        self.let_go()
        await self._do(partial(removing.delete_labelled, labels=labels), removing.is_thinned)

    async def copy(self, series: str, target: str) -> None:
        self.let_go()
        await self._do(partial(removing.copy, series=series, target=target), removing.is_thinned)

    async def prune(self, series: str) -> None:
        self.let_go()
        await self._do(partial(removing.prune, series=series), removing.is_thinned)
