"""The listener port: who hears what happens in this process, without being able to disturb it."""

from __future__ import annotations

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


class Listener(Protocol):
    """Hears events after they are durable, and `Began` and `Said` as they happen. What it raises is dropped."""

    def hear(self, run: RunId, event: Any) -> None:
        """Take note, quickly: this is called on the loop that drives the run."""
        ...
