"""What SQLite says when something is wrong, in our words."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from workflow_engine.errors import StoreDamaged, StoreError

_DAMAGED = {sqlite3.SQLITE_CORRUPT}
_FOREIGN = {sqlite3.SQLITE_NOTADB}
_SHUT = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_READ_ONLY = {sqlite3.SQLITE_READONLY}
_FULL = {sqlite3.SQLITE_FULL}
_DISK = {sqlite3.SQLITE_IOERR}
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

SENSELESS = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, AssertionError, RecursionError)
"""What rows raise that are of other types than their columns'. Only who knows how seals are made can write such."""


def senseless(error: Exception, path: Path) -> StoreDamaged:
    """The error to raise for one of these."""
    why = (str(error).splitlines() or [type(error).__name__])[0]
    return StoreDamaged(
        f"{path} is damaged: something in it makes no sense ({why[:160]})",
        "nothing was loaded; restore it from a backup, or see what is damaged: workflow store check",
    )


def code_of(error: sqlite3.Error) -> int:
    """The primary result code; 0 where the error came from Python's own module."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def fault(error: sqlite3.Error, path: Path) -> StoreError:
    """The error to raise for one of SQLite's."""
    code = code_of(error)
    if code in _FOREIGN:
        return StoreError(f"{path} is not a SQLite database", "name another file with --store")
    if code in _DAMAGED:
        return StoreDamaged(f"{path} is damaged: SQLite says {error}", "restore it from a backup")
    if code in _SHUT:
        return StoreError(f"{path} cannot be opened: {error}", "look at the permissions of the file and its folder")
    if code in _READ_ONLY:
        return StoreError(f"{path} cannot be written: {error}", "make the file and its folder writable for you")
    if code in _FULL:
        return StoreError(f"{path} cannot grow: {error}", "make room on the disk; what was acknowledged is safe")
    if code in _DISK:
        return StoreError(f"{path}: the disk failed ({error})", "look at the disk; what was acknowledged is safe")
    if code in _LOCKED:
        return StoreError(f"{path} is locked by another process: {error}", "look for one that hangs, and end it")
    return StoreError(f"{path}: SQLite says {error}", "if this happens again, report it as a bug of the engine")


def unreadable(error: UnicodeDecodeError) -> sqlite3.DatabaseError:
    """SQLite's own error, where Python could not read it: it quotes the schema, which is damaged."""
    known = sqlite3.DatabaseError(f"its schema is no text ({error.reason})")
    known.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return known


def busy(error: sqlite3.Error) -> bool:
    """Whether another process is writing."""
    return code_of(error) in _LOCKED


def leaves_doubt(error: sqlite3.Error) -> bool:
    """Whether the connection that raised it must not be trusted any more."""
    return code_of(error) in _DAMAGED | _FOREIGN | _SHUT | _READ_ONLY | _FULL | _DISK
