"""What happened, step by step: a second fold of the journal, for people, pictures and reports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from workflow_engine.errors import Failure
from workflow_engine.record import events as e
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.record.usage import Usage
from workflow_engine.record.waiting import words_of

COMMITS = (e.StepFinished, e.StepFailed)
"""The events that end a step: their place among each other is the step's number."""


@dataclass(frozen=True)
class StepRecord:
    """One visit of the run to one node. `step` numbers commits from 1; it is None while the step is not committed.

    `via` are the keys of the edges travelled when it was left; `outcome` the word, `words` what it last said. `run` is
    the run that does it, or did, where the node is a subflow.
    """

    node: str
    kind: str
    visit: int
    status: Literal["finished", "failed", "waiting", "running"]
    attempts: int = 1
    step: int | None = None
    started: datetime | None = None
    seconds: float | None = None
    failure: Failure | None = None
    outcome: str | None = None
    routes: tuple[tuple[str, str], ...] = ()
    via: tuple[str, ...] = ()
    words: str = ""
    usage: Usage | None = None
    answered_by: tuple[str, ...] = ()
    question: QuestionId | None = None
    due: datetime | None = None
    run: RunId | None = None


@dataclass(frozen=True)
class History:
    """The steps in order of commit (open ones last) and the edges travelled before the first step.

    A fork's history begins with its parent's steps; so many are `missing` as can no longer be read there.
    """

    steps: tuple[StepRecord, ...]
    begun_via: tuple[str, ...] = ()
    missing: int = 0

    def latest(self, node: str) -> StepRecord | None:
        """The last visit to a node."""
        return next((each for each in reversed(self.steps) if each.node == node), None)

    def of(self, node: str) -> tuple[StepRecord, ...]:
        """All visits to a node, in order."""
        return tuple(each for each in self.steps if each.node == node)


def history(journal: Iterable[Any]) -> History:
    """Fold a journal into its steps. A fork's follows on the journal of its parent up to the step it left anew."""
    done: list[StepRecord] = []
    missing = 0
    waiting: dict[str, StepRecord] = {}
    begun: tuple[str, ...] = ()
    entered: dict[tuple[str, int], RunId] = {}
    for event in journal:
        match event:
            case e.RunCreated():
                begun = event.move.via
            case e.RunForked():
                waiting.clear()
                if event.step == 0:
                    begun = event.move.via
                else:
                    missing = missing if done else event.step - 1
                    done[-1:] = [_left_anew(event, done[-1] if done else None)]
            case e.QuestionAsked():
                asked = event.question
                waiting[asked.node] = StepRecord(
                    asked.node,
                    "human" if asked.asks == "human" else "function",
                    asked.visit,
                    "waiting",
                    started=event.started or event.at,
                    question=asked.id,
                    due=asked.due,
                    words=asked.title,
                )
            case e.SubflowEntered():
                began = waiting.get(event.node)
                entered[event.node, event.visit] = event.run
                started = event.at if began is None or began.visit != event.visit else began.started
                waiting[event.node] = StepRecord(
                    event.node, "subflow", event.visit, "running", started=started, run=event.run
                )
            case e.WaitBegan():
                wait = event.waiting
                waiting[wait.node] = StepRecord(
                    wait.node,
                    "subflow" if wait.on == "run" else "wait",
                    wait.visit,
                    "waiting",
                    started=wait.since or event.at,
                    due=wait.until,
                    words=words_of(wait),
                    run=entered.get((wait.node, wait.visit)),
                )
            case e.QuestionWithdrawn() | e.WaitExpired():
                waiting.pop(event.node, None)
            case e.StepFinished():
                waiting.pop(event.node, None)
                done.append(
                    StepRecord(
                        event.node,
                        event.kind,
                        event.visit,
                        "finished",
                        event.attempts,
                        missing + len(done) + 1,
                        event.started,
                        event.seconds,
                        None,
                        event.outcome,
                        event.routes,
                        event.move.via,
                        event.words,
                        event.usage,
                        event.answered_by,
                        run=entered.get((event.node, event.visit)) if entered else None,
                    )
                )
            case e.StepFailed():
                waiting.pop(event.node, None)
                done.append(
                    StepRecord(
                        event.node,
                        event.kind,
                        event.visit,
                        "failed",
                        event.attempts,
                        missing + len(done) + 1,
                        event.started,
                        event.seconds,
                        event.failure,
                        event.outcome,
                        (),
                        () if event.move is None else event.move.via,
                        event.failure.message,
                        event.usage,
                        event.answered_by,
                        run=entered.get((event.node, event.visit)) if entered else None,
                    )
                )
            case _:
                pass
    return History((*done, *waiting.values()), begun, missing)


def _left_anew(event: e.RunForked, before: StepRecord | None) -> StepRecord:
    """The step a fork began at: its parent's, as the fork has it and left it."""
    assert event.node is not None
    record = before or StepRecord(event.node, event.kind, event.visit, "finished", step=event.step)
    return replace(
        record,
        status="finished" if event.failure is None else "failed",
        failure=event.failure,
        outcome=event.outcome,
        routes=event.routes,
        via=event.move.via,
        words=f"edited: {', '.join(event.edits)}" if event.edits else record.words,
    )


def unfinished(record: StepRecord, seconds: float) -> StepRecord:
    """The same step with the time it has taken so far."""
    return replace(record, seconds=seconds)
