"""Pruning: runs removed for good, a few in each transaction, so that whoever writes meanwhile waits a moment only.

A run goes as a whole, in one transaction, under its lock: no death leaves half of it, and nobody drives it meanwhile.
What it lent to forks is handed over to them first. Its rows are overwritten on the disk, not only forgotten.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from workflow_engine.errors import StoreDamaged, UsageError
from workflow_engine.ports.keeping import ENDED, Gone, Pruned, Retention
from workflow_engine.record.ids import RunId
from workflow_engine.stores.sqlite.keeping import graphs
from workflow_engine.stores.sqlite.keeping.connecting import Stop, size, writing
from workflow_engine.stores.sqlite.keeping.contents import clear
from workflow_engine.stores.sqlite.keeping.examining import Tally, harms
from workflow_engine.stores.sqlite.keeping.lending import hand_over
from workflow_engine.stores.sqlite.keeping.nesting import runs_within
from workflow_engine.stores.sqlite.keeping.room import give_back
from workflow_engine.stores.sqlite.keeping.statements import SQL
from workflow_engine.stores.sqlite.owners import Owners
from workflow_engine.stores.sqlite.rows import RunRow, micros, run_row
from workflow_engine.stores.sqlite.transaction import begin, impatient

ROWS, RUNS = 5000, 100
"""A transaction ends with the run that brings it to so many rows, or so many runs."""
PAUSE = 0.002
"""Seconds between two transactions, in which others find the store free: they look every millisecond."""
STATUSES = ENDED | {"failed", "damaged"}


@dataclass
class _Done:
    runs: list[Gone] = field(default_factory=list)
    owned: list[RunId] = field(default_factory=list)
    hurt: list[RunId] = field(default_factory=list)


@dataclass(frozen=True)
class _Due:
    key: int
    gone: Gone
    rows: int
    within: tuple[tuple[int, Gone], ...] = ()


def prune(path: Path, retention: Retention, now: datetime, stop: Stop, *, dry: bool) -> Pruned:
    """Remove what the retention lets go. Raises UsageError, StoreError."""
    _sensible(retention)
    done = _Done()
    with writing(path, stop) as (db, owners):
        before = size(path)
        db.execute("PRAGMA secure_delete = ON")
        impatient(db)
        due = _due(db, retention, now, done)
        if dry:
            going = [each for each in due if not _owned(each, owners, done)]
            done.runs += [gone for each in going for gone in (each.gone, *(gone for _, gone in each.within))]
            return Pruned(tuple(done.runs), tuple(done.owned), tuple(done.hurt), before, before)
        for batch in _batches(due):
            if stop:
                break
            _remove(db, owners, batch, retention, done)
            time.sleep(PAUSE)
        begin(db)
        db.execute(SQL["drop_documents"])
        if retention.older_than is not None and retention.workflow is None:  # its id is known for as long as its runs
            db.execute(SQL["forget_publications"], (micros(now - retention.older_than),))
        db.execute(SQL["drop_results"], (micros(now),))
        db.execute("COMMIT")
        freed = clear(db, path, now, stop)
        spare, notes = give_back(db, owners, stop)
    return Pruned(
        tuple(done.runs), tuple(done.owned), tuple(done.hurt), before, size(path), spare, notes + _cleared(freed)
    )


def _cleared(freed: int) -> tuple[str, ...]:
    return (f"{freed / 2**20:.1f} MB of files that nothing names were cleared away",) if freed else ()


def _sensible(retention: Retention) -> None:
    unknown = sorted(retention.statuses - STATUSES)
    if unknown:
        raise UsageError(
            f"runs that are {unknown[0]} are not pruned: they can still go on", f"choose from {', '.join(STATUSES)}"
        )
    if retention.older_than is None and retention.keep is None and retention.statuses != {"damaged"}:
        raise UsageError(
            "nothing says which runs may go", "say how old (--older-than 30d), how many stay (--keep 1000)"
        )
    if "damaged" in retention.statuses and retention.statuses != {"damaged"}:
        raise UsageError("damaged runs are pruned alone: their age and end cannot be told", "--status damaged")


def _due(db: sqlite3.Connection, retention: Retention, now: datetime, done: _Done) -> Iterator[_Due]:
    """What may go, newest first."""
    if retention.statuses == {"damaged"}:
        yield from _damaged(db)
        return
    kept = 0
    last = 2**62
    while page := db.execute(SQL["candidates"], (last,)).fetchall():
        for key, name, workflow, status, _ in page:
            last = key
            if status not in retention.statuses or retention.workflow not in (None, workflow):
                continue
            try:
                row = _ended(db, key, retention)
                updated = None if row is None else datetime.fromisoformat(row.updated)
            except (StoreDamaged, ValueError):
                done.hurt.append(RunId(name))
                continue
            if row is None or updated is None or row.within is not None:  # one within another goes with that
                continue
            kept += 1
            if retention.keep is not None and kept <= retention.keep:
                continue
            if retention.older_than is not None and updated > now - retention.older_than:
                continue
            gone = Gone(row.id, row.workflow, row.status, updated)
            within, more = _within(db, row.id)
            yield _Due(key, gone, row.seq + sum(row.fields.values()) + more, within)


def _within(db: sqlite3.Connection, run: RunId) -> tuple[tuple[tuple[int, Gone], ...], int]:
    """The runs that go with one, however they stand, and how many rows they have about."""
    found: list[tuple[int, Gone]] = []
    rows = 0
    for key, name in runs_within(db, run):
        try:
            row = run_row(db.execute(SQL["run_by_key"], (key,)).fetchone())
            found.append((key, Gone(name, row.workflow, row.status, datetime.fromisoformat(row.updated))))
            rows += row.seq + sum(row.fields.values())
        except (StoreDamaged, ValueError):
            found.append((key, Gone(name, "", "damaged", None)))
    return tuple(found), rows


def _ended(db: sqlite3.Connection, key: int, retention: Retention) -> RunRow | None:
    """The run's row, if it is over for good. Raises StoreDamaged."""
    found = db.execute(SQL["run_by_key"], (key,)).fetchone()
    if found is None:
        return None
    row = run_row(found)
    return row if row.status in retention.statuses and row.run.ended else None


