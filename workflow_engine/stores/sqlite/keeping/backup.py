"""The backup: a copy as of one moment, checked before it gets its name.

SQLite's own VACUUM INTO writes it: in one read transaction, whoever writes meanwhile. A copy of the file's bytes is no
backup while the store is in use.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from workflow_engine.errors import StoreDamaged, StoreError, UsageError
from workflow_engine.ports.keeping import Health
from workflow_engine.stores.folder import files_of
from workflow_engine.stores.sqlite.faults import fault
from workflow_engine.stores.sqlite.keeping import contents
from workflow_engine.stores.sqlite.keeping.check import check
from workflow_engine.stores.sqlite.keeping.connecting import FILES, Stop, connect, looking, schema_of


def backup(path: Path, to: Path, stop: Stop) -> Health:
    """The health of the copy, which may have harm that the store has too.

    Raises UsageError if `to` is there, StoreError if it cannot be written, StoreDamaged if it has harm of its own.
    """
    _free(to)
    with looking(path, stop) as db:
        schema = schema_of(db, path)
        try:
            # In the folder it will stay in, so that naming it is one step; made here for its mode.
            handle, name = tempfile.mkstemp(prefix=f".{to.name}.", suffix=".part", dir=to.parent)
        except OSError as error:
            raise _unwritable(to, error) from error
        os.close(handle)
        part = Path(name)
        try:
            _write(db, path, part)
            if schema >= FILES:
                with looking(part, stop) as copied:
                    contents.copy(copied, path, part, stop)
            health = _checked(path, part, stop)
            _settle(part, to)
        finally:
            with suppress(OSError):
                part.unlink()
            shutil.rmtree(files_of(part), ignore_errors=True)
    return replace(health, path=to)


def _free(to: Path) -> None:
    for each in (to, files_of(to)):
        if os.path.lexists(each):
            raise UsageError(f"{each} is there already", "name a new file: a backup writes over nothing")
    if not to.parent.is_dir():
        raise UsageError(f"there is no folder {to.parent}", "make it, or name another file")


def _write(db: sqlite3.Connection, path: Path, part: Path) -> None:
    try:
        db.execute("VACUUM INTO ?", (str(part.absolute()),))
    except UnicodeEncodeError as error:
        raise StoreError(f"{part.parent} has a name that SQLite cannot write to", "name a file elsewhere") from error
    except sqlite3.IntegrityError as error:
        raise StoreDamaged(
            f"{path} is damaged, and cannot be copied: {error}", "workflow store check tells what is wrong"
        ) from error
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT:
            raise StoreDamaged(
                f"{path} is damaged, and cannot be copied: SQLite says {error}",
                "workflow store check tells what is wrong; workflow store export RUN takes out what can be read",
            ) from error
        raise fault(error, part) from error


def _checked(path: Path, part: Path, stop: Stop) -> Health:
    """The copy's health. What the store itself suffers from is no reason to keep no copy of the rest."""
    health = check(part, stop)
    if not health.whole:
        _index(part, stop)
        health = check(part, stop)
    if not health.whole:
        known = {each.run for each in check(path, stop).harms}
        new = [each for each in health.harms if each.run not in known]
        if new:
            raise StoreDamaged(f"the copy is not what the store is: {new[0].what}", "look at the disk, and try again")
    return health


def _index(part: Path, stop: Stop) -> None:
    """Make the copy's indexes anew from its tables: entries that an index lost are there again."""
    with suppress(sqlite3.DatabaseError), closing(connect(part, "rw", stop)) as db:
        db.execute("REINDEX")


def _settle(part: Path, to: Path) -> None:
    """On disk first, then by its name, and the name on disk."""
    try:
        _sync(part)
        if files_of(part).is_dir():  # before the store that names them
            files_of(part).rename(files_of(to))
        try:
            os.link(part, to)  # unlike a rename, this writes over nothing
        except FileExistsError:
            shutil.rmtree(files_of(to), ignore_errors=True)
            raise UsageError(f"{to} is there already", "name a new file: a backup writes over nothing") from None
        except OSError:
            part.rename(to)  # a file system without links
        _sync(to.parent)
    except OSError as error:
        raise _unwritable(to, error) from error


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(to: Path, error: OSError) -> StoreError:
    return StoreError(f"{to} cannot be written: {error.strerror or error}", "name another file, or make room")
