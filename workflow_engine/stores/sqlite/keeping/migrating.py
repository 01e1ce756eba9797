"""Migrating on request: what opening a store does by itself, with a backup before it and a word about it."""

from __future__ import annotations

from pathlib import Path

from workflow_engine.ports.keeping import Migrated
from workflow_engine.stores.sqlite.keeping.backup import backup as copied
from workflow_engine.stores.sqlite.keeping.connecting import Stop, looking, schema_of, writing
from workflow_engine.stores.sqlite.opening import newest


def migrate(path: Path, stop: Stop, *, backup: bool) -> Migrated:
    """Lead a store to today's schema. Raises StoreError, StoreTooNew."""
    with looking(path, stop) as db:
        before = schema_of(db, path)
    if before == newest():
        return Migrated(before, before)
    copy = None
    if backup:
        copy = _beside(path, before)
        copied(path, copy, stop)
    with writing(path, stop) as (db, _):
        return Migrated(before, schema_of(db, path), copy)


def _beside(path: Path, version: int) -> Path:
    """A name that is free, such as runs.schema1.sqlite."""
    names = (path.with_name(f"{path.stem}.schema{version}{extra}{path.suffix}") for extra in _extras())
    return next(each for each in names if not each.exists())


def _extras() -> list[str]:
    return ["", *(f"-{number}" for number in range(2, 1000))]
