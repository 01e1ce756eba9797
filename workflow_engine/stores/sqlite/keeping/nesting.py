"""Runs within runs, as house-keeping meets them: written out, taken in and removed with the one around them."""

from __future__ import annotations

import sqlite3

from workflow_engine.record.ids import WITHIN, RunId
from workflow_engine.stores.sqlite.keeping.connecting import NESTED
from workflow_engine.stores.sqlite.keeping.statements import SQL
from workflow_engine.stores.sqlite.rows import RunRow, damaged


def runs_within(db: sqlite3.Connection, run: RunId) -> list[tuple[int, RunId]]:
    """The keys and ids of all runs that lie within one, at whatever depth, those around others first."""
    if db.execute("PRAGMA user_version").fetchone()[0] < NESTED:
        return []
    # Their ids begin as its own does. That of a run which only looks so leads elsewhere by what it lies within.
    ends = (f"{run}{WITHIN}", f"{run}{chr(ord(WITHIN) + 1)}")
    inside: dict[str, int] = {}
    for key, name, around in db.execute(SQL["runs_within"], ends).fetchall():
        if around == run or around in inside:
            inside[name] = key
    return [(key, RunId(name)) for name, key in inside.items()]


def must_be_around(db: sqlite3.Connection, kept: RunRow) -> None:
    """Raises StoreDamaged where the run around this one, or one within it that it has not left yet, is missing."""
    within = kept.run.within
    if within is not None and db.execute(SQL["key_of_run"], (within.run,)).fetchone() is None:
        raise damaged(kept.id, f"run {within.run}", "around it is missing")
    for node, name in kept.run.entered.items():
        found = db.execute(SQL["key_of_run"], (name,)).fetchone()
        if found is None:
            raise damaged(kept.id, f"run {name},", f"which does its step {node}, is missing")
        if db.execute(SQL["found_by"], found).fetchone()[2] != kept.id:
            raise damaged(kept.id, f"run {name}", f"is not the one that does its step {node}")
