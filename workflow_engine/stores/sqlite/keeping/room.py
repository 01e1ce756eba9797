"""Room on the disk: what was freed inside the file, and whether it can be given back now.

A file shrinks only by being written anew (VACUUM), which keeps every writer out for as long as it takes. So that is
done only when nobody drives a run, and when it is worth it; else the room stays inside and is used by runs to come.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress

from workflow_engine.stores.sqlite.faults import code_of
from workflow_engine.stores.sqlite.keeping.connecting import Stop, door
from workflow_engine.stores.sqlite.owners import Owners

WORTH = 5
"""The file is written anew if one part in so many of it is free."""


def give_back(db: sqlite3.Connection, owners: Owners, stop: Stop) -> tuple[int, tuple[str, ...]]:
    """Bytes that stay free inside the file, and why if they are many."""
    notes: tuple[str, ...] = ()
    if _spare(db) * WORTH >= _pages(db) > 0 < _spare(db):
        with door(owners, stop):  # whoever wants to open the store waits
            if owners.anybody():
                notes = ("the file keeps its size, for runs to come: runs are being driven",)
            else:
                notes = _written_anew(db)
    with suppress(sqlite3.OperationalError):  # a reader still needs the log: it ends with the next checkpoint
        db.execute("PRAGMA busy_timeout = 0")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return _spare(db) * int(db.execute("PRAGMA page_size").fetchone()[0]), notes


def _written_anew(db: sqlite3.Connection) -> tuple[str, ...]:
    try:
        db.execute("PRAGMA busy_timeout = 2000")
        db.execute("VACUUM")
    except sqlite3.OperationalError as error:
        if code_of(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL):
            raise
        return (f"the file keeps its size, for runs to come: {error}",)
    return ()


def _spare(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA freelist_count").fetchone()[0])


def _pages(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA page_count").fetchone()[0])
