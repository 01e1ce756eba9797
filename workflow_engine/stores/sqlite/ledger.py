"""The ledger on SQLite: the port's acts, each handed to the writer, the reader or the locks."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from workflow_engine.errors import RunOwned, StoreError
from workflow_engine.ports.codec import Codec
from workflow_engine.ports.ledger import Batch, Fence, Listed, Page, Recorded, Snapshot, Whole
from workflow_engine.ports.queue import Queued
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.record.inbox import Letter, Standing
from workflow_engine.record.logs import LoggedPart, LogPage
from workflow_engine.record.people import Person
from workflow_engine.record.publication import Publication
from workflow_engine.record.values import Value, Write
from workflow_engine.spec.file import know
from workflow_engine.stores.folder import FolderFiles, Sealing, files_of
from workflow_engine.stores.sqlite import inbox, listing, logs, looking, people, reading, topics, writing
from workflow_engine.stores.sqlite.connection import Connection, Synchronous
from workflow_engine.stores.sqlite.encrypted import Cipher, admit
from workflow_engine.stores.sqlite.faults import fault, unreadable
from workflow_engine.stores.sqlite.foreign import SqliteCheckpoints
from workflow_engine.stores.sqlite.notices import SqliteNotices
from workflow_engine.stores.sqlite.opening import prepare
from workflow_engine.stores.sqlite.owners import Owners
from workflow_engine.stores.sqlite.reader import Reader
from workflow_engine.stores.sqlite.results import SqliteResults
from workflow_engine.stores.sqlite.rows import RunRow
from workflow_engine.stores.sqlite.schedules import SqliteSchedules
from workflow_engine.stores.sqlite.transaction import Owned
from workflow_engine.stores.sqlite.writer import Writer
from workflow_engine.stores.sqlite.writing import fence_lost

T = TypeVar("T")


async def open_ledger(
    path: Path | str,
    *,
    create: bool = True,
    synchronous: Synchronous = "full",
    factory: type[sqlite3.Connection] = sqlite3.Connection,
    codec: Codec | None = None,
) -> SqliteLedger:
    """The store at a path; with `create`, a missing one is made. Raises StoreError, StoreTooNew, StoreDamaged.

    `synchronous="normal"` is the weaker level: it survives `kill -9` but may lose the last commits with the power.
    `factory` is the connection class, for tests that plant faults below the store. With a `codec`, a new store is
    encrypted; without it, an encrypted one is refused.
    """
    # Resolved, so that a later chdir does not lead elsewhere and two names of one file share its locks.
    try:
        where = Path(path).resolve()
    except (OSError, RuntimeError) as error:
        raise StoreError(f"{path} cannot be followed: {error}", "name another file with --store") from error
    owners = prepare(where, create=create)
    cipher = None if codec is None else Cipher(codec)
    factory = factory if cipher is None else cipher.connections(factory)
    connect = partial(Connection, where, synchronous=synchronous, factory=factory)
    writing_line, reading_line = connect(), connect()
    try:
        while not owners.enter():  # noqa: ASYNC110 (another opens it too: a process, or a task of this very loop)
            await asyncio.sleep(0.002)
        try:
            await writing_line.open()
            await writing_line.run(partial(admit, path=where, create=create, cipher=cipher))
        finally:
            owners.leave()
        await reading_line.open()
    except BaseException as error:
        await writing_line.close()
        await reading_line.close()
        owners.close()
        if isinstance(error, sqlite3.Error):
            raise fault(error, where) from error
        if isinstance(error, UnicodeDecodeError):
            raise fault(unreadable(error), where) from error
        raise
    writer = Writer(where, connect)
    await writer.open(writing_line)
    sealing = None if cipher is None else Sealing(cipher.codec, cipher.place)
    files = FolderFiles(files_of(where), sealing)
    return SqliteLedger(where, owners, writer, Reader(where, connect, reading_line), files)


class SqliteLedger:
    """Implements ports.ledger.Ledger. Made by `open_ledger`; belongs to the event loop it was opened in."""

    def __init__(self, path: Path, owners: Owners, writer: Writer, reader: Reader, files: FolderFiles) -> None:
        self.path = path
        self._owners = owners
        self._writer = writer
        self._reader = reader
        self._mine: dict[RunId, Owned] = {}
        self._locked: set[RunId] = set()
        self.checkpoints = SqliteCheckpoints(writer, reader)
        self.schedules = SqliteSchedules(writer, reader)
        self.notices = SqliteNotices(writer, reader)
        self.files = files
        know(str(path), files, keep=not files.encrypted)
        self.results = SqliteResults(writer, reader)

    @property
    def transactions(self) -> int:
        """How many transactions were begun: with many runs at once, far fewer than commits."""
        return self._writer.transactions

    # What owners do

    def checkpoints_of(self, fence: Fence) -> SqliteCheckpoints:
        owned = self._mine.get(fence.run)
        if owned is None or owned.row.epoch != fence.epoch:
            raise fence_lost(fence.run)
        return SqliteCheckpoints(self._writer, self._reader, (owned.row.key, fence.epoch))

    async def create(self, batch: Batch) -> Fence:
        run, shared = batch.run.id, batch.shared
        # Found on the reader's connection, and looked for once more where the fork is written.
        lent = [] if shared is None else await self._reader.read(partial(reading.lent, shared=shared))
        packed = writing.pack(batch, 1, None, lent)
        self._lock(run)
        key = await self._owning(run, partial(writing.create, packed=packed), partial(writing.created, packed=packed))
        return self._own(replace(packed.row, key=key))

    async def claim(self, run: RunId) -> tuple[Fence, Snapshot]:
        self._lock(run)
        row, snapshot = await self._owning(run, partial(writing.claim, run=run), writing.claimed)
        return self._own(row), snapshot

    def commit(self, fence: Fence, batch: Batch) -> Awaitable[None]:
        owned = self._mine.get(fence.run)
        if owned is None or owned.row.epoch != fence.epoch or batch.run.id != fence.run:
            return self._refused(fence_lost(fence.run))
        try:
            packed = writing.pack(batch, fence.epoch, owned.row)
        except StoreError as error:
            # Queued like any other, so that commits before it are done and those after it fail.
            return self._writer.put(partial(_fail, error), _never, owned)
        owned.row = packed.row
        return self._writer.put(
            partial(writing.advance, packed=packed), partial(writing.advanced, packed=packed), owned
        )

    def log(self, fence: Fence, page: LogPage) -> None:
        owned = self._mine.get(fence.run)
        if owned is None or owned.row.epoch != fence.epoch or not page.parts:
            return
        key = owned.row.key
        rows = logs.rows_of(fence.run, key, page.parts)
        # Not put under the run's name: a page that fails is no reason to refuse the commits that follow.
        self._writer.put(partial(logs.write, fence=fence, key=key, rows=rows, page=page), logs.written)

    async def release(self, fence: Fence) -> None:
        owned = self._mine.get(fence.run)
        if owned is None or owned.row.epoch != fence.epoch:
            return
        del self._mine[fence.run]
        released = asyncio.get_running_loop().create_future()

        def let_go() -> None:
            self._unlock(fence.run)
            if not released.done():
                released.set_result(None)

        # The lock outlives a caller who stops waiting, until what it queued is on disk.
        self._writer.after(owned.last, let_go)
        await released

    def _lock(self, run: RunId) -> None:
        if run in self._locked:
            raise RunOwned(f"run {run} is being driven by this process", "wait until it ends or rests")
        if not self._owners.take(run):
            raise RunOwned(f"run {run} is being driven by another process", "wait until it rests, or end that process")
        self._locked.add(run)

    def _unlock(self, run: RunId) -> None:
        if run in self._locked:
            self._locked.discard(run)
            self._owners.drop(run)

    async def _owning(
        self, run: RunId, work: Callable[[sqlite3.Connection], T], landed: Callable[[sqlite3.Connection, Any], bool]
    ) -> T:
        """Do what makes this process the owner of a locked run; unlock if it fails or nobody waits for it any more."""
        job = self._writer.put(work, landed)
        try:
            result: T = await asyncio.shield(job)
        except BaseException:
            if job.done():
                self._unlock(run)
            else:
                job.add_done_callback(lambda _: self._unlock(run))
            raise
        return result

    def _own(self, row: RunRow) -> Fence:
        self._mine[row.id] = Owned(row)
        return Fence(row.id, row.epoch)

    def _refused(self, error: Exception) -> Awaitable[None]:
        refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        refused.set_exception(error)
        refused.exception()  # a caller who does not await it is told at the next commit: no log line as well
        return refused

    # What anybody does

    async def owned(self, run: RunId) -> bool:
        return run in self._locked or self._owners.taken(run)

    async def read(self, run: RunId) -> Snapshot:
        return await self._reader.read(partial(reading.snapshot, run=run))

    async def whole(self, run: RunId) -> Whole:
        return await self._reader.read(partial(looking.whole, run=run))

    async def at(self, run: RunId, seq: int) -> Mapping[str, Value]:
        return await self._reader.read(partial(reading.state_at, run=run, seq=seq))

    async def written(self, run: RunId, after: int, until: int) -> Sequence[tuple[int, Write]]:
        return await self._reader.read(partial(reading.written, run=run, after=after, until=until))

    async def journal(self, run: RunId, after: int = 0) -> Sequence[Recorded]:
        return await self._reader.read(partial(reading.journal, run=run, after=after))

    async def logs(self, run: RunId, after: int = 0, most: int = 64) -> Sequence[LoggedPart]:
        return await self._reader.read(partial(logs.read, run=run, after=after, most=most))

    async def document(self, run: RunId) -> Mapping[str, Any]:
        return await self._reader.read(partial(reading.document, run=run))

    async def runs(self, page: Page) -> Sequence[Listed]:
        return await self._reader.read(partial(listing.runs, page=page))

    async def find(self, prefix: str) -> Sequence[RunId]:
        return await self._reader.read(partial(listing.find, prefix=prefix))

    async def unfinished(self) -> Sequence[RunId]:
        return await self._reader.read(listing.unfinished)

    async def due(self, now: datetime) -> Sequence[RunId]:
        return await self._reader.read(partial(listing.due, now=now))

    async def next_due(self, after: datetime) -> datetime | None:
        return await self._reader.read(partial(listing.next_due, after=after))

    async def listening(self, topic: str) -> Sequence[RunId]:
        return await self._reader.read(partial(listing.listening, topic=topic))

    async def publish(self, publication: Publication) -> tuple[Publication, bool]:
        kept: tuple[Publication, bool] = await asyncio.shield(
            self._writer.put(partial(topics.publish, publication=publication), topics.published)
        )
        return kept

    async def undelivered(self) -> Sequence[Publication]:
        return await self._reader.read(topics.undelivered)

    async def delivered(self, publication: Publication) -> None:
        done = partial(topics.noted, publication=publication)
        await asyncio.shield(self._writer.put(partial(topics.delivered, publication=publication), done))

    async def queued(self, workflows: Collection[str], limit: int, after: int = 0) -> Sequence[Queued]:
        return await self._reader.read(partial(listing.queued, workflows=workflows, limit=limit, after=after))

    async def queues(self) -> Sequence[str]:
        return await self._reader.read(listing.queues)

    async def questions(self, run: RunId | None = None) -> Sequence[Standing]:
        return await self._reader.read(partial(inbox.questions, run=run))

    async def question(self, question: QuestionId) -> Standing:
        return await self._reader.read(partial(inbox.question, question=question))

    async def send(self, letter: Letter) -> bool:
        job = self._writer.put(partial(writing.send, letter=letter), partial(writing.sent, letter=letter))
        return bool(await asyncio.shield(job))

    async def letters(self, run: RunId) -> Sequence[Letter]:
        return await self._reader.read(partial(inbox.letters, run=run))

    async def boxes(self) -> Sequence[RunId]:
        return await self._reader.read(inbox.boxes)

    async def people(self) -> Sequence[Person]:
        return await self._reader.read(people.everybody)

    async def enrol(self, person: Person) -> None:
        await asyncio.shield(self._writer.put(partial(people.enrol, person=person), people.enrolled))

    async def dismiss(self, name: str) -> bool:
        gone = await asyncio.shield(self._writer.put(partial(people.dismiss, name=name), people.enrolled))
        return bool(gone)

    async def changed(self, since: int) -> int:  # noqa: ARG002 (the number alone tells)
        return await self._reader.changes()

    async def stirred(self, since: int) -> tuple[int, Sequence[RunId]]:
        return await self._reader.read(partial(listing.stirred, since=since))

    async def close(self) -> None:
        self.checkpoints.let_go()
        await self._writer.close()
        await self._reader.close()
        self._mine.clear()
        self._locked.clear()
        self._owners.close()


def _fail(error: Exception, _db: sqlite3.Connection) -> None:
    raise error


def _never(_db: sqlite3.Connection, _result: Any) -> bool:
    return False


__all__ = ["SqliteLedger", "open_ledger"]
