"""Lists of runs: functions of a raw connection. One damaged run keeps nobody from seeing the others."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice

from workflow_engine.errors import RunNotFound, StoreDamaged
from workflow_engine.ports.ledger import Listed, Page
from workflow_engine.record.ids import RunId
from workflow_engine.stores.sqlite.faults import code_of
from workflow_engine.stores.sqlite.queries import SQL
from workflow_engine.stores.sqlite.reading import one, row
from workflow_engine.stores.sqlite.rows import Row, run_row

_UNKNOWN = datetime.fromtimestamp(0, UTC)


def runs(db: sqlite3.Connection, page: Page) -> list[Listed]:
    """A page of runs, newest first. A damaged one has no status to be found by but "damaged"."""
    before = 2**62
    if page.before is not None:
        found = one(db, "key_of_run", page.before)
        if found is None:
            raise RunNotFound(f"no run {page.before}", "list them: workflow runs")
        before = found[0]
    status = None if page.status == "damaged" else page.status
    query = "page_of_runs"
    if status is not None:
        query = "page_of_runs_with_status"
    elif page.workflow is not None and page.status is None:
        query = "page_of_runs_of_workflow"
    values = {"before": before, "status": status, "workflow": page.workflow}
    try:
        return _fitting(page, map(_listed, db.execute(SQL[query], values)))
    except sqlite3.DatabaseError as error:
        if code_of(error) != sqlite3.SQLITE_CORRUPT:
            raise
    # A page of the table is unreadable. The ids stand in an index of their own, and lead to the rows that are left.
    return _fitting(page, (_listed_alone(db, key, name) for key, name in db.execute(SQL["ids"], (before,))))


def _fitting(page: Page, each: Iterable[Listed]) -> list[Listed]:
    fits = (
        run
        for run in each
        if page.status in (None, run.status)
        and page.workflow in (None, run.workflow)
        and run.run.startswith(page.prefix)
    )
    return list(islice(fits, page.limit))


def _listed(found: Row) -> Listed:
    letters = bool(found[15])
    try:
        return run_row(found).listed(letters)
    except StoreDamaged:
        return _lost(str(found[1]), str(found[2]), letters)


def _listed_alone(db: sqlite3.Connection, key: int, name: str) -> Listed:
    letters = db.execute(SQL["has_letters"], (key,)).fetchone() is not None
    try:
        return _listed((*db.execute(SQL["run_by_key"], (key,)).fetchone(), letters))
    except (sqlite3.DatabaseError, TypeError):
        return _lost(name, "", letters)


def _lost(name: str, workflow: str, letters: bool) -> Listed:
    return Listed(RunId(name), workflow, "damaged", None, _UNKNOWN, _UNKNOWN, 0, letters)


def find(db: sqlite3.Connection, prefix: str) -> list[RunId]:
    """Up to three runs by prefix, or the last one."""
    if prefix == "@last":
        return [RunId(each) for (each,) in db.execute(SQL["last_run"])]
    try:
        return [RunId(each) for (each,) in db.execute(SQL["runs_with_prefix"], (prefix, prefix + "\U0010ffff"))]
    except UnicodeEncodeError:
        return []


def unfinished(db: sqlite3.Connection) -> list[RunId]:
    """Runs a death may have left behind. Damaged ones too: whoever claims one hears of it."""
    found = db.execute(SQL["unfinished"]).fetchall()
    return [RunId(run) for run, _ in found if _unfinished(db, RunId(run))]


def _unfinished(db: sqlite3.Connection, run: RunId) -> bool:
    try:
        return row(db, run).status in ("running", "waiting")
    except StoreDamaged:
        return True
