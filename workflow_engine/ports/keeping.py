"""The keeping port: a store looked after as a whole. What a ledger does for one run, this does for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from workflow_engine.record.ids import RunId

ENDED: frozenset[str] = frozenset({"succeeded", "cancelled"})
"""What is pruned if nothing else is said: runs that are over for good."""


@dataclass(frozen=True)
class Harm:
    """One thing that is wrong. `run` is None where it concerns the store, or a run whose name is lost."""

    run: RunId | None
    what: str
    cure: str


@dataclass(frozen=True)
class Health:
    """What a check found. `series` are those of foreign graphs' checkpoints; `notes` harm nothing."""

    path: Path
    schema: int
    bytes: int
    runs: int = 0
    events: int = 0
    versions: int = 0
    questions: int = 0
    letters: int = 0
    series: int = 0
    harms: tuple[Harm, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.harms

    @property
    def damaged(self) -> tuple[RunId, ...]:
        """The runs that are harmed, each once."""
        return tuple(dict.fromkeys(each.run for each in self.harms if each.run is not None))


@dataclass(frozen=True)
class Migrated:
    """Which schema the store had and has. `copy` is the backup that was made of it before."""

    before: int
    after: int
    copy: Path | None = None


@dataclass(frozen=True)
class Retention:
    """Which runs may go: a run goes only where every rule lets it go, and never while it can still go on.

    `older_than`: it ended longer ago than this. `keep`: so many of the newest that fit stay, whatever their age.
    `workflow`, `statuses`: only these. `failed` takes runs that reached FAIL; one that can be resumed is always kept.
    `damaged` takes what no check can read, and is named alone.
    """

    older_than: timedelta | None = None
    keep: int | None = None
    workflow: str | None = None
    statuses: frozenset[str] = ENDED


@dataclass(frozen=True)
class Gone:
    """A run that was pruned, or would be."""

    run: RunId
    workflow: str
    status: str
    updated: datetime | None


@dataclass(frozen=True)
class Pruned:
    """What a prune did. Bytes are those of the store's files; `spare` are free inside, for runs to come.

    `owned` and `hurt` were due and left alone: a living process drives them, or they cannot be read.
    """

    runs: tuple[Gone, ...]
    owned: tuple[RunId, ...] = ()
    hurt: tuple[RunId, ...] = ()
    before: int = 0
    after: int = 0
    spare: int = 0
    notes: tuple[str, ...] = field(default_factory=tuple)


class Keeping(Protocol):
    """Looks after one store. Every method may raise errors.StoreError; none runs code that a store or a document names.

    All but `check` and `backup` refuse a store of a later version (errors.StoreTooNew), and so do these. Every act can
    be killed at any moment: the store is then as before it, or as after a part of it that makes sense alone.
    """

    async def check(self, told: Callable[[int], None] | None = None) -> Health:
        """Read everything and tell what is wrong. Writes nothing, and works on a store in use and on a damaged one.

        `told` hears how many runs were read, now and then, from another thread.
        """
        ...

    async def backup(self, to: Path) -> Health:
        """Write the store, as of one moment, to a new file; the health of that copy.

        Raises errors.UsageError if the file is there, errors.StoreDamaged if the copy has harm that the store has not.
        """
        ...

    async def migrate(self, *, backup: bool = True) -> Migrated:
        """Lead the store to today's schema, after a backup beside it."""
        ...

    async def prune(self, retention: Retention, now: datetime, *, dry: bool = False) -> Pruned:
        """Remove runs for good; with `dry` only tell which. Runs that share their versions hand them over first."""
        ...

    async def find(self, prefix: str) -> Sequence[RunId]:
        """Up to three runs whose id begins with `prefix`; "@last" is the run created last."""
        ...

    async def export(self, run: RunId) -> str:
        """A run as one JSON document. Raises errors.RunNotFound, errors.StoreDamaged."""
        ...

    async def import_(self, text: str) -> RunId:
        """Take a run from its document, as a whole or not at all. A missing store is made.

        Raises errors.InputError for what is no such document, errors.Conflict for a run that is there.
        """
        ...
