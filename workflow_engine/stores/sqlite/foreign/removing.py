"""Removing and copying foreign checkpoints, and the pieces that nothing names any more."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from workflow_engine.errors import StoreError
from workflow_engine.ports.checkpoints import Given, Part
from workflow_engine.stores.sqlite.foreign import reading
from workflow_engine.stores.sqlite.foreign.rows import (
    Line,
    Text,
    checkpoint_of,
    checkpoint_row,
    is_piece,
    pending_of,
    pending_row,
)
from workflow_engine.stores.sqlite.foreign.writing import begin, insert_piece
from workflow_engine.stores.sqlite.queries import SQL

Rows = dict[str, tuple[str | None, Text]]
Thinned = tuple[str, str, int]  # a series, a scope, and its era since


@dataclass(frozen=True)
class _Plan:
    """What is to go from a line, and its row afterwards."""

    series: str
    left: Line
    checkpoints: set[str]
    pieces: set[int]


@dataclass(frozen=True)
class _Whole:
    """All rows of a line."""

    line: Line
    checkpoints: list[tuple[Given, str]]
    pending: list[tuple[str, str, int, str]]
    pieces: list[tuple[int, Part, int | None]]


def delete(db: sqlite3.Connection, series: str) -> None:
    """Forget a series, also a damaged one."""
    found = db.execute(SQL["series"], (series,)).fetchone()
    if found is None:
        return
    for row in db.execute(SQL["lines_of_series"], (found[0],)).fetchall():
        _empty(db, Line(*row[:8]))
        db.execute(SQL["delete_line"], (row[0],))
    db.execute(SQL["delete_series"], (found[0],))


def _empty(db: sqlite3.Connection, at: Line) -> None:
    db.execute(SQL["delete_checkpoints"], (at.key,))
    db.execute(SQL["delete_pending"], (at.key,))
    db.execute(SQL["delete_pieces"], at.pieces)


def is_deleted(db: sqlite3.Connection, _result: None, series: str) -> bool:
    return db.execute(SQL["series"], (series,)).fetchone() is None


def prune(db: sqlite3.Connection, series: str) -> list[Thinned]:
    """Keep the newest checkpoint of each scope, and what it rests on."""
    plans: list[_Plan] = []
    for at in reading.lines(db, series):
        rows = _checkpoints(db, at, series)
        plans.append(_plan(db, at, series, rows, {at.newest} | _foundation(rows, at.newest)))
    return [_carry_out(db, plan) for plan in plans]


def delete_labelled(db: sqlite3.Connection, labels: Sequence[str]) -> list[Thinned]:
    """Forget checkpoints by their labels. Raises StoreError where one that stays rests on one of them."""
    doomed: dict[tuple[str, str], set[str]] = {}
    for label in labels:
        for series, scope, id in db.execute(SQL["checkpoints_with_label"], (label,)).fetchall():
            doomed.setdefault((series, scope), set()).add(id)
    plans: list[_Plan] = []
    for (series, scope), ids in doomed.items():
        at = reading.line(db, series, scope)
        assert at is not None
        rows = _checkpoints(db, at, series)
        stay = rows.keys() - ids
        for id in stay:
            if _foundation(rows, id) & ids:
                raise StoreError(
                    f"checkpoint {id} of {series!r} rests on writes of a checkpoint to be deleted",
                    "prune it, or delete it as a whole",
                )
        plans.append(_plan(db, at, series, rows, stay))
    return [_carry_out(db, plan) for plan in plans]


def is_thinned(db: sqlite3.Connection, lines: Sequence[Thinned]) -> bool:
    """Whether the lines are in the file as they were left."""
    try:
        return all((at := reading.line(db, *where)) is not None and at.era == era for *where, era in lines)
    except StoreError:
        return False


def _checkpoints(db: sqlite3.Connection, at: Line, series: str) -> Rows:
    found: Rows = {}
    for row in db.execute(SQL["checkpoints_of_line"], (at.key,)).fetchall():
        id, parent, text = checkpoint_of(row, at, series)
        found[id] = parent, text
    return found


def _foundation(rows: Rows, id: str) -> set[str]:
    """The ancestors that are needed to make the fields which a checkpoint has no value for."""
    if id not in rows:
        return set()
    parent, text = rows[id]
    wanted = set(text.rests)
    found: set[str] = set()
    while wanted and parent in rows and parent not in found:
        found.add(parent)
        parent, text = rows[parent]
        wanted -= text.values.keys()
    return found


def _plan(db: sqlite3.Connection, at: Line, series: str, rows: Rows, stay: set[str]) -> _Plan:
    """What is to go so that only these checkpoints stay. Everything that may raise happens here."""
    gone = rows.keys() - stay
    used: set[int] = set()
    for id in rows.keys() & stay:
        used |= rows[id][1].numbers
    for row in db.execute(SQL["pending_of_line"], (at.key,)).fetchall():
        checkpoint, _, _, _, writes = pending_of(row, at, series)
        if checkpoint not in gone:
            used |= {ref[0] for _, _, ref in writes if is_piece(ref)}
    links = {
        key - at.piece(0): {number for number in (after, source) if number is not None}
        for key, after, source in db.execute(SQL["links_of_pieces"], at.pieces).fetchall()
    }
    left = replace(
        at,
        era=secrets.randbits(62) if gone else at.era,
        count=len(rows) - len(gone),
        newest=max(rows.keys() & stay, default=""),
    )
    return _Plan(series, left, gone, links.keys() - _reached(used, links))


def _carry_out(db: sqlite3.Connection, plan: _Plan) -> Thinned:
    left = plan.left
    for id in plan.checkpoints:
        db.execute(SQL["delete_checkpoint"], (left.key, id))
        db.execute(SQL["delete_pending_on"], (left.key, id))
    for number in plan.pieces if plan.checkpoints else ():
        db.execute(SQL["delete_piece"], (left.piece(number),))
    if plan.checkpoints:
        db.execute(SQL["update_line"], left.columns())
    return plan.series, left.scope, left.era


def _reached(numbers: Iterable[int], links: dict[int, set[int]]) -> set[int]:
    reached: set[int] = set()
    ahead = list(numbers)
    while ahead:
        number = ahead.pop()
        if number not in reached:
            reached.add(number)
            ahead += links.get(number, ())
    return reached


def copy(db: sqlite3.Connection, series: str, target: str) -> list[Thinned]:
    """Copy every scope of a series, in the place of what the target has."""
    if series == target:
        return []
    every = [_Whole(at, *whole(db, at, series)) for at in reading.lines(db, series)]
    delete(db, target)
    made: list[Thinned] = []
    for each in every:
        at = begin(db, target, each.line.scope)
        for number, part, source in each.pieces:
            insert_piece(db, at, number, part, source)
        for given, text in each.checkpoints:
            db.execute(SQL["put_checkpoint"], checkpoint_row(at, given, text))
        for checkpoint, task, slot, text in each.pending:
            db.execute(SQL["put_pending"], pending_row(at, checkpoint, task, slot, text))
        of = each.line
        filled = replace(at, number=of.number, count=of.count, newest=of.newest, updated=of.updated)
        db.execute(SQL["update_line"], filled.columns())
        made.append((target, at.scope, at.era))
    return made


def whole(
    db: sqlite3.Connection, at: Line, series: str
) -> tuple[list[tuple[Given, str]], list[tuple[str, str, int, str]], list[tuple[int, Part, int | None]]]:
    """The checkpoints, the pending writes and the pieces of a line, all checked."""
    checkpoints: list[tuple[Given, str]] = []
    for row in db.execute(SQL["checkpoints_of_line"], (at.key,)).fetchall():
        checkpoint_of(row, at, series)
        id, parent, label, _, text = row
        checkpoints.append((Given(id, parent, {}, {}, label=label), text))
    pending: list[tuple[str, str, int, str]] = []
    for row in db.execute(SQL["pending_of_line"], (at.key,)).fetchall():
        pending_of(row, at, series)
        pending.append((row[0], row[1], row[2], row[4]))
    pieces: list[tuple[int, Part, int | None]] = []
    for (key,) in db.execute(SQL["pieces_of_line"], at.pieces).fetchall():
        number = key - at.piece(0)
        after, source, kind, data = reading.stored_piece(db, at, series, number)
        pieces.append((number, Part(kind, data, after), source))
    return checkpoints, pending, pieces
