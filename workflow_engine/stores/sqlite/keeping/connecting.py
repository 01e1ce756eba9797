"""Connections for house-keeping: one that can only look, and one that writes, beside whoever uses the store."""

from __future__ import annotations

import operator
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from pathlib import Path
from urllib.parse import quote

from workflow_engine.errors import StoreError, StoreTooNew
from workflow_engine.stores.sqlite.connection import BUSY_SECONDS
from workflow_engine.stores.sqlite.encrypted import Cipher, admit, unlock
from workflow_engine.stores.sqlite.faults import SENSELESS, code_of, fault, senseless
from workflow_engine.stores.sqlite.opening import APPLICATION, newest, prepare
from workflow_engine.stores.sqlite.owners import Owners

STEPS = 2000
"""Instructions of SQLite's machine between two looks whether to go on."""

CIPHER: ContextVar[Cipher | None] = ContextVar("CIPHER", default=None)
"""What decrypts the store of the act under way, and the copies it makes of it; None for a plain store."""


LOGS = 2
TOPICS = 2
"""The first schema that keeps what attempts said."""
NESTED = 2
"""The first schema in which runs lie within others."""
FILES = 2
"""The first schema that keeps files."""


class Stop:
    """Set by who no longer waits: the statement under way is broken off, and nothing of it stays."""

    def __init__(self) -> None:
        self._set = threading.Event()

    def set(self) -> None:
        self._set.set()

    def __bool__(self) -> bool:
        return self._set.is_set()


def connect(path: Path, mode: str, stop: Stop) -> sqlite3.Connection:
    """A raw connection with the store's own settings. Raises sqlite3.Error."""
    cipher = CIPHER.get()
    db = sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        factory=sqlite3.Connection if cipher is None else cipher.connections(sqlite3.Connection),
    )
    try:
        db.text_factory = operator.methodcaller("decode", "utf-8", "replace")
        db.set_progress_handler(lambda: int(bool(stop)), STEPS)
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("PRAGMA cell_size_check = ON")
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def looking(path: Path, stop: Stop) -> Iterator[sqlite3.Connection]:
    """A connection that can write nothing. It needs no store that can be opened: damage is what it looks for."""
    _there(path)
    try:
        with closing(connect(path, _looking_mode(path), stop)) as db:
            _unlock(db, path)
            yield db
    except sqlite3.Error as error:
        raise fault(error, path) from error
    except SENSELESS as error:
        raise senseless(error, path) from error


@contextmanager
def writing(path: Path, stop: Stop, *, create: bool = False) -> Iterator[tuple[sqlite3.Connection, Owners]]:
    """A connection to a store of today's schema, and its locks."""
    owners = prepare(path, create=create)
    try:
        with door(owners, stop):
            db = connect(path, "rw", stop)
            try:
                admit(db, path, CIPHER.get(), create=create)
            except BaseException:
                db.close()
                raise
        with closing(db):
            yield db, owners
    except sqlite3.Error as error:
        raise fault(error, path) from error
    except SENSELESS as error:
        raise senseless(error, path) from error
    finally:
        owners.close()


def _unlock(db: sqlite3.Connection, path: Path) -> None:
    try:
        unlock(db, path, CIPHER.get())
    except sqlite3.DatabaseError as error:
        # Whoever looks for damage looks on: where its traits are lost, nothing of an encrypted store can be read.
        if code_of(error) != sqlite3.SQLITE_CORRUPT:
            raise


@contextmanager
def door(owners: Owners, stop: Stop) -> Iterator[None]:
    """Be the one who opens the store."""
    while not owners.enter():
        if stop:
            raise StoreError("stopped while another process opened the store")
        time.sleep(0.002)
    try:
        yield
    finally:
        owners.leave()


@contextmanager
def moment(db: sqlite3.Connection) -> Iterator[None]:
    """Everything read within is as of one moment."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def schema_of(db: sqlite3.Connection, path: Path) -> int:
    """The store's version. Raises StoreError for what is no store, StoreTooNew, sqlite3.Error."""
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION:
        raise StoreError(f"{path} is not a store of runs", "name another file with --store")
    if version > newest():
        raise StoreTooNew(
            f"{path} was written by a later version (store {version}, this one knows {newest()})", "update the engine"
        )
    return version


def size(path: Path) -> int:
    """Bytes of the store's files."""
    each = (path, path.with_name(path.name + "-wal"))
    return sum(file.stat().st_size for file in each if file.exists())


def _looking_mode(path: Path) -> str:
    """Where nothing can be made beside the store (a read-only disk), its log cannot be shared, and is not there."""
    log = path.with_name(path.name + "-wal")
    return "ro" if os.access(path.parent, os.W_OK) or log.exists() else "ro&immutable=1"


def _there(path: Path) -> None:
    if path.is_dir():
        raise StoreError(f"{path} is a directory, not a store", "name a file in it: --store PATH")
    if not path.exists():
        raise StoreError(f"there is no store at {path}", "start a run there first, or name another file with --store")
    if not os.access(path, os.R_OK):
        raise StoreError(f"{path} cannot be read by you", "make the file readable for you")
