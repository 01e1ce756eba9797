"""Foreign graphs that ran as nodes of a run: their series go where the run goes, and are gone when it is gone.

A series of a run is named by it, `RUN/NODE/VISIT` (record.ids.step_key); those of people's own threads are not.
"""

from __future__ import annotations

import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from workflow_engine.errors import InputError, StoreError
from workflow_engine.ports.checkpoints import Given, Part
from workflow_engine.stores.sqlite.foreign import reading, removing
from workflow_engine.stores.sqlite.foreign.rows import SHIFT, checkpoint_row, pending_row
from workflow_engine.stores.sqlite.foreign.writing import begin, insert_piece
from workflow_engine.stores.sqlite.keeping import foreign
from workflow_engine.stores.sqlite.keeping.statements import SQL

_SCOPE = {
    "series": str,
    "scope": str,
    "number": int,
    "newest": str,
    "updated": str,
    "checkpoints": list,
    "pending": list,
    "pieces": list,
}
_CURE = "nothing was imported; export the run once more where it is"


def series_of(db: sqlite3.Connection, run: str) -> list[tuple[int, str]]:
    """The keys and names of a run's series, by name."""
    return db.execute(SQL["series_between"], (f"{run}/", f"{run}0")).fetchall()  # "0" follows "/"


def drop(db: sqlite3.Connection, run: str) -> None:
    """Forget them, also damaged ones."""
    for _, series in series_of(db, run):
        removing.delete(db, series)


def written(db: sqlite3.Connection, run: str) -> Iterator[dict[str, Any]]:
    """What a page says of them, scope by scope. Raises StoreDamaged."""
    for _, series in series_of(db, run):
        for line in sorted(reading.lines(db, series), key=lambda each: each.scope):
            checkpoints, pending, pieces = removing.whole(db, line, series)
            yield {
                "series": series,
                "scope": line.scope,
                "number": line.number,
                "newest": line.newest,
                "updated": line.updated,
                "checkpoints": [[each.id, each.parent, each.label, text] for each, text in checkpoints],
                "pending": [list(each) for each in pending],
                "pieces": [
                    [number, part.after, source, part.kind, b64encode(part.data).decode("ascii")]
                    for number, part, source in pieces
                ],
            }


def take(db: sqlite3.Connection, run: str, scopes: Sequence[Mapping[str, Any]]) -> None:
    """Store what a page says of them. Nothing of it is believed: it is examined before anybody reads it.

    Raises InputError, and sqlite3.IntegrityError where something is there already.
    """
    for each in scopes:
        if set(each) != set(_SCOPE) or any(type(each[name]) is not kind for name, kind in _SCOPE.items()):
            raise _wrong("a scope of a graph has other parts than it should")
        if not each["series"].startswith(f"{run}/"):
            raise _wrong(f"a graph's series {each['series'][:60]!r} belongs to another run")
    for name in {each["series"] for each in scopes}:
        if db.execute(SQL["series"], (name,)).fetchone() is not None:
            raise sqlite3.IntegrityError(f"series {name}")
    for each in scopes:
        try:
            _take(db, each)
        except (TypeError, ValueError, KeyError, OverflowError, StoreError) as error:
            raise _wrong(f"a scope of {each['series']!r} is not what it should be ({error})") from error
    for key, name in series_of(db, run):
        if harm := foreign.harm(db, key, name):
            raise _wrong(harm.what)


def _take(db: sqlite3.Connection, each: Mapping[str, Any]) -> None:
    at = begin(db, each["series"], each["scope"])
    for number, after, source, kind, data in each["pieces"]:
        if not 0 < number <= each["number"] < 1 << SHIFT:
            raise ValueError(f"piece {number}")
        insert_piece(db, at, number, Part(str(kind), b64decode(data, validate=True), after), source)
    for id, parent, label, text in each["checkpoints"]:
        db.execute(SQL["put_checkpoint"], checkpoint_row(at, Given(str(id), parent, {}, {}, label=label), str(text)))
    for checkpoint, task, slot, text in each["pending"]:
        db.execute(SQL["put_pending"], pending_row(at, str(checkpoint), str(task), int(slot), str(text)))
    count = len(each["checkpoints"])
    filled = replace(at, number=each["number"], count=count, newest=each["newest"], updated=each["updated"])
    db.execute(SQL["update_line"], filled.columns())


def _wrong(why: str) -> InputError:
    return InputError(f"the document cannot be imported: {why}", _CURE)
