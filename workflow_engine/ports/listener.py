"""The listener port: who hears what happens in this process, without being able to disturb it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from workflow_engine.making import quickly
from workflow_engine.record.ids import RunId


@quickly
@dataclass(frozen=True)
class Began:
    """A node began an attempt. Heard, not journaled: a crash makes it untrue."""

    node: str
    kind: str
    visit: int
    attempt: int


@quickly
@dataclass(frozen=True)
class Said:
    """A node said where it is. Heard, not journaled."""

    node: str
    visit: int
    words: str


@dataclass(frozen=True)
class Heard:
    """A piece of what an agent says and does, as it comes. Heard by those who want `deltas`, not journaled.

    `piece` is {"item": "delta", "of": "message" | "reasoning", "text", "agent"}, then the whole of it as it stands in
    the story: {"item": "message" | "reasoning" | "tool_call" | "tool_result", ...}. {"item": "handoff", "agent", "to"}
    says that the talk is in other hands, {"item": "broken_off", "agent"} that what came since the last whole one is no
    answer. A turn that is taken up tells once more what it keeps.
    """

    node: str
    visit: int
    piece: Mapping[str, Any]
    item: int | None = None


class Listener(Protocol):
    """Hears events after they are durable, and `Began` and `Said` as they happen. What it raises is dropped.

    One with a true attribute `deltas` hears `Heard`, too: models are then asked to stream their answers.
    """

    def hear(self, run: RunId, event: Any) -> None:
        """Take note, quickly: this is called on the loop that drives the run."""
        ...
