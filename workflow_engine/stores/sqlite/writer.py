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
        self._busy = False
        self._closed = True
        self._mending: asyncio.Task[list[Outcome]] | None = None
        self._dropping: asyncio.Future[None] | None = None
        self._put = self._done = 0
        self._waiting: list[tuple[int, Callable[[], None]]] = []
        self.transactions = 0

    async def open(self, connection: Connection) -> None:
        """Begin to work through an open connection."""
        await connection.run(impatient)
        self._connection = connection
        self._closed = False

    def put(
        self,
        work: Callable[[sqlite3.Connection], Any],
        landed: Callable[[sqlite3.Connection, Any], bool],
        owned: Owned | None = None,
    ) -> asyncio.Future[Any]:
        """Queue a job, at once; the future has its result."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        if self._closed:
            _settle(done, Outcome(error=StoreError(f"{self._path} is closed", "open it again")))
            return done
        self._queue.append(Job(work, landed, done, owned))
        self._put += 1
        if owned is not None:
            owned.last = self._put
        if not self._busy:
            self._busy = True
            loop.call_soon(self._begin)  # not yet: what others put in this turn of the loop shares the transaction
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
        await self.drained()
        self._closed = True
        if self._dropping is not None:
            await self._dropping
        await self._drop()

    # No task stands between a job and its transaction: in the usual case, callbacks do with two turns of the loop less.

    def _begin(self) -> None:
        jobs = [self._queue.popleft() for _ in range(min(len(self._queue), MOST))]
        if not jobs:
            self._busy = False
            return
        if self._connection is None:
            self._mend(jobs, None)
        else:
            self.transactions += 1
            self._connection.begin(partial(transact, jobs), partial(self._ended, jobs))

    def _ended(self, jobs: Sequence[Job], outcomes: list[Outcome] | None, error: BaseException | None) -> None:
        if outcomes is not None:
            self._settled(jobs, outcomes)
        else:
            self._mend(jobs, error)

    def _mend(self, jobs: Sequence[Job], failed: BaseException | None) -> None:
        def mended(task: asyncio.Task[list[Outcome]]) -> None:
            if task.cancelled():  # who cancels every task of a loop must not leave others waiting
                # In which state its connection was left is not known: it is let go of before anything else is begun.
                left, self._connection = self._connection, None
                self._dropping = asyncio.ensure_future(_closed(left))
                self._settled(jobs, [Outcome(error=self._unknown("writing was stopped")) for _ in jobs])
            else:
                self._settled(jobs, task.result())

        self._mending = asyncio.get_running_loop().create_task(self._do(jobs, failed), name="ledger writer")
        self._mending.add_done_callback(mended)

    def _settled(self, jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
        for job, outcome in zip(jobs, outcomes, strict=True):
            if outcome.error is not None and job.owned is not None:
                job.owned.lost = True
            _settle(job.done, outcome)
        self._reach(self._done + len(jobs))
        self._begin()

    def _reach(self, number: int) -> None:
        self._done = number
        if self._waiting:
            ready = [act for wanted, act in self._waiting if wanted <= number]
            self._waiting = [each for each in self._waiting if each[0] > number]
            for act in ready:
                act()

    async def _do(self, jobs: Sequence[Job], failed: BaseException | None = None) -> list[Outcome]:
        """The outcome of each job, whatever happens; `failed` is how the transaction ended that was tried already."""
        try:
            return await self._transaction(jobs, failed)
        except Exception as error:
            if isinstance(error, StoreError) or (isinstance(error, sqlite3.Error) and busy(error)):
                # of no one job, and the next fares no better
                return [Outcome(error=self._ours(error)) for _ in jobs]
            if len(jobs) == 1:
                return await self._again(jobs, error)
        outcomes: list[Outcome] = []
        for job in jobs:
            outcomes += await self._do([job])
            if outcomes[-1].error is not None and job.owned is not None:
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

    async def _transaction(self, jobs: Sequence[Job], failed: BaseException | None = None) -> list[Outcome]:
        try:
            if failed is not None:
                raise failed
            connection = self._connection or await self._reconnect()
            self.transactions += 1
            return await connection.run(partial(transact, jobs))
        except InDoubt as doubt:
            await self._drop()
            try:
                there = await (await self._reconnect()).run(partial(found, jobs, doubt.outcomes))
            except (sqlite3.Error, StoreError) as error:
                await self._drop()
                return [
                    each if each.error else Outcome(error=self._unknown(f"the disk failed ({error})"))
                    for each in doubt.outcomes
                ]
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
        await _closed(connection)

    def _unknown(self, why: str) -> StoreError:
        return StoreError(
            f"{self._path}: {why}, and whether the last commit is in the file is not known",
            "look at the disk, then resume: a run goes on from what is there",
        )

    def _ours(self, error: Exception) -> Exception:
        return fault(error, self._path) if isinstance(error, sqlite3.Error) else error


async def _closed(connection: Connection | None) -> None:
    if connection is not None:
        with suppress(sqlite3.Error):  # it was dropped because it failed
            await connection.close()


def _settle(done: asyncio.Future[Any], outcome: Outcome) -> None:
    if done.done():
        return
    if outcome.error is None:
        done.set_result(outcome.result)
    else:
        done.set_exception(outcome.error)
        done.exception()  # whoever does not await it hears of it at the next commit: no log line as well
