"""The facts of a step: its tries, its effect, its items, the run within it, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from workflow_engine.errors import Failure
from workflow_engine.making import quickly
from workflow_engine.record.frontier import Move
from workflow_engine.record.ids import RunId
from workflow_engine.record.usage import Spent, Usage


@quickly
@dataclass(frozen=True)
class EffectStarted:
    """An effect's body is about to run, for one item of an `each` node: on disk before it does."""

    at: datetime
    node: str
    visit: int
    key: str
    item: int | None = None
    type: Literal["EffectStarted"] = "EffectStarted"


@dataclass(frozen=True)
class SubflowEntered:
    """A visit to a subflow is done by a run of its own, which exists already: a new one, or the same one goes on.

    Of an `each` node, one item of the visit.
    """

    at: datetime
    node: str
    visit: int
    run: RunId
    item: int | None = None
    type: Literal["SubflowEntered"] = "SubflowEntered"


@dataclass(frozen=True)
class AttemptFailed:
    """One try failed and another follows after `wait` seconds; of an `each` node, one try of one item."""

    at: datetime
    node: str
    visit: int
    attempt: int
    failure: Failure
    wait: float
    item: int | None = None
    type: Literal["AttemptFailed"] = "AttemptFailed"


@quickly
@dataclass(frozen=True)
class ItemFinished:
    """One item of an `each` node is done; `text` is the typed JSON of its result. It never runs again in this visit."""

    at: datetime
    node: str
    visit: int
    item: int
    attempts: int
    seconds: float
    text: str
    words: str = ""
    usage: Usage | None = None
    answered_by: tuple[str, ...] = ()
    type: Literal["ItemFinished"] = "ItemFinished"


@quickly
@dataclass(frozen=True)
class ItemFailed:
    """One item of an `each` node gave up. `final`: the node goes on without it; otherwise a resume tries it again."""

    at: datetime
    node: str
    visit: int
    item: int
    attempts: int
    seconds: float
    failure: Failure
    final: bool
    usage: Usage | None = None
    answered_by: tuple[str, ...] = ()
    type: Literal["ItemFailed"] = "ItemFailed"


@quickly
@dataclass(frozen=True)
class StepFinished:
    """A node did its work; its writes and the move onward are in the same commit.

    `outcome` is the word it was left by, if any; `words` the last thing it said of itself; `routes` the routes decided
    on the way and their words.
    """

    at: datetime
    node: str
    kind: str
    visit: int
    attempts: int
    started: datetime
    seconds: float
    writes: tuple[str, ...]
    move: Move
    outcome: str | None = None
    routes: tuple[tuple[str, str], ...] = ()
    usage: Usage | None = None
    answered_by: tuple[str, ...] = ()
    words: str = ""
    type: Literal["StepFinished"] = "StepFinished"


@dataclass(frozen=True)
class StepFailed:
    """A node gave up. `move` is None when nothing catches it: then it stays due and the run will fail.

    `spent` is what budgets count after it where there is no move to tell it. `late` says that the run's time was up and
    that this is where it goes from there: it has no deadline any more.
    """

    at: datetime
    node: str
    kind: str
    visit: int
    attempts: int
    started: datetime
    seconds: float
    failure: Failure
    move: Move | None = None
    outcome: str = "failed"
    usage: Usage | None = None
    answered_by: tuple[str, ...] = ()
    spent: Mapping[str, Spent] = field(default_factory=dict)
    late: bool = False
    type: Literal["StepFailed"] = "StepFailed"


@dataclass(frozen=True)
class StepWithdrawn:
    """A node is due no more, without a result: the run had left its fork while its step was under way.

    What was dropped in the very moment in which the fork was left, the move of that step says.
    """

    at: datetime
    node: str
    kind: str
    visit: int
    move: Move
    type: Literal["StepWithdrawn"] = "StepWithdrawn"


__all__ = [
    "AttemptFailed",
    "EffectStarted",
    "ItemFailed",
    "ItemFinished",
    "StepFailed",
    "StepFinished",
    "StepWithdrawn",
    "SubflowEntered",
]
