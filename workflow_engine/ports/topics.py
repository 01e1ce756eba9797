"""The topics port: what was published in a store, to whom, and whether everybody has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from workflow_engine.record.ids import RunId
from workflow_engine.record.publication import Publication


class Topics(Protocol):
    """Keeps publications until all for whom they are have them, and from then on knows their ids."""

    async def listening(self, topic: str) -> Sequence[RunId]:
        """Runs not ended that wait for what is published to a topic, oldest first. Found without reading any run."""
        ...

    async def publish(self, publication: Publication) -> tuple[Publication, bool]:
        """Keep a publication together with the runs that listen at this moment; durable when this returns.

        One of this topic and id that is kept already is returned as it was, and nothing is changed. The second word
        says whether somebody may not have it yet.
        """
        ...

    async def undelivered(self) -> Sequence[Publication]:
        """Publications that somebody may not have yet, oldest first: their publisher may have died."""
        ...

    async def delivered(self, publication: Publication) -> None:
        """Everybody has it. Said twice, it changes nothing."""
        ...
