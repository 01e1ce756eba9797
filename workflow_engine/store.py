"""A store as its keeper sees it: the acts of house-keeping, the same words as behind `workflow store`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

from workflow_engine.errors import AmbiguousRun, RunNotFound
from workflow_engine.ports.clock import Clock
from workflow_engine.ports.codec import Codec
from workflow_engine.ports.keeping import ENDED, Health, Keeping, Migrated, Pruned, Retention
from workflow_engine.record.ids import RunId
from workflow_engine.runtime.clock import SystemClock

STORE = "checkpoints/runs.sqlite"


class Store:
    """Looks after one store: `await Store("checkpoints/runs.sqlite").check()`. Runs are driven by an `Engine`.

    Nothing stays open between two acts. Each works while other processes use the store, and on a thread of its own.
    `codec` decrypts an encrypted store, `keeping` replaces the SQLite store. Every act may raise errors.StoreError.
    """

    def __init__(
        self,
        path: str | Path = STORE,
        *,
        keeping: Keeping | None = None,
        codec: Codec | None = None,
        clock: Clock | None = None,
    ) -> None:
        if keeping is None:
            from workflow_engine.stores.sqlite.keeping import SqliteKeeping

            keeping = SqliteKeeping(path, codec)
        self._keeping = keeping
        self._clock = clock or SystemClock()

    async def check(self, told: Callable[[int], None] | None = None) -> Health:
        """Read everything, write nothing, and tell what is wrong. `told` hears now and then how many runs were read."""
        return await self._keeping.check(told)

    async def backup(self, to: str | Path) -> Health:
        """Copy the store, as of one moment, to a new file; the health of the copy, which opens as a store."""
        return await self._keeping.backup(Path(to))

    async def migrate(self, *, backup: bool = True) -> Migrated:
        """Lead an earlier version's store to today's schema, as opening it does, after a backup beside it."""
        return await self._keeping.migrate(backup=backup)

    async def prune(
        self,
        *,
        older_than: timedelta | None = None,
        keep: int | None = None,
        workflow: str | None = None,
        statuses: Iterable[str] = ENDED,
        dry: bool = False,
    ) -> Pruned:
        """Remove runs that are over for good: those that ended longer ago than `older_than`, except the newest `keep`.

        A run that can still go on is never removed. `dry` only tells what would go. Raises errors.UsageError.
        """
        retention = Retention(older_than, keep, workflow, frozenset(statuses))
        return await self._keeping.prune(retention, self._clock.now(), dry=dry)

    async def find(self, prefix: str) -> RunId:
        """The one run a beginning of an id, or "@last", means. Raises errors.RunNotFound, errors.AmbiguousRun."""
        found = await self._keeping.find(prefix) if prefix else ()
        if not found:
            what = "there is no run yet" if prefix == "@last" else f"no run begins with {prefix!r}"
            raise RunNotFound(what, "workflow runs")
        if len(found) > 1 and prefix not in found:
            several = ", ".join(found)
            raise AmbiguousRun(f"{prefix!r} is the beginning of several runs: {several}", "type one more character")
        return RunId(prefix) if prefix in found else found[0]

    async def export(self, run: str) -> str:
        """A run as one JSON document."""
        return await self._keeping.export(await self.find(run))

    async def import_(self, document: str) -> RunId:
        """Take a run from its document; where there is no store yet, one is made.

        Raises errors.InputError for what is no such document, errors.Conflict for a run that is there.
        """
        return await self._keeping.import_(document)
