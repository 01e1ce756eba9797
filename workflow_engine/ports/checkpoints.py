"""The port that keeps checkpoints of foreign graphs: of programs that have a form of their own for where they stand.

A **series** is all that is kept of one execution of such a program, a **scope** a program within it (the outermost is
`""`), and a checkpoint is named by an id that sorts by time. Values come as scalars, which stand in the checkpoint
itself, or as bytes in a form that the store does not know: these become pieces, numbered within their scope. What did
not change is named by its piece, and costs nothing; what only grew is stored as what was added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from workflow_engine.errors import Conflict
from workflow_engine.ports.ledger import Fence

Scalar = None | bool | int | float | str


class Outdated(Conflict):
    """Pieces that a checkpoint names may be gone: somebody removed some of this scope since. Give it whole."""


@dataclass(frozen=True)
class Part:
    """A value as bytes; with `after`, only what it adds to the value that ends with that piece."""

    kind: str
    data: bytes
    after: int | None = None


@dataclass(frozen=True)
class Piece:
    """A value that is stored already, by the number of its (last) piece."""

    number: int


@dataclass(frozen=True)
class Chunks:
    """A stored value: the data of its first piece, and what later ones added. `number` is that of the last, if any."""

    kind: str
    data: Sequence[bytes]
    number: int | None


@dataclass(frozen=True)
class Ground:
    """What pieces are named on: they stay where they are as long as this does not change."""

    line: int
    era: int


@dataclass(frozen=True)
class Given:
    """A checkpoint to be kept. `record` and `metadata` are JSON; `label` is a name to delete it by.

    `rests` names fields that have no value here: it is made from earlier checkpoints and what was pending on them.
    """

    id: str
    parent: str | None
    record: Mapping[str, Any]
    metadata: Mapping[str, Any]
    values: Mapping[str, Scalar | Part | Piece] = field(default_factory=dict)
    label: str | None = None
    rests: Sequence[str] = ()


@dataclass(frozen=True)
class Placed:
    """Where a checkpoint's values went: the number of each that became or already was a piece."""

    ground: Ground
    numbers: Mapping[str, int]


@dataclass(frozen=True)
class Write:
    """One write of a task that waits for the next checkpoint; negative slots are written over, others only once."""

    task: str
    path: str
    slot: int
    field: str
    value: Scalar | Part | Chunks


@dataclass(frozen=True)
class Kept:
    """A checkpoint as it is stored, with what is pending on it, in order of (path, task, slot)."""

    series: str
    scope: str
    id: str
    parent: str | None
    record: Mapping[str, Any]
    metadata: Mapping[str, Any]
    values: Mapping[str, Scalar | Chunks]
    pending: Sequence[Write]
    ground: Ground


@dataclass(frozen=True)
class Past:
    """How a field came to be: writes from the oldest on, upon the value of the nearest checkpoint that has one."""

    writes: Sequence[Write]
    seed: Scalar | Chunks = None
    seeded: bool = False


@dataclass(frozen=True)
class Series:
    """A series in a list. `updated` is when its newest checkpoint was made, as its program wrote it."""

    id: str
    scopes: int
    checkpoints: int
    updated: str


class Checkpoints(Protocol):
    """Keeps checkpoints. Every method raises StoreError; what reads raises StoreDamaged and returns nothing damaged."""

    async def put(self, series: str, scope: str, given: Given, ground: Ground | None) -> Placed:
        """Store a checkpoint; when this returns, it is on disk, and so is what was pending before.

        An id that is there already is written over. Raises Outdated, having stored nothing.
        """
        ...

    async def pend(self, series: str, scope: str, checkpoint: str, writes: Sequence[Write]) -> None:
        """Store writes, of one task, that wait for the checkpoint after this one. They may be held back a moment, so as
        to share its transaction; when this returns, they are on disk."""
        ...

    async def read(self, series: str, scope: str, id: str | None = None) -> Kept | None:
        """A checkpoint; without an id, the one with the greatest."""
        ...

    async def page(
        self, series: str, scope: str, before: str | None, size: int, matching: Callable[[Mapping[str, Any]], bool]
    ) -> Sequence[Kept]:
        """The greatest ids below `before` whose metadata match, at most `size`. `matching` runs in another thread."""
        ...

    async def past(self, series: str, scope: str, id: str | None, fields: Sequence[str]) -> Mapping[str, Past]:
        """How fields came to be at a checkpoint, along its parents; what is pending on itself does not count."""
        ...

    async def scopes(self, series: str) -> Sequence[str]:
        """The scopes of a series that have checkpoints."""
        ...

    async def page_of_series(self, after: str | None, size: int) -> Sequence[Series]:
        """Series, the last begun first; `after` names the last one seen."""
        ...

    async def delete(self, series: str) -> None:
        """Forget a series."""
        ...

    async def delete_labelled(self, labels: Sequence[str]) -> None:
        """Forget the checkpoints with any of these labels. Raises StoreError where one that stays rests on them."""
        ...

    async def copy(self, series: str, target: str) -> None:
        """Copy a series, also over what the target has. Checkpoints keep their ids."""
        ...

    async def prune(self, series: str) -> None:
        """Forget all checkpoints but the newest of each scope, and what that rests on."""
        ...


@runtime_checkable
class KeepsCheckpoints(Protocol):
    """A ledger that also keeps checkpoints of foreign graphs, in the same store."""

    @property
    def checkpoints(self) -> Checkpoints:
        """Where it keeps them."""
        ...

    def checkpoints_of(self, fence: Fence) -> Checkpoints:
        """The same, for the owner of a run: whoever owns it no more writes nothing, and FenceLost is raised."""
        ...
