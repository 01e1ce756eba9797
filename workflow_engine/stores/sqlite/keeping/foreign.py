"""Checkpoints of foreign graphs examined: every row of a series, and that what a checkpoint names is there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from workflow_engine.errors import StoreDamaged
from workflow_engine.ports.keeping import Harm
from workflow_engine.stores.sqlite.foreign import reading
from workflow_engine.stores.sqlite.foreign.rows import Line, checkpoint_of, damaged, pending_of
from workflow_engine.stores.sqlite.keeping.connecting import moment
from workflow_engine.stores.sqlite.keeping.statements import SQL

_CURE = "nothing of it is loaded; take the store's backup, or delete this thread: the others are readable"


def series(db: sqlite3.Connection) -> Iterator[Harm | None]:
    """For each series, what is wrong with it, or None."""
    last = 0
    while page := db.execute(SQL["some_series"], (last,)).fetchall():
        for last, name in page:
            with moment(db):
                yield _harm(db, last, name)


def strays(db: sqlite3.Connection) -> Iterator[Harm]:
    """Rows that belong to nothing any more."""
    for query, what in (("stray_lines", "scopes of a series"), ("stray_checkpoints", "checkpoints of a scope")):
        (count,) = db.execute(SQL[query]).fetchone()
        if count:
            yield Harm(None, f"the store is damaged: {count} {what} that is lost are left", _CURE)


def _harm(db: sqlite3.Connection, key: int, name: str) -> Harm | None:
    try:
        if db.execute(SQL["series"], (name,)).fetchone() is None and _still(db, key):
            raise damaged(name, "the index of series", "does not lead to it")
        for line in reading.lines(db, name):
            _line(db, line, name)
    except StoreDamaged as error:
        return Harm(None, error.what, _CURE)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        return Harm(None, f"the checkpoints of {name!r} are damaged: they cannot be made sense of ({error})", _CURE)
    return None


def _still(db: sqlite3.Connection, key: int) -> bool:
    """Whether a series was not deleted since it was listed."""
    return any(found == key for found, _ in db.execute(SQL["some_series"], (key - 1,)))


def _line(db: sqlite3.Connection, line: Line, name: str) -> None:
    pieces: set[int] = set()
    for (key,) in db.execute(SQL["pieces_of_line"], line.pieces):
        number = key - line.piece(0)
        after, source, _, _ = reading.stored_piece(db, line, name, number)
        if {each for each in (after, source) if each is not None} - pieces:
            raise damaged(name, f"piece {number}", "rests on one that is missing")
        pieces.add(number)
    count, newest = 0, ""
    for row in db.execute(SQL["checkpoints_of_line"], (line.key,)):
        id, _, text = checkpoint_of(row, line, name)
        if text.numbers - pieces:
            raise damaged(name, f"checkpoint {id}", "names a value that is missing")
        count, newest = count + 1, max(newest, id)
    if (count, newest) != (line.count, line.newest):
        raise damaged(name, f"scope {line.scope!r}", f"has {count} of its {line.count} checkpoints")
    for row in db.execute(SQL["pending_of_line"], (line.key,)):
        pending_of(row, line, name)
