"""Reading foreign checkpoints: functions of a raw connection, strict about everything they return."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workflow_engine.ports.checkpoints import Chunks, Ground, Kept, Past, Scalar, Series, Write
from workflow_engine.stores.sqlite.foreign.rows import (
    Line,
    Ref,
    Row,
    checkpoint_of,
    damaged,
    is_piece,
    line_of,
    pending_of,
    piece_seal,
    small_of,
)
from workflow_engine.stores.sqlite.queries import SQL
from workflow_engine.stores.sqlite.seals import seal

LARGEST = "\U0010ffff"  # sorts behind every id


def line(db: sqlite3.Connection, series: str, scope: str) -> Line | None:
    """The row of a scope. Raises StoreDamaged."""
    found = db.execute(SQL["line"], (series, scope)).fetchone()
    return None if found is None else line_of(found, series)


def series_key(db: sqlite3.Connection, series: str) -> int | None:
    """The key of a series. Raises StoreDamaged."""
    found = db.execute(SQL["series"], (series,)).fetchone()
    if found is None:
        return None
    _check_series(found[0], series, found[1])
    return int(found[0])


def _check_series(key: int, series: str, mark: bytes) -> None:
    if mark != seal(series, "series", key):
        raise damaged(series, "its own row", "does not fit its seal")


def lines(db: sqlite3.Connection, series: str) -> list[Line]:
    """The scopes of a series, also those without a checkpoint. Raises StoreDamaged."""
    key = series_key(db, series)
    return [] if key is None else lines_of(db, key, series)


def lines_of(db: sqlite3.Connection, key: int, series: str) -> list[Line]:
    return [line_of(row, series) for row in db.execute(SQL["lines_of_series"], (key,)).fetchall()]


def scopes(db: sqlite3.Connection, series: str) -> list[str]:
    return [each.scope for each in lines(db, series) if each.count]


def page_of_series(db: sqlite3.Connection, after: str | None, size: int) -> list[Series]:
    below = 1 << 62
    if after is not None and (found := series_key(db, after)) is not None:
        below = found
    listed: list[Series] = []
    for key, series, mark in db.execute(SQL["page_of_series"], (below, size)).fetchall():
        _check_series(key, series, mark)
        kept = [each for each in lines_of(db, key, series) if each.count]
        newest = max((each.updated for each in kept), default="")
        listed.append(Series(series, len(kept), sum(each.count for each in kept), newest))
    return listed


def read(db: sqlite3.Connection, series: str, scope: str, id: str | None) -> Kept | None:
    at = line(db, series, scope)
    if at is None or not at.newest:
        return None
    row = db.execute(SQL["checkpoint"], (at.key, id or at.newest)).fetchone()
    if row is None:
        if id is None or id == at.newest:
            raise damaged(series, f"checkpoint {at.newest}", "is missing")
        return None
    return kept(db, row, at, series)


def kept(db: sqlite3.Connection, row: Row, at: Line, series: str) -> Kept:
    id, parent, text = checkpoint_of(row, at, series)
    place = f"checkpoint {id}"
    values = {name: value(db, ref, at, series, place) for name, ref in text.values.items()}
    ground = Ground(at.key, at.era)
    writes = pending(db, at, series, id)
    return Kept(series, at.scope, id, parent, text.record, text.metadata, values, writes, ground)


def page(
    db: sqlite3.Connection,
    series: str,
    scope: str,
    before: str | None,
    size: int,
    matching: Callable[[Mapping[str, Any]], bool],
) -> list[Kept]:
    at = line(db, series, scope)
    found: list[Kept] = []
    if at is None:
        return found
    if at.newest and (before is None or before > at.newest):
        read(db, series, scope, None)  # the newest must not be passed over in silence
    # Two cursors of one connection do not disturb each other, as long as nothing is written.
    rows = db.execute(SQL["checkpoints_below"], (at.key, LARGEST if before is None else before))
    for row in rows:
        if len(found) >= size:
            break
        if matching(checkpoint_of(row, at, series)[2].metadata):
            found.append(kept(db, row, at, series))
    return found


def pending(
    db: sqlite3.Connection, at: Line, series: str, checkpoint: str, only: set[str] | None = None
) -> list[Write]:
    """What is pending on a checkpoint, in order."""
    writes: list[Write] = []
    for row in db.execute(SQL["pending_on"], (at.key, checkpoint)).fetchall():
        _, task, _, path, found = pending_of(row, at, series)
        place = f"what task {task} left on checkpoint {checkpoint}"
        writes += [
            Write(task, path, slot, name, value(db, ref, at, series, place))
            for slot, name, ref in found
            if only is None or name in only
        ]
    return sorted(writes, key=lambda each: (each.path, each.task, each.slot))


def past(db: sqlite3.Connection, series: str, scope: str, id: str | None, fields: Sequence[str]) -> dict[str, Past]:
    at = line(db, series, scope)
    newest_first: dict[str, list[Write]] = {name: [] for name in fields}
    seeds: dict[str, Scalar | Chunks] = {}
    wanted = set(fields)
    cursor = None if at is None else parent_of(db, at, series, id or at.newest)
    seen: set[str] = set()
    while at is not None and cursor is not None and wanted and cursor not in seen:
        seen.add(cursor)
        row = db.execute(SQL["checkpoint"], (at.key, cursor)).fetchone()
        if row is None:
            break
        _, parent, text = checkpoint_of(row, at, series)
        for write in reversed(pending(db, at, series, cursor, wanted)):
            newest_first[write.field].append(write)
        for name in wanted & text.values.keys():
            seeds[name] = value(db, text.values[name], at, series, f"checkpoint {cursor}")
        wanted -= text.values.keys()
        cursor = parent
    return {name: Past(found[::-1], seeds.get(name), name in seeds) for name, found in newest_first.items()}


def parent_of(db: sqlite3.Connection, at: Line, series: str, id: str) -> str | None:
    row = db.execute(SQL["checkpoint"], (at.key, id)).fetchone()
    return None if row is None else checkpoint_of(row, at, series)[1]


# ------------------------------------------------------------------------------------------------ values


def value(db: sqlite3.Connection, ref: Ref, at: Line, series: str, place: str) -> Scalar | Chunks:
    if is_piece(ref):
        return chunks(db, at, series, ref[0])
    if isinstance(ref, list):
        kind, data = small_of(ref, series, place)
        return Chunks(kind, [data], None)
    if isinstance(ref, dict):
        raise damaged(series, place, "has a value that is none")
    scalar: Scalar = ref
    return scalar


def chunks(db: sqlite3.Connection, at: Line, series: str, number: int) -> Chunks:
    """A value from its last piece backwards."""
    found: list[bytes] = []
    kinds: set[str] = set()
    cursor: int | None = number
    while cursor is not None:
        after, kind, data = piece(db, at, series, cursor)
        found.append(data)
        kinds.add(kind)
        if after is not None and after >= cursor:
            raise damaged(series, f"piece {cursor}", "adds to a later one")
        cursor = after
    if len(kinds) != 1:
        raise damaged(series, f"piece {number}", "adds to one of another kind")
    return Chunks(kinds.pop(), found[::-1], number)


def piece(db: sqlite3.Connection, at: Line, series: str, number: int) -> tuple[int | None, str, bytes]:
    after, source, kind, data = stored_piece(db, at, series, number)
    if source is None:
        return after, kind, data
    _, further, same, data = stored_piece(db, at, series, source)
    if further is not None or same != kind:
        raise damaged(series, f"piece {number}", "has its data from one that has none")
    return after, kind, data


def stored_piece(
    db: sqlite3.Connection, at: Line, series: str, number: int
) -> tuple[int | None, int | None, str, bytes]:
    """What a piece adds to, whose data it has, its kind and its own data."""
    row = db.execute(SQL["piece"], (at.piece(number),)).fetchone()
    if row is None:
        raise damaged(series, f"piece {number}", "is missing")
    after, source, kind, mark, data = row
    if not isinstance(data, bytes) or mark != piece_seal(at, number, after, source, kind, data):
        raise damaged(series, f"piece {number}", "does not fit its seal")
    return after, source, kind, data
