"""What stands in the inbox: questions as stored, and the letters that come from outside a run's owner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from workflow_engine.record.ids import QuestionId, RunId


@dataclass(frozen=True)
class Tried:
    """One thing that was tried before a person was asked."""

    node: str
    visit: int
    outcome: str


@dataclass(frozen=True)
class QuestionRecord:
    """A question as it is stored: readable and answerable without the workflow's code.

    `schema` is the JSON Schema an answer must fit. `asks` says who: a `human` node, the engine itself about an effect
    in doubt (`effect`), of one `item` where its node does many, or a step that took its process down too often
    (`deaths`), or a body in the middle of its work (MIDWAY), which is called again with the answer: `ref` is its own
    word for what the answer is for.
    """

    id: QuestionId
    run: RunId
    node: str
    visit: int
    title: str
    message: str
    schema: Mapping[str, Any]
    choices: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    tried: tuple[Tried, ...] = ()
    asked: datetime | None = None
    due: datetime | None = None
    asks: Literal["human", "effect", "deaths", "graph"] = "human"
    item: int | None = None
    ref: str = ""


MIDWAY: frozenset[str] = frozenset({"graph"})
"""Who asks in the middle of a step: a graph that was interrupted. Its node goes on once the last is answered."""


@dataclass(frozen=True)
class Answer:
    """The one accepted answer: a JSON value, who gave it, when and through what."""

    question: QuestionId
    value: Any
    by: str
    at: datetime
    through: str


@dataclass(frozen=True)
class Reply:
    """An answer as the body gets it that asked in the middle of its work, under its own word for the question."""

    ref: str
    value: Any
    by: str


@dataclass(frozen=True)
class SignalRecord:
    """A signal on its way: its name, the id it is told apart by, a JSON value, and the topic it was published to."""

    name: str
    id: str
    payload: Any = None
    topic: str | None = None


@dataclass(frozen=True)
class Letter:
    """A word from outside to a run's owner: durable before its sender is told so, taken by the owner's commit."""

    id: str
    run: RunId
    kind: Literal["answer", "cancel", "signal"]
    by: str
    at: datetime
    answer: Answer | None = None
    signal: SignalRecord | None = None


@dataclass(frozen=True)
class Open:
    """An open question as the run remembers it."""

    id: QuestionId
    node: str
    visit: int
    due: datetime | None = None
    asks: str = "human"


@dataclass(frozen=True)
class Standing:
    """A question and what became of it so far."""

    question: QuestionRecord
    status: Literal["open", "answered", "expired", "withdrawn"] = "open"
    answer: Answer | None = field(default=None)
