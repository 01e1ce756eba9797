"""The SQLite library itself: which version this Python carries, and what is known against it."""

from __future__ import annotations

import sqlite3

# https://sqlite.org/wal.html, "The WAL-reset bug": a rare race of several connections, mended in 3.51.3.
FIRST_WITH_BUG, FIRST_WITHOUT = (3, 7, 0), (3, 51, 3)


def version() -> str:
    """The version, as SQLite writes it."""
    return sqlite3.sqlite_version


def known_against(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str | None:
    """What speaks against a version, or None.

    >>> known_against((3, 51, 3))
    >>> known_against((3, 40, 1))
    'has the rare WAL-reset bug (3.7.0 to 3.51.2); the store writes through one connection a process and a lock'
    """
    if FIRST_WITH_BUG <= version < FIRST_WITHOUT:
        return (
            "has the rare WAL-reset bug (3.7.0 to 3.51.2); the store writes through one connection a process and a lock"
        )
    return None
