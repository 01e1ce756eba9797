"""A run as people and programs look at it: its fold, its state, its steps and its questions, at one moment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from workflow_engine.errors import Failure, UsageError
from workflow_engine.ports.ledger import Recorded
from workflow_engine.record.history import ChangeRecord, History, history
from workflow_engine.record.ids import RunId
from workflow_engine.record.inbox import Standing
from workflow_engine.record.run import Run
from workflow_engine.record.usage import Usage
from workflow_engine.record.waiting import Waiting
from workflow_engine.runtime.footing import Footing
from workflow_engine.spec.workflow import Workflow

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True)
class RunView(Generic[S]):
    """One run at one moment. `values` is the state as plain JSON; `state` the same through the workflow's own class.

    `owned` says whether a living process drives it, `letters` whether an answer or a signal waits to be taken,
    `signalled` that signals alone do. `expects` has the schema of what each signal carries that it waits for. `behind`
    are the facts that led here; a fork's begin with its parent's, while its usage and who answered are its own.
    `workflow` is the code that is here for it, if any, be its shape the run's or another by now.
    """

    run: Run
    values: Mapping[str, Any]
    behind: Sequence[Recorded] = field(repr=False, compare=False)
    questions: tuple[Standing, ...] = ()
    owned: bool = False
    letters: bool = False
    signalled: bool = False
    expects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    workflow: Workflow[S] | None = field(default=None, repr=False, compare=False)

    @property
    def model(self) -> type[S] | None:
        """The state's own class, where the workflow's code is here."""
        return None if self.workflow is None else self.workflow.state

    @cached_property
    def history(self) -> History:
        """The steps it took. Folded once somebody looks; raises errors.StoreDamaged where a stored fact is none."""
        return history(each.event for each in self.behind)

    @property
    def id(self) -> RunId:
        return self.run.id

    @property
    def footing(self) -> Footing:
        """How it stands, in few words."""
        return Footing(self.run, self.owned, self.letters, self.signalled)

    @property
    def status(self) -> str:
        """One of the six statuses. A waiting run whose answer is there is queued: anybody may go on with it."""
        return self.footing.status

    @property
    def reason(self) -> str | None:
        """Why it has this status: what it waits for, why it failed, or that its answer waits to be taken up."""
        return self.footing.reason

    @property
    def error(self) -> Failure | None:
        """What failed, if the run failed."""
        return self.run.error

    @property
    def usage(self) -> Usage:
        """What its model calls add up to."""
        return self.run.usage

    @property
    def interrupted(self) -> bool:
        """Whether the run says running but no living process owns it."""
        return self.footing.interrupted

    @property
    def state(self) -> S:
        """The state as the workflow's own class. Raises UsageError where that class is not here or refuses it."""
        if self.model is None:
            raise UsageError("the workflow's code is not here, so the state has no class", "read `values`, plain JSON")
        try:
            return self.model.model_validate_json(json.dumps(dict(self.values)), by_name=True)
        except ValidationError as error:
            why = "; ".join(each["msg"] for each in error.errors(include_url=False))
            raise UsageError(f"{self.model.__name__} refuses the state: {why}", "read `values`, plain JSON") from error

    @property
    def open_questions(self) -> tuple[Standing, ...]:
        return tuple(each for each in self.questions if each.status == "open" and each.answer is None)

    def document(self) -> dict[str, Any]:
        """The fixed JSON shape of `run|resume|answer|show --json`; that of a fork names its parent as well.

        That of a run that went on with other code tells its changes.
        """
        run, failure = self.run, self.run.error
        # A run that reached FAIL has no failed step, whatever failed and was caught on the way.
        failed = next((each.step for each in reversed(self.history.steps) if each.failure == failure), None)
        return {
            "schema": 1,
            "run": run.id,
            "workflow": run.workflow,
            "fingerprint": run.shape,
            "status": self.status,
            "reason": self.reason,
            "error": None
            if failure is None
            else {"kind": failure.kind, "message": failure.message, "step": failed, "node": failure.node},
            "state": dict(self.values),
            "questions": [question_document(each) for each in self.open_questions],
            "waits": [wait_document(each, self.expects) for each in run.waits],
            "steps": [
                {
                    "step": each.step,
                    "node": each.node,
                    "kind": each.kind,
                    "visit": each.visit,
                    "attempts": each.attempts,
                    "status": each.status,
                    "started": None if each.started is None else each.started.isoformat(),
                    "seconds": None if each.seconds is None else round(each.seconds, 6),
                    "error": None if each.failure is None else each.failure.message,
                    **({} if each.run is None else {"run": each.run}),
                }
                for each in self.history.steps
            ],
            "usage": {
                "requests": run.usage.requests,
                "input_tokens": run.usage.input_tokens,
                "output_tokens": run.usage.output_tokens,
                "cost": run.usage.cost,
            },
            "answered_by": list(run.answered_by),
            **({"changes": changes} if (changes := [_change(each) for each in self.history.changes]) else {}),
            **({} if run.parent is None else {"parent": {"run": run.parent[0], "step": run.parent[1]}}),
            **(
                {}
                if run.within is None
                else {"within": {"run": run.within.run, "node": run.within.node, "visit": run.within.visit}}
            ),
        }


def wait_document(waiting: Waiting, expects: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The fixed JSON shape of one entry of `waits`: what has not come, with the schema of what it carries."""
    missing = waiting.missing
    return {
        "node": waiting.node,
        "visit": waiting.visit,
        "on": waiting.on,
        "signals": [{"name": name, "schema": expects.get(name)} for name in missing] if waiting.on == "signal" else [],
        "first": waiting.first,
        "came": [each.name for each in waiting.had],
        "runs": list(missing) if waiting.on == "run" else [],
        "topic": waiting.topic,
        "until": None if waiting.until is None else waiting.until.isoformat(),
        "since": None if waiting.since is None else waiting.since.isoformat(),
        "trouble": waiting.trouble or None,
    }


def _change(change: ChangeRecord) -> dict[str, Any]:
    return {
        "after": change.steps,
        "at": change.at.isoformat(),
        "bodies": list(change.bodies),
        "how": list(change.how),
        "migrations": list(change.applied),
        "accepted": list(change.accepted),
    }


def question_document(standing: Standing) -> dict[str, Any]:
    """The fixed JSON shape of one entry of `inbox --json`, with what else a person needs to answer."""
    question = standing.question
    return {
        "question": question.id,
        "run": question.run,
        "node": question.node,
        "title": question.title,
        "choices": list(question.choices),
        "schema": dict(question.schema),
        "due": None if question.due is None else question.due.isoformat(),
        "message": question.message,
        "evidence": list(question.evidence),
        "tried": [{"node": each.node, "visit": each.visit, "outcome": each.outcome} for each in question.tried],
        "asked": None if question.asked is None else question.asked.isoformat(),
        **_people(standing),
    }


def _people(standing: Standing) -> dict[str, Any]:
    """Who may answer and what happens by itself: what of it there is."""
    question, known = standing.question, standing.known
    found = {
        "to": standing.to,
        "candidates": list(question.candidates),
        "not_by": list(question.not_by),
        "remind": [each.isoformat() for each in (question.remind if known is None else known.remind)],
        "reminded": 0 if known is None else known.reminded,
        "default": question.default,
        "approvals": dict(question.approvals),
        "approved": [{"by": each.by, "choice": each.choice, "at": each.at.isoformat()} for each in standing.approved],
    }
    return {name: value for name, value in found.items() if value not in (None, [], {}, 0)}
