"""The facts of a question: asked, asked again or of somebody else, answered, and what else became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from workflow_engine.record.ids import QuestionId
from workflow_engine.record.inbox import Answer, Approval, QuestionRecord


@dataclass(frozen=True)
class QuestionAsked:
    """A person is asked; the node rests."""

    at: datetime
    question: QuestionRecord
    started: datetime | None = None
    type: Literal["QuestionAsked"] = "QuestionAsked"


@dataclass(frozen=True)
class QuestionAnswered:
    """The run's owner took the one accepted answer up."""

    at: datetime
    question: QuestionId
    node: str
    visit: int
    answer: Answer
    type: Literal["QuestionAnswered"] = "QuestionAnswered"


@dataclass(frozen=True)
class QuestionReminded:
    """A question was asked again, as it was declared to be; `times` reminders in one where nobody was there earlier."""

    at: datetime
    question: QuestionId
    node: str
    visit: int
    to: str | None = None
    times: int = 1
    type: Literal["QuestionReminded"] = "QuestionReminded"


@dataclass(frozen=True)
class QuestionReassigned:
    """Somebody else is asked from now on. By oneself to oneself it is a claim: a candidate took it."""

    at: datetime
    question: QuestionId
    node: str
    visit: int
    to: str
    by: str
    before: str | None = None
    type: Literal["QuestionReassigned"] = "QuestionReassigned"


@dataclass(frozen=True)
class QuestionApproved:
    """One of several people whom a choice needs gave it; the others are waited for."""

    at: datetime
    question: QuestionId
    node: str
    visit: int
    answer: Answer
    approval: Approval
    type: Literal["QuestionApproved"] = "QuestionApproved"


@dataclass(frozen=True)
class QuestionExpired:
    """Nobody answered in time. `answer` is the declared default that holds now, if there is one."""

    at: datetime
    question: QuestionId
    node: str
    visit: int
    answer: Answer | None = None
    type: Literal["QuestionExpired"] = "QuestionExpired"


@dataclass(frozen=True)
class QuestionWithdrawn:
    """The run ended or moved on without the answer."""

    at: datetime
    question: QuestionId
    node: str
    visit: int
    type: Literal["QuestionWithdrawn"] = "QuestionWithdrawn"


__all__ = [
    "QuestionAnswered",
    "QuestionApproved",
    "QuestionAsked",
    "QuestionExpired",
    "QuestionReassigned",
    "QuestionReminded",
    "QuestionWithdrawn",
]
