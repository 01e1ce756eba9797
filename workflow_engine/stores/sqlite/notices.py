"""Notices in the ledger's file: one sealed row each, written in the transaction of what happened."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from workflow_engine.errors import StoreDamaged
from workflow_engine.record.notice import Notice
from workflow_engine.stores.sqlite.queries import SQL
from workflow_engine.stores.sqlite.rows import micros, moment_of
from workflow_engine.stores.sqlite.seals import seal
from workflow_engine.stores.texts import notice_of_text, notice_text

if TYPE_CHECKING:  # they pack batches, which packs notices
    from workflow_engine.stores.sqlite.reader import Reader
    from workflow_engine.stores.sqlite.writer import Writer

_LOG = logging.getLogger("workflow_engine.stores")
CURE = "nobody is told of it any more; the run itself is whole: workflow inbox, workflow runs"


class SqliteNotices:
    """Implements ports.notices.Notices. Belongs to the event loop of its ledger."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader
        self._damaged: set[str] = set()

    async def due(self, now: datetime, most: int = 50) -> Sequence[Notice]:
        return await self._sound(partial(_rows, query="notices_due", at=micros(now), most=most))

    async def next_due(self) -> datetime | None:
        found: int | None = await self._reader.read(_next)
        return None if found is None else moment_of(found)

    async def newest(self, most: int = 50) -> Sequence[Notice]:
        return await self._sound(partial(_rows, query="notices_newest", at=None, most=most))

    async def replace(self, before: Notice, after: Notice) -> bool:
        work = partial(_replace, before=before, row=row_of(after))
        job = self._writer.put(work, partial(_replaced, row=row_of(after)))
        return bool(await asyncio.shield(job))

    async def _sound(self, rows: Any) -> Sequence[Notice]:
        found: list[Notice] = []
        for row in await self._reader.read(rows):
            try:
                found.append(sound(*row))
            except StoreDamaged as error:
                if error.what not in self._damaged:  # once, for it is asked again and again
                    self._damaged.add(error.what)
                    _LOG.error("left out: %s", error.what)
        return found


def row_of(notice: Notice) -> tuple[Any, ...]:
    """A notice as a row, complete but for the run's key: event, what happened, due, seal, text."""
    text = notice_text(notice)
    place = (notice.seq, notice.happened)
    return (*place, micros(notice.due), seal(text, notice.run, "notice", *place), text)


def sound(run: Any, seq: Any, happened: Any, due: Any, mark: Any, text: Any) -> Notice:
    """The notice of a row. Raises StoreDamaged."""
    if isinstance(text, str) and mark == seal(text, run, "notice", seq, happened):
        try:
            notice = notice_of_text(text)
        except (ValueError, RecursionError):
            pass
        else:
            if (notice.run, notice.seq, notice.happened, micros(notice.due)) == (run, seq, happened, due):
                return notice
    raise StoreDamaged(f"the notice of event {seq} of run {run} is damaged: it does not fit its seal", CURE)


def _rows(db: sqlite3.Connection, query: str, at: int | None, most: int) -> list[tuple[Any, ...]]:
    return db.execute(SQL[query], (most,) if at is None else (at, most)).fetchall()


def _next(db: sqlite3.Connection) -> int | None:
    found = db.execute(SQL["next_notice"]).fetchone()
    return None if found is None or not isinstance(found[0], int) else found[0]


def _found(db: sqlite3.Connection, notice: Notice) -> Notice | None:
    row = db.execute(SQL["notice"], (notice.run, notice.seq, notice.happened)).fetchone()
    return None if row is None else sound(*row)


def _replace(db: sqlite3.Connection, before: Notice, row: tuple[Any, ...]) -> bool:
    if _found(db, before) != before:
        return False
    seq, happened, due, mark, text = row
    db.execute(SQL["update_notice"], (due, mark, text, before.run, seq, happened))
    return True


def _replaced(db: sqlite3.Connection, result: bool, row: tuple[Any, ...]) -> bool:
    """Whether `replace` is in the file."""
    if not result:
        return True
    notice = notice_of_text(row[4])
    found = db.execute(SQL["notice"], (notice.run, notice.seq, notice.happened)).fetchone()
    return found is not None and found[5] == row[4]
