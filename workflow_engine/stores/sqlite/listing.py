"""Lists of runs: functions of a raw connection. One damaged run keeps nobody from seeing the others.

A list has no count to be checked against, so a run that a damaged page has lost could go unnoticed. The list of all
runs is therefore compared with an index beside the table, and what only the index knows is listed as damaged. A list
that is narrowed by a workflow, a status or a search, `find`, `unfinished` and `queued` rest on the table or one index
alone, and may miss what it has lost: that is seen in the list of all runs, by the run's whole id, and by `workflow
store check`.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import get_args

from workflow_engine.errors import RunNotFound, StoreDamaged
from workflow_engine.ports.ledger import Listed, Page, found_in, lowered
from workflow_engine.ports.queue import Queued
from workflow_engine.record.ids import WITHIN, RunId
from workflow_engine.record.run import Status
from workflow_engine.stores.sqlite.faults import code_of
from workflow_engine.stores.sqlite.queries import SQL
from workflow_engine.stores.sqlite.reading import one, row
from workflow_engine.stores.sqlite.rows import Row, micros, moment_of, run_row

_LETTERS = 40
"""Bits that the place of a letter takes in a number."""
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
    if page.search:
        query = "page_of_runs_found"
    elif status is not None:
        query = "page_of_runs_with_status"
    elif page.workflow is not None and page.status is None:
        query = "page_of_runs_of_workflow"
    values = {"before": before, "status": status, "workflow": page.workflow, "children": page.children}
    values["search"] = lowered(page.search)
    try:
        if query == "page_of_runs":
            return _complete(db, page, before, db.execute(SQL[query], values))
        return _fitting(page, map(_listed, db.execute(SQL[query], values)))
    except sqlite3.DatabaseError as error:
        if code_of(error) != sqlite3.SQLITE_CORRUPT:
            raise
    # A page of the table is unreadable. The ids stand in an index of their own, and lead to the rows that are left.
    return _fitting(page, (_listed_alone(db, key, name) for key, name in db.execute(SQL["ids"], (before,))))


def _complete(db: sqlite3.Connection, page: Page, before: int, rows: Iterable[Row]) -> list[Listed]:
    """A page of the table, and in it what is missing there but stands in an index."""
    seen: dict[int, Listed] = {}

    def each() -> Iterator[Listed]:
        for found in rows:
            seen[found[0]] = _listed(found)
            yield seen[found[0]]

    fitting = _fitting(page, each())
    until = min(seen) if len(fitting) == page.limit and seen else -(2**62)
    known = {
        key for status in get_args(Status) for (key,) in db.execute(SQL["keys_with_status"], (status, until, before))
    }
    if not page.children and known > seen.keys():
        known -= {key for (key,) in db.execute(SQL["keys_within"], (until, before))}
    if known <= seen.keys():
        return fitting
    names = dict(db.execute(SQL["ids"], (before,)).fetchall())
    seen |= {key: _lost(names.get(key, f"of key {key}"), "", False) for key in known - seen.keys()}
    return _fitting(page, (seen[key] for key in sorted(seen, reverse=True)))


def _fitting(page: Page, each: Iterable[Listed]) -> list[Listed]:
    fits = (
        run
        for run in each
        if page.status in (None, run.status)
        and page.workflow in (None, run.workflow)
        and run.run.startswith(page.prefix)
        and found_in(page.search, run.run, run.workflow)
        and (page.children or run.within is None)
    )
    return list(islice(fits, page.limit))


def _listed(found: Row) -> Listed:
    letters = bool(found[15])
    try:
        kept = run_row(found)
        if found[16] == kept.seq:
            return kept.listed(letters)
    except StoreDamaged:
        pass
    return _lost(str(found[1]), str(found[2]), letters)


def _listed_alone(db: sqlite3.Connection, key: int, name: str) -> Listed:
    letters = db.execute(SQL["has_letters"], (key,)).fetchone() is not None
    try:
        last = db.execute(SQL["last_event"], (key,)).fetchone()[0]
        return _listed((*db.execute(SQL["run_by_key"], (key,)).fetchone(), letters, last))
    except (sqlite3.DatabaseError, TypeError):
        return _lost(name, "", letters)


def _lost(name: str, workflow: str, letters: bool) -> Listed:
    return Listed(RunId(name), workflow, "damaged", None, _UNKNOWN, _UNKNOWN, 0, letters)


def find(db: sqlite3.Connection, prefix: str) -> list[RunId]:
    """Up to three runs by prefix, or the last one. One that lies within another is meant only where no other fits."""
    if prefix == "@last":
        return _last(db)
    ends = (prefix, prefix + "\U0010ffff")
    try:
        found = [RunId(each) for (each,) in db.execute(SQL["runs_with_prefix"], ends)]
        if len(found) > 1 and prefix not in found and any(WITHIN in each for each in found):
            return [RunId(each) for (each,) in db.execute(SQL["roots_with_prefix"], ends)] or found
    except UnicodeEncodeError:
        return []
    return found


def _last(db: sqlite3.Connection) -> list[RunId]:
    """The run created last. Raises StoreDamaged rather than name another one."""
    found = db.execute(SQL["last_run"]).fetchone()
    within: set[int] = set()
    if found is not None and run_row(found).within is not None:
        found = db.execute(SQL["last_root"]).fetchone()
        within = {key for (key,) in db.execute(SQL["keys_within"], (0, 2**62))}
    kept = None if found is None else run_row(found)
    after = 0 if kept is None else kept.key + 1
    for status in get_args(Status):
        if any(key not in within for (key,) in db.execute(SQL["keys_with_status"], (status, after, 2**62))):
            raise StoreDamaged(
                "the run created last is damaged: its own row is missing", "name another run: workflow runs"
            )
    return [] if kept is None else [kept.id]


def unfinished(db: sqlite3.Connection) -> list[RunId]:
    """Runs a death may have left behind. Damaged ones too: whoever claims one hears of it."""
    found = db.execute(SQL["unfinished"]).fetchall()
    return [RunId(run) for run, _ in found if _unfinished(db, RunId(run))]


def due(db: sqlite3.Connection, now: datetime) -> list[RunId]:
    """Runs of which a question or a wait is over by now, the longest overdue first."""
    return [RunId(run) for (run,) in db.execute(SQL["due"], (micros(now),))]


def next_due(db: sqlite3.Connection, after: datetime) -> datetime | None:
    """When the next of all questions and waits is over."""
    found = db.execute(SQL["next_due"], (micros(after),)).fetchone()[0]
    return None if found is None else moment_of(found)


def listening(db: sqlite3.Connection, topic: str) -> list[RunId]:
    """Runs that listen to a topic right now, oldest first."""
    keys = db.execute(SQL["listening"], (f"\n{topic}\n",)).fetchall()
    found = (db.execute(SQL["name_of_key"], key).fetchone() for key in keys)
    return [RunId(each[0]) for each in found if each is not None]


def stirred(db: sqlite3.Connection, since: int) -> tuple[int, list[RunId]]:
    """The runs of facts and letters above a number, which is both their places in one."""
    facts, letters = db.execute(SQL["last_places"]).fetchone()
    now = (facts << _LETTERS) + letters
    if since < 0 or since == now:
        return now, []
    places = (since >> _LETTERS, since & ((1 << _LETTERS) - 1))
    return now, [RunId(run) for (run,) in db.execute(SQL["stirred"], places)]


def _unfinished(db: sqlite3.Connection, run: RunId) -> bool:
    try:
        return row(db, run).status in ("running", "waiting")
    except StoreDamaged:
        return True


def queued(db: sqlite3.Connection, workflows: Collection[str], limit: int, after: int) -> list[Queued]:
    """Runs left to a worker. What is found is not read: whoever claims a damaged one hears of it."""
    lists = (
        db.execute(SQL["queued"], {"workflow": each, "after": after, "limit": limit}).fetchall()
        for each in dict.fromkeys(workflows)
    )
    merged = heapq.merge(*lists, key=lambda found: found[2])
    return [Queued(RunId(run), *rest) for run, *rest in islice(merged, limit)]


def queues(db: sqlite3.Connection) -> list[str]:
    """The workflows that have runs in the queue."""
    names: list[str] = []
    while (name := db.execute(SQL["queue_after"], (names[-1] if names else "",)).fetchone()[0]) is not None:
        names.append(name)
    return names
