"""What attempts said, as rows: written beside commits, and read without trusting any of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from workflow_engine.errors import StoreDamaged
from workflow_engine.ports.ledger import Fence
from workflow_engine.record.ids import RunId
from workflow_engine.record.logs import LoggedPart, LogPage, LogPart
from workflow_engine.stores.sqlite import reading
from workflow_engine.stores.sqlite.queries import SQL
from workflow_engine.stores.sqlite.rows import damaged, decoded
from workflow_engine.stores.sqlite.seals import seal
from workflow_engine.stores.sqlite.writing import fence_lost
from workflow_engine.stores.texts import log_of_text, log_text

LogRow = tuple[int, int, int, bytes, str]


def rows_of(run: RunId, key: int, told: Sequence[LogPart]) -> list[LogRow]:
    """The rows of parts."""
    texts = ((each, log_text(each)) for each in told)
    return [(key, each.take, each.part, _seal(text, run, each.take, each.part), text) for each, text in texts]


def write(db: sqlite3.Connection, fence: Fence, key: int, rows: list[LogRow], page: LogPage) -> None:
    """Store a page, if the fence holds. Raises FenceLost."""
    if db.execute(SQL["run_owned_under"], (key, fence.epoch)).fetchone() is None:
        raise fence_lost(fence.run)
    db.executemany(SQL["put_log"], rows)
    if page.gone is not None:
        db.execute(SQL["drop_log_parts"], (key, page.parts[0].take, *page.gone))


def written(_db: sqlite3.Connection, _result: None) -> bool:
    """Taken for there: a page that was lost must not have the commits beside it done again."""
    return True


def read(db: sqlite3.Connection, run: RunId, after: int, most: int) -> list[LoggedPart]:
    """Parts of a run with a place above `after`; those that are damaged come without what they hold."""
    return list(parts(db, reading.row(db, run).key, run, after, most))


def parts(db: sqlite3.Connection, key: int, run: RunId, after: int, most: int) -> Iterator[LoggedPart]:
    """The same, of the run of a key."""
    for number, take, part, mark, text in db.execute(SQL["logs"], (key, after, most)):
        try:
            yield LoggedPart(number, _part(run, take, part, mark, text))
        except StoreDamaged:
            yield LoggedPart(number, None)


def unsound(run: RunId, take: int, part: int, mark: Any, text: Any) -> bool:
    """Whether a row fails its checks."""
    try:
        _part(run, take, part, mark, text)
    except StoreDamaged:
        return True
    return False


def _part(run: RunId, take: int, part: int, mark: Any, text: Any) -> LogPart:
    place = f"part {part} of what its attempt {take} said"
    if not isinstance(text, str) or mark != _seal(text, run, take, part):
        raise damaged(run, place, "does not fit its seal")
    found = decoded(log_of_text, text, run, place)
    if (found.take, found.part) != (take, part):
        raise damaged(run, place, "says two things in its columns and its text")
    return found


def _seal(text: str, run: RunId, take: int, part: int) -> bytes:
    return seal(text, run, "log", take, part)
