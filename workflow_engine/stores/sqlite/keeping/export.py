"""Exporting: one run read through every check, and written as a page that another store can import."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workflow_engine.errors import StoreDamaged, UsageError
from workflow_engine.record.events import write_event
from workflow_engine.record.ids import RunId
from workflow_engine.record.values import plain
from workflow_engine.stores.sqlite import logs, reading
from workflow_engine.stores.sqlite.keeping import contents, graphs, page
from workflow_engine.stores.sqlite.keeping.connecting import FILES, LOGS, Stop, looking, moment, schema_of
from workflow_engine.stores.sqlite.keeping.examining import Tally, harms
from workflow_engine.stores.sqlite.keeping.lending import own
from workflow_engine.stores.sqlite.keeping.nesting import runs_within
from workflow_engine.stores.sqlite.keeping.statements import SQL
from workflow_engine.stores.sqlite.rows import RunRow, checked, decoded
from workflow_engine.stores.texts import letter_of_text, letter_text, log_text, run_text


def export(path: Path, run: RunId, stop: Stop) -> str:
    """The page of a run and of those within it. Raises RunNotFound, StoreDamaged: a run with any harm is not exported,
    and UsageError for one that lies within another.
    """
    with looking(path, stop) as db:
        schema = schema_of(db, path)
        with moment(db):
            kept = _unharmed(db, run)
            if kept.within is not None:
                raise UsageError(
                    f"run {run} lies within run {kept.within}, and goes where that goes",
                    f"workflow store export {kept.within}",
                )
            within = [_whole(db, path, _unharmed(db, name), schema) for _, name in runs_within(db, run)]
            return page.written({**_whole(db, path, kept, schema), "within": within})


def _unharmed(db: sqlite3.Connection, run: RunId) -> RunRow:
    kept = reading.row(db, run)
    for harm in harms(db, kept.key, run, Tally()):
        raise StoreDamaged(harm.what, "export it from a backup; workflow store check tells all that is wrong")
    return kept


def _whole(db: sqlite3.Connection, path: Path, kept: RunRow, schema: int) -> dict[str, Any]:
    more = {"logs": list(_logs(db, kept)), "graphs": list(graphs.written(db, kept.id))} if schema >= LOGS else {}
    files = contents.told(db, path, kept.key, kept.id) if schema >= FILES else []
    return {**parts(db, kept), "logs": [], "graphs": [], **more, "files": files}


def parts(db: sqlite3.Connection, kept: RunRow) -> dict[str, Any]:
    """What a page says of a run. Records go through their types, so that what an earlier version left out is there."""
    return {
        "run": json.loads(run_text(kept.run)),
        "epoch": kept.epoch,
        "document": None if kept.document is None else reading.document(db, kept.id),
        "journal": [json.loads(write_event(each.event)) for each in reading.journal(db, kept.id, 0)],
        "versions": list(_versions(db, kept)),
        "letters": list(_letters(db, kept)),
    }


def _versions(db: sqlite3.Connection, kept: RunRow) -> Iterator[dict[str, Any]]:
    """Field by field, in the order in which they were first written; what is shared is written out."""
    for field in kept.fields:
        for version, first, seq, op, mark, text in db.execute(SQL["versions_of_field"], (kept.key, field)):
            place = f"field {field}, version {version}"
            text = checked(mark, text, kept.id, place, kept.id, field, version, first, seq, op)
            op, text = own(db, kept, field, version, op, text)
            value = decoded(plain, text, kept.id, place)
            yield {"field": field, "first": first, "seq": seq, "op": op, "value": value}


def _logs(db: sqlite3.Connection, kept: RunRow) -> Iterator[dict[str, Any]]:
    """What can be read of them: they say nothing of where the run stands, so one that is damaged keeps nothing back."""
    for each in logs.parts(db, kept.key, kept.id, 0, -1):
        if each.part is not None:
            yield json.loads(log_text(each.part))


def _letters(db: sqlite3.Connection, kept: RunRow) -> Iterator[dict[str, Any]]:
    for name, taken, mark, text in db.execute(SQL["letters_of_run"], (kept.key,)):
        place = f"letter {name}"
        letter = decoded(letter_of_text, checked(mark, text, kept.id, place, kept.id, "letter"), kept.id, place)
        yield {"taken": taken, "letter": json.loads(letter_text(letter))}
