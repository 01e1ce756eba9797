"""The results port: what nodes with `cache=` wrote, kept by what they read. Nothing ever depends on its being there."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, runtime_checkable

from workflow_engine.record.result import KeptResult


class Results(Protocol):
    """Keeps results, each under its key, in the way of a cache: whatever is lost or damaged is simply not there."""

    async def recall(self, key: str, now: datetime) -> KeptResult | None:
        """The result kept under a key, if its time is not over. One that is damaged is logged and taken for none."""
        ...

    def keep(self, result: KeptResult, now: datetime) -> None:
        """Keep a result in place of the one under its key, soon and without being waited for; what fails is logged.

        Some of those whose time is over by `now` go with it, so that they do not pile up.
        """
        ...


@runtime_checkable
class KeepsResults(Protocol):
    """A ledger that also keeps results, in the same store."""

    @property
    def results(self) -> Results:
        """Where it keeps them."""
        ...
