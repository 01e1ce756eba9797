"""Writing foreign checkpoints: functions of a raw connection, within a transaction that others may share.

They keep the rule of the ledger's own: an error of ours is raised only before anything was written.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from workflow_engine.errors import StoreError
from workflow_engine.ports.checkpoints import Chunks, Given, Ground, Outdated, Part, Placed, Write
from workflow_engine.stores.sqlite.foreign import reading
from workflow_engine.stores.sqlite.foreign.rows import (
    Line,
    Ref,
    Row,
    checkpoint_row,
    checkpoint_seal,
    checkpoint_text,
    group,
    is_piece,
    pending_of,
    pending_row,
    pending_text,
    piece_seal,
    ref_of,
)
from workflow_engine.stores.sqlite.queries import SQL
from workflow_engine.stores.sqlite.seals import seal

_SHARED = 128  # bytes from which on it is worth looking whether a task's pending write holds the same


def put(db: sqlite3.Connection, series: str, scope: str, given: Given, ground: Ground | None) -> Placed:
    """Store a checkpoint. Raises Outdated, StoreError."""
    found = reading.line(db, series, scope)
    if ground is not None and (found is None or Ground(found.key, found.era) != ground):
        raise Outdated(f"pieces of {series!r} were removed by somebody else", "give the checkpoint whole")
    parts = {name: part for name, part in given.values.items() if isinstance(part, Part) and ref_of(part) is None}
    refs: dict[str, Ref] = {name: ref_of(value) for name, value in given.values.items() if name not in parts}
    known = _pending_pieces(db, found, series, given.parent, parts.values())
    number = 0 if found is None else found.number
    new: list[tuple[int, Part, int | None]] = []
    for name, part in parts.items():
        source = known.get((part.kind, part.data))
        if source is not None and part.after is None:
            refs[name] = [source]
            continue
        number += 1
        new.append((number, part, source))
        refs[name] = [number]
    text = checkpoint_text(given, refs, series)
    at = found or begin(db, series, scope)
    for place, part, source in new:
        insert_piece(db, at, place, part, source)
    fresh = given.id > at.newest or db.execute(SQL["checkpoint_seal"], (at.key, given.id)).fetchone() is None
    db.execute(SQL["put_checkpoint"], checkpoint_row(at, given, text))
    db.execute(SQL["update_line"], at.with_checkpoint(given, number, fresh).columns())
    return Placed(Ground(at.key, at.era), {name: ref[0] for name, ref in refs.items() if is_piece(ref)})


def begin(db: sqlite3.Connection, series: str, scope: str) -> Line:
    """A new line, and its series if that is new as well."""
    key = reading.series_key(db, series)
    if key is None:
        # The key is under the seal, so it is chosen here.
        key = (db.execute(SQL["last_series"]).fetchone()[0] or 0) + 1
        db.execute(SQL["insert_series"], (key, series, seal(series, "series", key)))
    made = Line(0, key, scope, secrets.randbits(62), 0, 0, "", "")
    columns = (made.series, made.scope, made.era, made.number, made.count, made.newest, made.updated, made.sealed())
    line = db.execute(SQL["insert_line"], columns).lastrowid
    assert line is not None
    return replace(made, key=line)


def _pending_pieces(
    db: sqlite3.Connection, at: Line | None, series: str, checkpoint: str | None, parts: Iterable[Part]
) -> dict[tuple[str, bytes], int]:
    """Which of the parts are pieces already: what a task left pending on the parent is often what is stored now."""
    wanted = {(part.kind, len(part.data)) for part in parts if len(part.data) >= _SHARED}
    if at is None or checkpoint is None or not wanted:
        return {}
    known: dict[tuple[str, bytes], int] = {}
    for row in db.execute(SQL["pending_on"], (at.key, checkpoint)).fetchall():
        for _, _, ref in pending_of(row, at, series)[4]:
            if is_piece(ref) and db.execute(SQL["size_of_piece"], (at.piece(ref[0]),)).fetchone() in wanted:
                _, kind, data = reading.piece(db, at, series, ref[0])
                known[kind, data] = ref[0]
    return known


def insert_piece(db: sqlite3.Connection, at: Line, number: int, part: Part, source: int | None) -> None:
    """Store bytes, or that they are those of another piece."""
    data = part.data if source is None else b""
    mark = piece_seal(at, number, part.after, source, part.kind, data)
    db.execute(SQL["insert_piece"], (at.piece(number), part.after, source, part.kind, mark, data))


def pend(db: sqlite3.Connection, series: str, scope: str, checkpoint: str, writes: Sequence[Write]) -> None:
    """Store writes that wait for the next checkpoint."""
    found = reading.line(db, series, scope)
    number = first = 0 if found is None else found.number
    parts: list[tuple[int, Part]] = []
    rows: list[tuple[str, int, str]] = []
    for (task, slot), some in groupby(sorted(writes, key=_row_of), _row_of):
        path, stored = _stored(db, found, series, checkpoint, task, slot)
        added = 0
        for write in some:
            if write.slot in stored:
                continue  # a task that writes again keeps what it wrote
            value = write.value
            assert not isinstance(value, Chunks)
            ref = ref_of(value)
            if isinstance(value, Part) and ref is None:
                number += 1
                parts.append((number, value))
                ref = [number]
            path = write.path if path is None else path
            stored[write.slot] = (write.slot, write.field, ref)
            added += 1
        if added:
            rows.append((task, slot, pending_text(path or "", list(stored.values()), series)))
    if not rows:
        return
    at = found or begin(db, series, scope)
    for place, part in parts:
        insert_piece(db, at, place, part, None)
    for task, slot, text in rows:
        db.execute(SQL["put_pending"], pending_row(at, checkpoint, task, slot, text))
    if number != first:
        db.execute(SQL["update_line"], replace(at, number=number).columns())


def _row_of(write: Write) -> tuple[str, int]:
    return write.task, group(write)


def _stored(
    db: sqlite3.Connection, at: Line | None, series: str, checkpoint: str, task: str, slot: int
) -> tuple[str | None, dict[int, Row]]:
    """What a task wrote before in its ordinary slots; special ones are written over."""
    if at is None or slot != 0:
        return None, {}
    row = db.execute(SQL["pending_row"], (at.key, checkpoint, task, slot)).fetchone()
    if row is None:
        return None, {}
    _, _, _, path, writes = pending_of((checkpoint, task, slot, *row), at, series)
    return path, {write[0]: write for write in writes}


# What they leave behind, looked for when a COMMIT ended in doubt.


def is_put(db: sqlite3.Connection, placed: Placed, series: str, scope: str, given: Given) -> bool:
    """Whether a checkpoint is in the file, as it was put."""
    try:
        at = reading.line(db, series, scope)
        row = None if at is None else db.execute(SQL["checkpoint"], (at.key, given.id)).fetchone()
    except StoreError:
        return False
    return (
        at is not None
        and at.key == placed.ground.line
        and row is not None
        and row[3] == checkpoint_seal(at, given, row[4])
    )


def is_pending(
    db: sqlite3.Connection, _result: None, series: str, scope: str, checkpoint: str, writes: Sequence[Write]
) -> bool:
    """Whether writes are in the file."""
    try:
        at = reading.line(db, series, scope)
        if at is None:
            return False
        there = {(each.task, each.slot) for each in reading.pending(db, at, series, checkpoint)}
    except StoreError:
        return False
    return all((each.task, each.slot) in there for each in writes)
