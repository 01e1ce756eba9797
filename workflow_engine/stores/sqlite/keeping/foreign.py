"""Checkpoints of foreign graphs examined: every row of a series, and that what a checkpoint names is there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from workflow_engine.errors import StoreDamaged
from workflow_engine.ports.keeping import Harm
from workflow_engine.record.ids import RunId
from workflow_engine.stores.sqlite.foreign import reading
from workflow_engine.stores.sqlite.foreign.rows import Line, checkpoint_of, damaged, pending_of
from workflow_engine.stores.sqlite.keeping.connecting import moment
from workflow_engine.stores.sqlite.keeping.statements import SQL

_OF_RUN = "fork the run before this node, where its graph begins anew, or take the store's backup"
_CURE = "nothing of it is loaded; take the store's backup, or delete this thread: the others are readable"


def series(db: sqlite3.Connection) -> Iterator[Harm | None]:
    """For each series, what is wrong with it, or None."""
    last = 0
    while page := db.execute(SQL["some_series"], (last,)).fetchall():
        for last, name in page:
            with moment(db):
                yield harm(db, last, name)


def strays(db: sqlite3.Connection) -> Iterator[Harm]:
    """Rows that belong to nothing any more."""
    for query, what in (("stray_lines", "scopes of a series"), ("stray_checkpoints", "checkpoints of a scope")):
        (count,) = db.execute(SQL[query]).fetchone()
        if count:
            yield Harm(None, f"the store is damaged: {count} {what} that is lost are left", _CURE)


def harm(db: sqlite3.Connection, key: int, name: str) -> Harm | None:
    """What is wrong with one series. That of a graph in a run is the run's harm."""
    run = _run_of(db, name)
    try:
        if db.execute(SQL["series"], (name,)).fetchone() is None and _still(db, key):
            raise damaged(name, "the index of series", "does not lead to it")
        for line in reading.lines(db, name):
            _line(db, line, name)
    except StoreDamaged as error:
        return Harm(run, error.what, _CURE if run is None else _OF_RUN)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        what = f"the checkpoints of {name!r} are damaged: they cannot be made sense of ({error})"
        return Harm(run, what, _CURE if run is None else _OF_RUN)
    return None


def _run_of(db: sqlite3.Connection, name: str) -> RunId | None:
    """The run of which a node's graph left a series."""
    run, slash, _ = name.partition("/")
    return RunId(run) if slash and db.execute(SQL["key_of_run"], (run,)).fetchone() is not None else None


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
