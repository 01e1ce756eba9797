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
    word for what the answer is for. `to` and `candidates` are who may answer (anybody where there are
    none), `not_by` who must not. `remind` are the times at which it is asked again, `default` is the answer that holds
    once it is `due`. `approvals` says how many people a choice needs, where that is more than one.
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
    asks: Literal["human", "effect", "deaths", "graph", "agent"] = "human"
    item: int | None = None
    ref: str = ""
    to: str | None = None
    candidates: tuple[str, ...] = ()
    not_by: tuple[str, ...] = ()
    remind: tuple[datetime, ...] = ()
    default: Any = None
    approvals: Mapping[str, int] = field(default_factory=dict)


MIDWAY: frozenset[str] = frozenset({"graph", "agent"})
"""Who asks in the middle of a step: a graph that was interrupted, or an agent about a tool. Its node goes on once the
last is answered.
"""


@dataclass(frozen=True)
class Answer:
    """The one accepted answer: a JSON value, who gave it, when and through what.

    `authenticated` says that it was proved who gave it, rather than said.
    """

    question: QuestionId
    value: Any
    by: str
    at: datetime
    through: str
    authenticated: bool = False


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
    """A word from outside to a run's owner: durable before its sender is told so, taken by the owner's commit.

    An `approval` is the answer of one of several people, and has a letter of its own for each. `handed` is how often
    the question had been given to somebody else when its sender looked: a store refuses one that looked too early. A
    `reassign` names whom (`to`) a `question` is given to.
    """

    id: str
    run: RunId
    kind: Literal["answer", "cancel", "signal", "approval", "reassign", "child"]
    by: str
    at: datetime
    answer: Answer | None = None
    signal: SignalRecord | None = None
    handed: int | None = None
    question: QuestionId | None = None
    to: str | None = None

    @property
    def settles(self) -> QuestionId | None:
        """The question to which this is the one answer; at most one letter of a store says so."""
        return self.answer.question if self.kind == "answer" and self.answer is not None else None


@dataclass(frozen=True)
class Approval:
    """One of the people a choice needs gave it. `gist` is a digest of the whole answer: what counts is the same one."""

    by: str
    choice: str
    gist: str
    at: datetime


@dataclass(frozen=True)
class Open:
    """An open question as the run remembers it: who is asked now, when it is asked again, and who approved so far."""

    id: QuestionId
    node: str
    visit: int
    due: datetime | None = None
    asks: str = "human"
    to: str | None = None
    remind: tuple[datetime, ...] = ()
    reminded: int = 0
    handed: int = 0
    approved: tuple[Approval, ...] = ()

    @property
    def next(self) -> datetime | None:
        """When something is to happen to it by itself: the next reminder, or its end."""
        return min((each for each in (*self.remind[:1], self.due) if each is not None), default=None)


@dataclass(frozen=True)
class Standing:
    """A question and what became of it so far; `known` is what its run remembers of one that is open."""

    question: QuestionRecord
    status: Literal["open", "answered", "expired", "withdrawn"] = "open"
    answer: Answer | None = None
    known: Open | None = None

    @property
    def to(self) -> str | None:
        """Who is asked now."""
        return self.question.to if self.known is None else self.known.to

    @property
    def approved(self) -> tuple[Approval, ...]:
        """Who gave their word so far, where a choice needs several."""
        return () if self.known is None else self.known.approved
