"""The files port: contents kept beside a ledger by their SHA-256, shared by all runs that name them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from workflow_engine.spec.file import LendingShelf


class Files(LendingShelf, Protocol):
    """Keeps contents until nothing names them any more. Every method may be called on any thread.

    `put` raises errors.StepError where the disk is full or cannot be written. A content that is put again is kept anew,
    so that one that was damaged is whole again.
    """


@runtime_checkable
class KeepsFiles(Protocol):
    """A ledger that also keeps files. What a batch names in its `files` is held as long as its run is there."""

    @property
    def files(self) -> Files:
        """Where it keeps them."""
        ...


__all__ = ["Files", "KeepsFiles"]
