"""Files as house-keeping meets them: checked, copied, cleared away, and carried by a page.

Rows tell which run names which content; contents lie in the folder beside the store (stores/folder.py), under their
SHA-256. A content that nothing names stays for a day: it may be in the hands of a step that has yet to commit it.
"""

from __future__ import annotations

import io
import os
import sqlite3
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256 as digest
from pathlib import Path
from typing import Any

from workflow_engine.errors import FileDamaged, FileMissing, InputError, StoreDamaged, StoreError
from workflow_engine.ports.keeping import Harm
from workflow_engine.record.ids import RunId
from workflow_engine.spec.file import Named, pieces
from workflow_engine.stores.folder import FolderFiles, Sealing, files_of
from workflow_engine.stores.sqlite.keeping.connecting import CIPHER, Stop
from workflow_engine.stores.sqlite.keeping.statements import SQL
from workflow_engine.stores.sqlite.writing import file_seal

YOUNG = timedelta(days=1)
CARRIED = 16 * 2**20
"""Bytes of files that a page carries."""
_CURE = "take the store's folder of files from a backup; what does not read the file goes on without it"


def folder_of(path: Path) -> FolderFiles:
    """The files beside a store, decrypted as the store is."""
    cipher = CIPHER.get()
    return FolderFiles(files_of(path), None if cipher is None else Sealing(cipher.codec, cipher.place))


def rows_of(db: sqlite3.Connection, key: int, run: RunId) -> list[Named]:
    """The contents that a run names. Raises StoreDamaged."""
    found = db.execute(SQL["files_of_run"], (key,)).fetchall()
    for sha256, size, mark in found:
        if not _sealed(run, sha256, size, mark):
            raise StoreDamaged(f"run {run} is damaged: that it names a file does not fit its seal", _CURE)
    return [(sha256, size) for sha256, size, _ in found]


def _sealed(run: Any, sha256: Any, size: Any, mark: Any) -> bool:
    return isinstance(sha256, str) and type(size) is int and mark == file_seal(run, sha256, size)


def harms(db: sqlite3.Connection, path: Path, stop: Stop) -> Iterator[Harm]:
    """What is wrong with rows and contents, run by run. Each content is read once."""
    files = folder_of(path)
    last: tuple[Named, str | None] | None = None
    for run, sha256, size, mark in db.execute(SQL["every_file"]):
        if stop:
            return
        if not _sealed(run, sha256, size, mark):
            yield Harm(RunId(run), f"run {run} is damaged: that it names a file does not fit its seal", _CURE)
            continue
        if last is None or last[0] != (sha256, size):
            last = ((sha256, size), _wrong(files, sha256, size))
        if last[1] is not None:
            yield Harm(RunId(run), f"run {run} names a file that is harmed: {last[1]}", _CURE)


def _wrong(files: FolderFiles, sha256: str, size: int) -> str | None:
    try:
        files.open(sha256, size).close()
    except (FileMissing, FileDamaged) as error:
        return error.what
    return None


def nameless(db: sqlite3.Connection, path: Path) -> tuple[int, int]:
    """How many contents nothing names, those that are being written among them, and their bytes."""
    files = folder_of(path)
    sizes = [found.st_size for sha256, found in files.every() if not _named(db, sha256)]
    sizes += [found.st_size for _, found in files.unfinished()]
    return len(sizes), sum(sizes)


def _named(db: sqlite3.Connection, sha256: str) -> bool:
    return db.execute(SQL["file_is_named"], (sha256,)).fetchone() is not None


def clear(db: sqlite3.Connection, path: Path, now: datetime, stop: Stop) -> int:
    """Remove contents that nothing names and nobody touched for a day; how many bytes that freed."""
    files, freed = folder_of(path), 0
    before = (now - YOUNG).timestamp()
    for sha256, found in files.every():
        # A run that names it may be in the middle of its commit: it touched the content before, so that stays.
        if found.st_mtime < before and not stop and not _named(db, sha256):
            freed += files.clear(files.folder / sha256[:2] / sha256[2:], before)
    for aside, found in files.unfinished():
        if found.st_mtime < before and not stop:
            freed += files.clear(aside, before)
    return freed


def copy(db: sqlite3.Connection, path: Path, to: Path, stop: Stop) -> None:
    """Copy what the runs of a copied store name to beside the copy; what is harmed is left out, as a check will tell.

    Contents are copied as they lie, so that an encrypted store's copy is encrypted. Raises StoreError.
    """
    source, target = folder_of(path), FolderFiles(files_of(to))
    for sha256, size in db.execute(SQL["files_named"]):
        if stop:
            return
        if not isinstance(sha256, str) or _wrong(source, sha256, size) is not None:
            continue
        try:
            with source.path(sha256).open("rb") as stream:
                _lay(stream, target.path(sha256))
        except OSError as error:
            raise StoreError(
                f"a file cannot be copied: {error.strerror or error}", "make room, or copy elsewhere"
            ) from error
    for folder in (target.folder, *target.folder.glob("??")):
        if folder.is_dir():
            _sync(folder)


def _lay(stream: Any, path: Path) -> None:
    path.parent.parent.mkdir(mode=0o700, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as out:
        for piece in pieces(stream):
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def told(db: sqlite3.Connection, path: Path, key: int, run: RunId) -> list[dict[str, Any]]:
    """The files of a run for a page. Raises StoreDamaged, and StoreError where they are too large for one."""
    named, files = rows_of(db, key, run), folder_of(path)
    total = sum(size for _, size in named)
    if total > CARRIED:
        raise StoreError(
            f"run {run} has {total:,} bytes of files, and a document carries at most {CARRIED:,}",
            "workflow store backup PATH copies the store with all of its files",
        )
    found = []
    for sha256, size in named:
        try:
            with files.open(sha256, size) as stream:
                found.append({"sha256": sha256, "size": size, "content": b64encode(stream.read()).decode()})
        except (FileMissing, FileDamaged) as error:
            raise StoreDamaged(f"run {run} names a file that is harmed: {error.what}", _CURE) from error
    return found


def read(parts: Sequence[Mapping[str, Any]]) -> list[tuple[Named, bytes]]:
    """The files of a page. Raises InputError."""
    found = []
    for each in parts:
        try:
            content = b64decode(each["content"], validate=True)
            sha256, size = each["sha256"], each["size"]
        except (KeyError, TypeError, ValueError, Error) as error:
            raise InputError("the document cannot be imported: a file of it is none", _AGAIN) from error
        if set(each) != {"sha256", "size", "content"} or (digest(content).hexdigest(), len(content)) != (sha256, size):
            raise InputError("the document cannot be imported: a file of it is not what it says", _AGAIN)
        found.append(((sha256, size), content))
    return found


_AGAIN = "nothing was imported; export the run once more where it is"


def keep(path: Path, given: Sequence[tuple[Named, bytes]]) -> None:
    """Lay the files of a page beside the store, before anything names them."""
    files = folder_of(path)
    for _, content in given:
        files.put(io.BytesIO(content))
