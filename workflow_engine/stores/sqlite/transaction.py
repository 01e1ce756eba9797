"""One transaction for many jobs: what the writer's connection does, on its thread."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from workflow_engine.errors import WorkflowError
from workflow_engine.making import quickly
from workflow_engine.stores.sqlite.connection import BUSY_SECONDS
from workflow_engine.stores.sqlite.faults import busy
from workflow_engine.stores.sqlite.rows import RunRow
from workflow_engine.stores.sqlite.writing import fence_lost


@dataclass(eq=False)
class Owned:
    """A run this process owns. `row` is its own row as of the last commit that was queued, `last` that job's number."""

    row: RunRow
    lost: bool = False
    last: int = 0


@dataclass(eq=False)
class Job:
    """One thing to be done within a transaction; `landed` looks whether it is there, given what `work` returned.

    Both run on the connection's thread.
    """

    work: Callable[[sqlite3.Connection], Any]
    landed: Callable[[sqlite3.Connection, Any], bool]
    done: asyncio.Future[Any]
    owned: Owned | None = None


@quickly
@dataclass(frozen=True)
class Outcome:
    """What became of a job."""

    result: Any = None
    error: BaseException | None = None


class InDoubt(Exception):
    """COMMIT raised `error`: the outcomes are true if the transaction is in the file."""

    def __init__(self, error: sqlite3.Error, outcomes: list[Outcome]) -> None:
        super().__init__(str(error))
        self.error = error
        self.outcomes = outcomes


def transact(jobs: Sequence[Job], db: sqlite3.Connection) -> list[Outcome]:
    """Do the jobs in one transaction. Raises InDoubt from COMMIT, and whatever else undid the transaction."""
    begin(db)
    lost: set[int] = set()
    outcomes: list[Outcome] = []
    try:
        for job in jobs:
            outcomes.append(_one(job, lost, db))
            if outcomes[-1].error is not None:
                lost.add(id(job.owned))
    except BaseException:
        _roll_back(db)
        raise
    try:
        db.execute("COMMIT")
    except sqlite3.Error as error:
        raise InDoubt(error, outcomes) from error
    return outcomes


def begin(db: sqlite3.Connection) -> None:
    """Wait for other processes' transactions to end.

    SQLite's own waiting backs off to 100 ms between two looks, so that one of several busy processes can be passed over
    for seconds. A look each millisecond costs little and gives each its share.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if not busy(error) or time.monotonic() > until:
                raise
        time.sleep(0.001)


def impatient(db: sqlite3.Connection) -> None:
    """Leave the waiting to `begin`."""
    db.execute("PRAGMA busy_timeout = 0")


def _one(job: Job, lost: set[int], db: sqlite3.Connection) -> Outcome:
    if job.owned is not None and (job.owned.lost or id(job.owned) in lost):
        return Outcome(error=fence_lost(job.owned.row.id))
    before = db.total_changes
    try:
        return Outcome(job.work(db))
    except WorkflowError as error:
        if db.total_changes != before:
            raise
        return Outcome(error=error)


def _roll_back(db: sqlite3.Connection) -> None:
    if db.in_transaction:
        with suppress(sqlite3.Error):  # what undid the transaction is being raised already
            db.execute("ROLLBACK")


def found(jobs: Sequence[Job], outcomes: Sequence[Outcome], db: sqlite3.Connection) -> bool:
    """Whether a transaction that ended in doubt is in the file; if so, it is on the disk when this returns."""
    did = [(job, outcome.result) for job, outcome in zip(jobs, outcomes, strict=True) if outcome.error is None]
    # It is there as a whole or not at all. Asking each job is needed because some change nothing that could be seen.
    if not all(job.landed(db, result) for job, result in did):
        return False
    # It may be in the kernel's cache only, since a sync failed: write it once more, into the database, and sync that.
    db.execute("PRAGMA wal_checkpoint(FULL)")
    return True
