"""The sessions port: what was said in earlier runs under one key, for agents that are talked with again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

Message: TypeAlias = Mapping[str, str]
"""What was said: {"role": "user" | "assistant", "content": ...}."""


class Sessions(Protocol):
    """Keeps conversations, each under a key. A turn is what one visit of one run to an agent added.

    A turn is kept before the step's commit, under the step's own key, so that it is neither lost nor there twice,
    however often the step is taken up: the graph's checkpoint stays the truth of the run.
    """

    async def read(self, key: str, turn: str) -> Sequence[Message]:
        """What was said in all turns but this one, oldest first."""
        ...

    async def keep(self, key: str, turn: str, said: Sequence[Message]) -> None:
        """Add a turn, unless it is there."""
        ...
