"""The one writer of a process: a queue of jobs, and transactions that take all that waits.

Whatever is queued while a transaction is on its way to the disk shares the next one: a hundred runs that want to be
durable at one moment wait for one fsync. Sharing must not show, so three things hold:

- A job fails alone. Errors of ours are raised before a job writes; anything else undoes the whole transaction, and its
  jobs are done again one by one.
- After a failure, later jobs under the same fence fail too: what they build on is not there.
- An error in COMMIT leaves open whether the transaction happened. Then the connection is dropped (what it believes
  about the file may be wrong), a new one looks whether it is there, and only then is anything said or done again.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from workflow_engine.errors import StoreError
from workflow_engine.stores.sqlite.connection import Connection
from workflow_engine.stores.sqlite.faults import busy, fault, leaves_doubt
from workflow_engine.stores.sqlite.transaction import InDoubt, Job, Outcome, Owned, found, impatient, transact

MOST = 1000


class Writer:
    """Does jobs in the order they were put."""

    def __init__(self, path: Path, connect: Callable[[], Connection]) -> None:
        self._path = path
        self._connect = connect
        self._connection: Connection | None = None
        self._queue: deque[Job] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._put = self._done = 0
        self._waiting: list[tuple[int, Callable[[], None]]] = []
        self.transactions = 0

    async def open(self, connection: Connection) -> None:
        """Begin to work through an open connection."""
        await connection.run(impatient)
        self._connection = connection
        self._task = asyncio.get_running_loop().create_task(self._serve(), name="ledger writer")

    def put(
        self,
        work: Callable[[sqlite3.Connection], Any],
        landed: Callable[[sqlite3.Connection, Any], bool],
        owned: Owned | None = None,
    ) -> asyncio.Future[Any]:
        """Queue a job, at once; the future has its result."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            _settle(done, Outcome(error=self._closed()))
            return done
        self._queue.append(Job(work, landed, done, owned))
        self._put += 1
        if owned is not None:
            owned.last = self._put
        self._wake.set()
        return done

    def after(self, number: int, act: Callable[[], None]) -> None:
        """Act once the job of this number is done, whoever waits for it or does not any more."""
        if number <= self._done:
            act()
        else:
            self._waiting.append((number, act))

    async def drained(self) -> None:
        """Wait until everything that was put is done."""
        done = asyncio.get_running_loop().create_future()
        self.after(self._put, partial(_settle, done, Outcome()))
        await done

    async def close(self) -> None:
        """Finish what is queued and let go of the connection."""
        if self._task is not None:
            await self.drained()
            task, self._task = self._task, None
            task.cancel()
            await asyncio.wait([task])
        await self._drop()

    async def _serve(self) -> None:
        jobs: list[Job] = []
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    jobs = [self._queue.popleft() for _ in range(min(len(self._queue), MOST))]
                    for job, outcome in zip(jobs, await self._do(jobs), strict=True):
                        _settle(job.done, outcome)
                    self._reach(self._done + len(jobs))
        finally:
            # Nothing is left when `close` ends it; but who cancels every task of a loop must not leave others waiting.
            for job in (*jobs, *self._queue):
                _settle(job.done, Outcome(error=self._closed()))
            self._queue.clear()
            self._reach(self._put)

    def _closed(self) -> StoreError:
        return StoreError(f"{self._path} is closed", "open it again")

    def _reach(self, number: int) -> None:
        self._done = number
        if self._waiting:
            ready = [act for wanted, act in self._waiting if wanted <= number]
            self._waiting = [each for each in self._waiting if each[0] > number]
            for act in ready:
                act()

    async def _do(self, jobs: Sequence[Job]) -> list[Outcome]:
        """The outcome of each job, whatever happens."""
        try:
            outcomes = await self._transaction(jobs)
        except Exception as error:
            if isinstance(error, StoreError) or (isinstance(error, sqlite3.Error) and busy(error)):
                outcomes = [
                    Outcome(error=self._ours(error)) for _ in jobs
                ]  # of no one job, and the next fares no better
            elif len(jobs) > 1:
                outcomes = [outcome for job in jobs for outcome in await self._do([job])]
            else:
                outcomes = await self._again(jobs, error)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if outcome.error is not None and job.owned is not None:
                job.owned.lost = True
        return outcomes

    async def _again(self, jobs: Sequence[Job], error: Exception) -> list[Outcome]:
        """One more try for a job that is alone and whose connection was dropped: it may do better on a new one."""
        if isinstance(error, sqlite3.Error) and leaves_doubt(error):
            try:
                return await self._transaction(jobs)
            except Exception as last:
                error = last
        return [Outcome(error=self._ours(error))]

    async def _transaction(self, jobs: Sequence[Job]) -> list[Outcome]:
        try:
            connection = self._connection or await self._reconnect()
            self.transactions += 1
            return await connection.run(partial(transact, jobs))
        except InDoubt as doubt:
            await self._drop()
            try:
                there = await (await self._reconnect()).run(partial(found, jobs, doubt.outcomes))
            except (sqlite3.Error, StoreError) as error:
                await self._drop()
                return [each if each.error else Outcome(error=self._unknown(error)) for each in doubt.outcomes]
            if there:
                return doubt.outcomes
            raise doubt.error from doubt
        except sqlite3.Error as error:
            if leaves_doubt(error):
                await self._drop()
            raise

    async def _reconnect(self) -> Connection:
        connection = self._connect()
        try:
            await connection.open()
            await connection.run(impatient)
        except sqlite3.Error as error:
            raise fault(error, self._path) from error
        self._connection = connection
        return connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):  # it was dropped because it failed
                await connection.close()

    def _unknown(self, error: Exception) -> StoreError:
        return StoreError(
            f"{self._path}: the disk failed ({error}), and whether the last commit is in the file is not known",
            "look at the disk, then resume: a run goes on from what is there",
        )

    def _ours(self, error: Exception) -> Exception:
        return fault(error, self._path) if isinstance(error, sqlite3.Error) else error


def _settle(done: asyncio.Future[Any], outcome: Outcome) -> None:
    if done.done():
        return
    if outcome.error is None:
        done.set_result(outcome.result)
    else:
        done.set_exception(outcome.error)
        done.exception()  # whoever does not await it hears of it at the next commit: no log line as well
