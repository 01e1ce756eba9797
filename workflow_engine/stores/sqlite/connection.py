"""One connection to the store, on the thread that aiosqlite keeps for it: work crosses over in one hop."""

from __future__ import annotations

import asyncio
import operator
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar, cast
from urllib.parse import quote

import aiosqlite

from workflow_engine.stores.sqlite.faults import unreadable

T = TypeVar("T")
Synchronous = Literal["full", "normal"]

BUSY_SECONDS = 60.0
# Damaged text must reach the seals, not end a whole query: what is no UTF-8 becomes other text, which no seal fits.
_TEXT = operator.methodcaller("decode", "utf-8", "replace")


class Connection:
    """Runs functions of a raw connection, one at a time, in the order they were given.

    aiosqlite's public calls each cost a hop between threads, and a batch needs a dozen statements; `_tx` is the queue
    that all of them go through. It is private, hence the narrow pin in pyproject.toml, and this is the only place to
    use it.
    """

    def __init__(self, path: Path, *, synchronous: Synchronous = "full", factory: type[sqlite3.Connection]) -> None:
        self._path = path
        self._synchronous = synchronous
        self._factory = factory
        self._raw: sqlite3.Connection | None = None
        self._line = aiosqlite.Connection(self._connect, 64)

    def _connect(self) -> sqlite3.Connection:
        # mode=rw: a file that vanished is an error, not a new and empty store.
        raw = sqlite3.connect(
            f"file:{quote(os.fsencode(self._path))}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            factory=self._factory,
        )
        try:
            raw.text_factory = _TEXT
            raw.execute("PRAGMA trusted_schema = OFF")
            raw.execute("PRAGMA cell_size_check = ON")
            raw.execute(f"PRAGMA synchronous = {self._synchronous}")
            if sys.platform == "darwin":  # its fsync leaves what is written in the disk's cache
                raw.execute("PRAGMA fullfsync = ON")
        except UnicodeDecodeError as error:
            raw.close()
            raise unreadable(error) from error
        except BaseException:
            raw.close()
            raise
        self._raw = raw
        return raw

    async def open(self) -> None:
        """Connect. Raises sqlite3.Error."""
        # A program that forgets to close its store must still be able to end; what is on its way is not acknowledged.
        self._line._thread.daemon = True
        try:
            await self._line
        except BaseException:
            # aiosqlite's thread is still on its way out, and must not find the loop closed when it answers.
            await asyncio.to_thread(self._line._thread.join)
            raise

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What the function returns or raises."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(cast("T", result))
            else:
                done.set_exception(error)

        self.begin(work, settle)
        return await done

    def begin(
        self, work: Callable[[sqlite3.Connection], T], then: Callable[[T | None, BaseException | None], None]
    ) -> None:
        """Hand a function over at once. `then` is called on this loop with what it returns, or with what it raises."""
        assert self._raw is not None
        raw, loop = self._raw, asyncio.get_running_loop()

        def act() -> None:
            told: tuple[T | None, BaseException | None]
            try:
                told = work(raw), None
            except BaseException as error:  # raised where the work was asked for
                told = None, error
            loop.call_soon_threadsafe(then, *told)

        # Without a future of aiosqlite's, whose callbacks would cost another turn of the loop. And not the work itself:
        # aiosqlite writes what it is given into its debug log, and the work holds people's values.
        cast("Any", self._line)._tx.put_nowait((None, act))

    async def close(self) -> None:
        """Let go of the file and the thread; closing twice is allowed."""
        self._raw = None
        await self._line.close()
