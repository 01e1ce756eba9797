"""Results in the ledger's file: one sealed row each, which may go at any time."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from datetime import datetime
from functools import partial
from typing import Any

from workflow_engine.errors import StoreDamaged, StoreError
from workflow_engine.record.result import KeptResult
from workflow_engine.stores.sqlite.queries import SQL
from workflow_engine.stores.sqlite.reader import Reader
from workflow_engine.stores.sqlite.rows import micros
from workflow_engine.stores.sqlite.seals import seal
from workflow_engine.stores.sqlite.writer import Writer
from workflow_engine.stores.texts import result_of_text, result_text

CURE = "the work is done again and kept anew; nothing needs to be done"
_LOG = logging.getLogger("workflow_engine.stores")


class SqliteResults:
    """Implements ports.results.Results. Belongs to the event loop of its ledger."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def recall(self, key: str, now: datetime) -> KeptResult | None:
        try:
            found: KeptResult | None = await self._reader.read(partial(_recall, key=key))
        except StoreError as error:
            _LOG.warning("a kept result was not used: %s", error.what)
            return None
        return found if found is not None and now < found.until else None

    def keep(self, result: KeptResult, now: datetime) -> None:
        try:
            text = result_text(result)
        except StoreError as error:
            _LOG.warning("a result was not kept: %s", error.what)
            return
        row = (result.key, micros(result.until), seal(text, result.key, "result"), text)
        # Not awaited, but in the queue before the commit of its step, and so in the same transaction.
        self._writer.put(partial(_keep, row=row, now=micros(now)), _kept).add_done_callback(_told)


def sound(key: Any, mark: Any, text: Any) -> KeptResult:
    """The result of a row. Raises StoreDamaged."""
    if isinstance(text, str) and isinstance(key, str) and mark == seal(text, key, "result"):
        try:
            result = result_of_text(text)
        except (ValueError, RecursionError):
            pass
        else:
            if result.key == key:
                return result
    raise StoreDamaged(f"the kept result {str(key)[:40]!r} is damaged: it does not fit its seal", CURE)


def _recall(db: sqlite3.Connection, key: str) -> KeptResult | None:
    found = db.execute(SQL["result"], (key,)).fetchone()
    return None if found is None else sound(*found)


def _keep(db: sqlite3.Connection, row: tuple[Any, ...], now: int | None) -> None:
    db.execute(SQL["drop_some_results"], (now,))
    db.execute(SQL["put_result"], row)


def _kept(_db: sqlite3.Connection, _result: None) -> bool:
    """Taken for there: a result that was lost must not have the commits beside it done again."""
    return True


def _told(done: asyncio.Future[Any]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        _LOG.warning("a result was not kept: %s", error)
