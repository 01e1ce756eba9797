"""A notice: what happened in a run that somebody may want to be told of, and to whom it was told.

It is stored in the commit of what happened, so that nothing happens untold, and holds no words: what is said is read
where it is said, so that nobody is told of a question that has been answered meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from workflow_engine.record import events as e
from workflow_engine.record.ids import QuestionId, RunId, derived_id
from workflow_engine.record.run import Run

Happened = Literal["question.asked", "question.reminded", "question.reassigned", "question.expired", "run.failed"]
HAPPENINGS: tuple[Happened, ...] = (
    "question.asked",
    "question.reminded",
    "question.reassigned",
    "question.expired",
    "run.failed",
)
_OF_QUESTIONS: Mapping[type, Happened] = {
    e.QuestionAsked: "question.asked",
    e.QuestionReminded: "question.reminded",
    e.QuestionReassigned: "question.reassigned",
    e.QuestionExpired: "question.expired",
}


@dataclass(frozen=True)
class Told:
    """What became of a notice at one channel: `waiting` is tried again at `next`; the others are settled."""

    status: Literal["waiting", "sent", "given up", "passed over"]
    tries: int = 0
    next: datetime | None = None
    why: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class Notice:
    """What happened as event `seq` of a run, at a moment; `due` is when somebody should look after it, None once all
    is settled. `told` are the channels that were tried or passed over, by name; `taken` is how often somebody took it
    to tell of it since anybody last noted what became of that.
    """

    run: RunId
    seq: int
    happened: Happened
    at: datetime
    question: QuestionId | None = None
    due: datetime | None = None
    told: Mapping[str, Told] = field(default_factory=dict)
    taken: int = 0

    @property
    def id(self) -> str:
        """The same for every try by anybody, so that a receiver can leave out what it has: msg_ and 16 letters."""
        return f"msg_{derived_id('notice', self.run, str(self.seq), self.happened)}"


def noticed(before: str | None, run: Run, events: Sequence[Any]) -> list[Notice]:
    """What a batch of events that led to this run lets somebody be told of; `before` is the status it had before."""
    found: list[Notice] = []
    for seq, event in enumerate(events, start=run.seq - len(events) + 1):
        happened = _OF_QUESTIONS.get(type(event))
        if happened is None:
            continue
        if isinstance(event, e.QuestionReassigned) and event.to == event.by:
            continue  # whoever took it knows
        question = event.question.id if isinstance(event, e.QuestionAsked) else event.question
        found.append(Notice(run.id, seq, happened, event.at, question, event.at))
    # A run within another one fails into that, which may catch it.
    if run.status == "failed" and before != "failed" and run.within is None:
        found.append(Notice(run.id, run.seq, "run.failed", run.updated, None, run.updated))
    return found