def _damaged(db: sqlite3.Connection) -> Iterator[_Due]:
    last = 0
    while page := db.execute(SQL["keys"], (last,)).fetchall():
        for (last,) in page:
            name = db.execute(SQL["name_of_run"], (last,)).fetchone()[0]
            if any(True for _ in harms(db, last, name, Tally())):
                yield _Due(last, Gone(RunId(str(name)), "", "damaged", None), ROWS)
    for table in ("journal", "versions", "questions", "letters", "logs", "files", "notices"):
        for key, _ in db.execute(SQL[f"orphans_in_{table}"]).fetchall():
            yield _Due(key, Gone(RunId(f"number {key}"), "", "damaged", None), ROWS)


def _batches(due: Iterator[_Due]) -> Iterator[list[_Due]]:
    batch: list[_Due] = []
    for each in due:
        batch.append(each)
        if len(batch) >= RUNS or sum(one.rows for one in batch) >= ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _owned(each: _Due, owners: Owners, done: _Done) -> bool:
    taken = owners.taken(each.gone.run)
    if taken:
        done.owned.append(each.gone.run)
    return taken


def _remove(db: sqlite3.Connection, owners: Owners, batch: list[_Due], retention: Retention, done: _Done) -> None:
    mine = [each for each in batch if owners.take(each.gone.run)]
    done.owned += [each.gone.run for each in batch if each not in mine]
    removed: list[Gone] = []
    hurt: list[RunId] = []
    try:
        begin(db)
        try:
            for each in mine:
                if each.gone.status != "damaged" and _ended(db, each.key, retention) is None:
                    continue  # what was read before the lock was taken does not hold any more
                try:
                    for key, _ in each.within:
                        hand_over(db, key)
                    _drop(db, each.key)
                    for key, _ in each.within:
                        _drop(db, key)
                    removed += [each.gone, *(gone for _, gone in each.within)]
                except StoreDamaged:
                    hurt.append(each.gone.run)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    finally:
        for each in mine:
            owners.drop(each.gone.run)
    done.runs += removed
    done.hurt += hurt


def _drop(db: sqlite3.Connection, key: int) -> None:
    """Raises StoreDamaged before anything is removed, where a fork shares what cannot be read any more."""
    hand_over(db, key)
    found = db.execute(SQL["name_of_run"], (key,)).fetchone()
    if found is not None:
        graphs.drop(db, found[0])
    for table in ("journal", "versions", "questions", "letters", "logs", "files", "notices"):
        db.execute(SQL[f"drop_{table}"], (key,))
    db.execute(SQL["drop_loans"], {"run": key})
    db.execute(SQL["drop_run"], (key,))
