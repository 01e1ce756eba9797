"""The queue port: runs that were left to a worker, as the store that keeps them knows them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from workflow_engine.record.ids import RunId


@dataclass(frozen=True)
class Queued:
    """A run that stands at its first nodes and was taken by nobody. A greater `place` was queued later; `target` is a
    label that nobody has checked yet.
    """

    run: RunId
    workflow: str
    place: int
    target: str | None = None


class Queue(Protocol):
    """Runs with status queued. There is no second record of them: a run is in the queue until its owner claims it.

    Both readings cost what they return, however many runs the store keeps and however many are queued.
    """

    async def queued(self, workflows: Collection[str], limit: int, after: int = 0) -> Sequence[Queued]:
        """At most `limit` runs of these workflows with a place above `after`, oldest first; owned ones too."""
        ...

    async def queues(self) -> Sequence[str]:
        """The names of the workflows that have runs in the queue, in their order."""
        ...
