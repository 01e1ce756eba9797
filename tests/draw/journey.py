"""A journey: a run's journal written by hand, step by step, with the moves the real frontier makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from workflow_engine.errors import Failure
from workflow_engine.frontier.leave import leave
from workflow_engine.record import events as e
from workflow_engine.record.fold import fold
from workflow_engine.record.history import History, history
from workflow_engine.record.ids import RunId, question_id
from workflow_engine.record.inbox import Answer, QuestionRecord
from workflow_engine.record.run import Run
from workflow_engine.record.usage import Usage
from workflow_engine.spec.workflow import Workflow

BEGUN = datetime(2026, 3, 7, 9, 5, tzinfo=UTC)
RUN = RunId("01JD8-K3Q7")


@dataclass
class Journey:
    """Begins at once; `routes` says what each route decides from now on."""

    workflow: Workflow[Any]
    routes: Mapping[str, str] = field(default_factory=dict)
    journal: list[Any] = field(default_factory=list)
    now: datetime = BEGUN

    def __post_init__(self) -> None:
        move = leave(self.workflow, fold_or_none(self.journal), "START", None, self.decide).move
        shape = self.workflow.shape
        self.journal.append(e.RunCreated(self.now, RUN, self.workflow.name, shape, self.workflow.bodies, move))
        self.journal.append(e.RunClaimed(self.now, 1, "here", "run"))

    def decide(self, route: Any) -> str:
        return self.routes[route.name]

    @property
    def run(self) -> Run:
        return fold(self.journal)

    @property
    def history(self) -> History:
        return history(self.journal)

    def did(
        self,
        node: str,
        outcome: str | None = None,
        *,
        seconds: float = 1.0,
        usage: Usage | None = None,
        attempts: int = 1,
        by: tuple[str, ...] = (),
    ) -> Journey:
        """The node finished, with the next questions and moves that follow."""
        run = self.run
        left = leave(self.workflow, run.frontier, node, outcome, self.decide)
        started, self.now = self.now, self.now + timedelta(seconds=seconds)
        visit, kind = run.frontier.visits[node], self.workflow.nodes[node].kind
        self.journal.append(
            e.StepFinished(
                self.now, node, kind, visit, attempts, started, seconds, (), left.move, outcome, left.routes, usage, by
            )
        )
        return self

    def failed(self, node: str, failure: Failure, *, caught: bool = False) -> Journey:
        run = self.run
        move = leave(self.workflow, run.frontier, node, "failed", self.decide).move if caught else None
        started, self.now = self.now, self.now + timedelta(seconds=2)
        visit, kind = run.frontier.visits[node], self.workflow.nodes[node].kind
        self.journal.append(e.StepFailed(self.now, node, kind, visit, 3, started, 2.0, failure, move))
        if move is None:
            self.journal.append(e.RunFailed(self.now, failure))
        return self

    def asked(self, node: str, *, within: timedelta | None = None) -> Journey:
        run = self.run
        question = QuestionRecord(
            question_id(RUN, run.asked + 1),
            RUN,
            node,
            run.frontier.visits[node],
            "?",
            "?",
            {},
            due=None if within is None else self.now + within,
        )
        self.journal.append(e.QuestionAsked(self.now, question))
        return self

    def answered(self, node: str, word: str, *, seconds: float = 60.0) -> Journey:
        opened = self.run.question(node)
        assert opened is not None
        answer = Answer(opened.id, word, "ana", self.now, "cli")
        self.journal.append(e.QuestionAnswered(self.now, opened.id, node, opened.visit, answer))
        return self.did(node, word, seconds=seconds)

    def then(self, **routes: str) -> Journey:
        self.routes = {**self.routes, **routes}
        return self


def fold_or_none(journal: list[Any]) -> Any:
    from workflow_engine.record.frontier import Frontier

    return fold(journal).frontier if journal else Frontier()
