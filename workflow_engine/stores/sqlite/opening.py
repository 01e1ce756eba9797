"""From a path to a store: the file is made or recognised, and led to today's version, before anything reads it."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path

from workflow_engine.errors import StoreDamaged, StoreError, StoreTooNew
from workflow_engine.stores.sqlite.owners import Owners, require
from workflow_engine.stores.sqlite.queries import packaged

APPLICATION = 0x57464C57  # "WFLW", in the file's header: `file` and sqlite3 show it
SMALLEST = 512  # bytes; a page of a database has no fewer
_MIGRATION = re.compile(r"^(\d{4})_\w+\.sql$")
_OTHER = "name another file with --store"
# SQLite's own may be there: they are read, and do nothing. By their text, for anything can be given their names.
_STATISTICS = {
    "CREATE TABLE sqlite_stat1(tbl,idx,stat)",
    "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)",
}

Shape = frozenset[tuple[str, str, str]]


def prepare(path: Path, *, create: bool) -> Owners:
    """See that there is a file to connect to; its locks. Raises StoreError.

    The database itself is never opened here: closing such a descriptor would cancel SQLite's locks in this process.
    """
    require()
    try:
        _find(path, create=create)
        return Owners(path.with_name(path.name + ".owners"))
    except PermissionError as error:
        raise StoreError(
            f"{path} cannot be used: permission denied for {error.filename}", "make it readable and writable for you"
        ) from error
    except OSError as error:
        raise StoreError(f"{path} cannot be used: {error.strerror} ({error.filename})", _OTHER) from error


def _find(path: Path, *, create: bool) -> None:
    if path.is_dir():
        raise StoreError(f"{path} is a directory, not a store", "name a file in it: --store PATH")
    if path.exists():
        if not path.is_file():
            raise StoreError(f"{path} is not a file", _OTHER)
        if 0 < path.stat().st_size < SMALLEST:
            # SQLite takes such a file for an empty database, and would write over it.
            raise StoreError(f"{path} is not a SQLite database", _OTHER)
        if not os.access(path, os.R_OK | os.W_OK):
            raise StoreError(f"{path} cannot be read and written by you", "make the file readable and writable for you")
        return
    if not create:
        raise StoreError(f"there is no store at {path}", "start a run there first, or name another file with --store")
    made = [each for each in path.parents if not each.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):  # another process was first: both wait for each other in `Owners.enter`
        # Made here for its mode, which SQLite gives to its companions as well.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    # A file is as durable as the names that lead to it.
    for folder in (path.parent, *(each.parent for each in made)):
        _sync(folder)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def recognise(db: sqlite3.Connection, path: Path, *, create: bool) -> None:
    """Make the file a store of today's version, or say why not. Raises StoreError, StoreTooNew, sqlite3.Error."""
    today = newest()
    application, version = _header(db)
    if application == 0 and version == 0 and not _shape(db):
        if not create:
            raise StoreError(
                f"{path} is empty, not a store", "start a run there first, or name another file with --store"
            )
        _log_ahead(db, path)
        _build(db, today)
        return
    if application != APPLICATION:
        raise StoreError(f"{path} is a SQLite database, but not a store of runs", _OTHER)
    if version > today:
        raise StoreTooNew(
            f"{path} was written by a later version (store {version}, this one knows {today})", "update the engine"
        )
    _log_ahead(db, path)
    if version < today:
        migrate(db, version, migrations())
    compare(db, path, today)


def compare(db: sqlite3.Connection, path: Path, version: int) -> None:
    """Raises StoreDamaged where a store's tables and indexes are not those of its version. Writes nothing."""
    shape = _shape(db)
    if version < newest() and not {kind for kind, _, _ in shape} - {"table", "index"}:
        shape = _led(shape, version)
    if shape != _expected():
        raise StoreDamaged(
            f"{path} has tables, triggers or views that the engine did not make", "restore it from a backup"
        )


def newest() -> int:
    """The version that schema.sql describes."""
    return max(migrations(), default=1)


@cache
def migrations() -> Mapping[int, str]:
    """What leads a store to each version after the first."""
    found = files("workflow_engine.stores.sqlite").joinpath("migrations").iterdir()
    named = ((match, each) for each in found if (match := _MIGRATION.match(each.name)))
    return {int(match[1]): each.read_text("utf-8") for match, each in named}


def migrate(db: sqlite3.Connection, version: int, steps: Mapping[int, str]) -> None:
    """Lead a store from `version` on, each step in a transaction of its own."""
    for step in sorted(number for number in steps if number > version):
        db.executescript(f"BEGIN IMMEDIATE;\n{steps[step]}\nPRAGMA user_version = {step};\nCOMMIT;")


def _build(db: sqlite3.Connection, version: int) -> None:
    db.executescript(
        f"BEGIN IMMEDIATE;\n{packaged('schema.sql')}\n"
        f"PRAGMA application_id = {APPLICATION};\nPRAGMA user_version = {version};\nCOMMIT;"
    )


def _log_ahead(db: sqlite3.Connection, path: Path) -> None:
    mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StoreError(f"{path} lies where SQLite cannot keep a write-ahead log", "put it on a local disk")


def _header(db: sqlite3.Connection) -> tuple[int, int]:
    return db.execute("PRAGMA application_id").fetchone()[0], db.execute("PRAGMA user_version").fetchone()[0]


def _shape(db: sqlite3.Connection) -> Shape:
    rows = db.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master").fetchall()
    return frozenset((kind, name, sql) for kind, name, sql in rows if sql not in _STATISTICS)


def _led(shape: Shape, version: int) -> Shape:
    """The shape of an earlier version once it is led to today's: tried on tables of this shape with nothing in them."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for _, _, sql in sorted(shape, key=lambda each: each[0], reverse=True):  # tables before their indexes
            if sql:  # indexes that SQLite made by itself have none
                db.execute(sql)
        migrate(db, version, migrations())
        return _shape(db)
    except sqlite3.Error:
        return frozenset()
    finally:
        db.close()


@cache
def _expected() -> Shape:
    db = sqlite3.connect(":memory:", isolation_level=None)
    try:
        db.executescript(packaged("schema.sql"))
        return _shape(db)
    finally:
        db.close()
