"""The keeping of a SQLite store: the port's acts, each on a thread of its own with connections of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from workflow_engine.errors import StoreError
from workflow_engine.ports.codec import Codec
from workflow_engine.ports.keeping import Health, Migrated, Pruned, Retention
from workflow_engine.record.ids import RunId
from workflow_engine.stores.sqlite import listing
from workflow_engine.stores.sqlite.encrypted import Cipher
from workflow_engine.stores.sqlite.keeping.backup import backup
from workflow_engine.stores.sqlite.keeping.check import check
from workflow_engine.stores.sqlite.keeping.connecting import CIPHER, Stop, looking, schema_of
from workflow_engine.stores.sqlite.keeping.export import export
from workflow_engine.stores.sqlite.keeping.importing import take
from workflow_engine.stores.sqlite.keeping.migrating import migrate
from workflow_engine.stores.sqlite.keeping.prune import prune
from workflow_engine.stores.sqlite.keeping.threads import apart

T = TypeVar("T")


class SqliteKeeping:
    """Implements ports.keeping.Keeping. Holds nothing open between two acts, so it needs no closing."""

    def __init__(self, path: Path | str, codec: Codec | None = None) -> None:
        self._codec = codec
        try:
            self.path = Path(path).resolve()
        except (OSError, RuntimeError) as error:
            raise StoreError(f"{path} cannot be followed: {error}", "name another file with --store") from error

    async def check(self, told: Callable[[int], None] | None = None) -> Health:
        return await self._apart(partial(_check, self.path, told))

    async def backup(self, to: Path) -> Health:
        return await self._apart(partial(backup, self.path, to))

    async def migrate(self, *, backup: bool = True) -> Migrated:
        return await self._apart(partial(migrate, self.path, backup=backup))

    async def prune(self, retention: Retention, now: datetime, *, dry: bool = False) -> Pruned:
        return await self._apart(partial(_prune, self.path, retention, now, dry))

    async def find(self, prefix: str) -> Sequence[RunId]:
        return await self._apart(partial(_find, self.path, prefix))

    async def export(self, run: RunId) -> str:
        return await self._apart(partial(export, self.path, run))

    async def import_(self, text: str) -> RunId:
        return await self._apart(partial(take, self.path, text))

    async def _apart(self, act: Callable[[Stop], T]) -> T:
        """An act on a thread of its own, which knows how to decrypt the store."""
        before = CIPHER.set(None if self._codec is None else Cipher(self._codec))
        try:
            return await apart(act)
        finally:
            CIPHER.reset(before)


def _check(path: Path, told: Callable[[int], None] | None, stop: Stop) -> Health:
    return check(path, stop, told)


def _prune(path: Path, retention: Retention, now: datetime, dry: bool, stop: Stop) -> Pruned:
    return prune(path, retention, now, stop, dry=dry)


def _find(path: Path, prefix: str, stop: Stop) -> Sequence[RunId]:
    with looking(path, stop) as db:
        schema_of(db, path)
        return listing.find(db, prefix)
