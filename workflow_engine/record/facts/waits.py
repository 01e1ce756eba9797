"""The facts of a wait: that a node rests for a signal, a time or a run, the signals that came, and its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from workflow_engine.record.waiting import Waiting


@dataclass(frozen=True)
class WaitBegan:
    """A node rests until a signal comes, a time, or the end of another run. Signals that came before are its own."""

    at: datetime
    waiting: Waiting
    type: Literal["WaitBegan"] = "WaitBegan"


@dataclass(frozen=True)
class SignalReceived:
    """The run's owner took a signal up: for the node that waits for it, or (None) for one that will."""

    at: datetime
    name: str
    id: str
    by: str
    payload: Any = None
    node: str | None = None
    visit: int = 0
    topic: str | None = None
    type: Literal["SignalReceived"] = "SignalReceived"


@dataclass(frozen=True)
class SignalRefused:
    """What a signal carries does not fit the node that waits for it, as only its code could tell: it waits on."""

    at: datetime
    name: str
    id: str
    node: str
    visit: int
    why: str
    type: Literal["SignalRefused"] = "SignalRefused"


@dataclass(frozen=True)
class WaitExpired:
    """What a node waited for did not come in time."""

    at: datetime
    node: str
    visit: int
    type: Literal["WaitExpired"] = "WaitExpired"


__all__ = ["SignalReceived", "SignalRefused", "WaitBegan", "WaitExpired"]
