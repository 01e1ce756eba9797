"""The notices port: what happened that somebody may want to be told of, kept until they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from workflow_engine.record.notice import Notice


class Notices(Protocol):
    """Keeps notices, each made by the commit of what happened (`record.notice.noticed`), as long as their run is kept.

    Every method may raise errors.StoreError.
    """

    async def due(self, now: datetime, most: int = 50) -> Sequence[Notice]:
        """Those that are due, the longest first. Damaged ones are logged and left out, so that the others go on."""
        ...

    async def next_due(self) -> datetime | None:
        """When the next is due, whether that has passed or not; None where all are settled."""
        ...

    async def newest(self, most: int = 50) -> Sequence[Notice]:
        """The newest of all, settled or not, newest first."""
        ...

    async def replace(self, before: Notice, after: Notice) -> bool:
        """Keep `after` in the place of `before`, of the same event; False, and nothing is changed, where another stands
        there by now, or none. Of several who replace the same one, one succeeds.
        """
        ...


@runtime_checkable
class KeepsNotices(Protocol):
    """A ledger that also keeps notices."""

    @property
    def notices(self) -> Notices:
        """Where it keeps them."""
        ...
