"""The reader of a process: a connection beside the writer's, so that looking waits for no commit."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from workflow_engine.errors import StoreError
from workflow_engine.stores.sqlite.connection import Connection
from workflow_engine.stores.sqlite.faults import SENSELESS, fault, leaves_doubt, senseless
from workflow_engine.stores.sqlite.queries import SQL

T = TypeVar("T")


class Reader:
    """Runs reading functions, each as of one moment."""

    def __init__(self, path: Path, connect: Callable[[], Connection], connection: Connection) -> None:
        self._path = path
        self._connect = connect
        self._connection: Connection | None = connection
        self._opened = 1
        self._opening = asyncio.Lock()
        self._closed = False

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What the function returns. Raises StoreError, and whatever else it raises."""
        if self._closed:
            raise StoreError(f"{self._path} is closed", "open it again")
        connection = self._connection or await self._open()
        try:
            return await connection.run(partial(_at_one_moment, work))
        except sqlite3.Error as error:
            if leaves_doubt(error):
                await self._drop(connection)
            raise fault(error, self._path) from error
        except SENSELESS as error:
            raise senseless(error, self._path) from error

    async def changes(self) -> int:
        """A number that changes with every commit but this connection's own, which makes none."""
        version = await self.read(_data_version)
        # SQLite's number is the connection's own: after it was reopened, it counts from anywhere.
        return version + (self._opened << 32)

    async def _open(self) -> Connection:
        async with self._opening:
            if self._connection is None:
                connection = self._connect()
                try:
                    await connection.open()
                except sqlite3.Error as error:
                    raise fault(error, self._path) from error
                self._connection = connection
                self._opened += 1
            return self._connection

    async def _drop(self, failed: Connection) -> None:
        if self._connection is failed:
            self._connection = None
            with suppress(sqlite3.Error):  # it was dropped because it failed
                await failed.close()

    async def close(self) -> None:
        """Let go of the connection; closing twice is allowed."""
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def _at_one_moment(work: Callable[[sqlite3.Connection], T], db: sqlite3.Connection) -> T:
    db.execute("BEGIN")
    try:
        return work(db)
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _data_version(db: sqlite3.Connection) -> int:
    version: int = db.execute(SQL["data_version"]).fetchone()[0]
    return version
