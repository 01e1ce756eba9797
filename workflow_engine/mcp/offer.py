"""What is offered of some workflows: a tool to start each, and tools to look at runs, to cancel and to answer.

Only runs of these workflows are shown. A question is for people: it is told, and can be answered here only where
somebody let answers in under a name, for whoever calls a tool may be a model.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from workflow_engine.engine import Engine
from workflow_engine.errors import RunNotFound, UsageError, WorkflowError
from workflow_engine.mcp.ear import Ear
from workflow_engine.ports.ledger import Listed
from workflow_engine.runtime.view import RunView, question_document
from workflow_engine.spec.state import Field
from workflow_engine.spec.workflow import Workflow

LONGEST_WAIT = 300
"""Seconds that one call waits for a run."""
LISTED = 20

Tell = Callable[[float, str], Awaitable[None]]
"""Says how far it is: a number that grows, and words."""


@dataclass(frozen=True)
class Offered:
    """One tool: its schema, whether it only looks, and what it does. `call` raises WorkflowError."""

    name: str
    description: str
    schema: Mapping[str, Any]
    reads: bool
    call: Callable[[Mapping[str, Any], Tell], Awaitable[Any]]


class Offer:
    """The tools of some workflows on one engine. `labels` say where each one's code was found."""

    def __init__(
        self,
        engine: Engine,
        workflows: Sequence[Workflow[Any]],
        ear: Ear,
        labels: Mapping[str, str] | None = None,
        answer_as: str | None = None,
    ) -> None:
        self._engine, self._ear, self._answer_as = engine, ear, answer_as
        self._workflows = {each.name: each for each in workflows}
        self._labels = labels or {}

    def tools(self) -> tuple[Offered, ...]:
        """All of them. Raises UsageError for a workflow that cannot be started by a tool."""
        starts = [self._start(each) for each in self._workflows.values()]
        run = {"run": {"type": "string", "description": "the run's id"}}
        wait = {"wait_seconds": {"type": "integer", "minimum": 0, "maximum": LONGEST_WAIT, "default": 30}}
        rest = [
            Offered(
                "run_result",
                "Wait until a run ended or asks somebody, at most wait_seconds, and say how it stands: status, state, "
                "error, and the questions that people are asked. Call it again while the status is running.",
                _object({**run, **wait}, ("run",)),
                True,
                self._result,
            ),
            Offered("list_runs", f"The last {LISTED} runs and their status.", _object({}, ()), True, self._runs),
            Offered("cancel_run", "Cancel a run.", _object(run, ("run",)), False, self._cancel),
        ]
        if self._answer_as is not None:
            asked = {"question": {"type": "string", "description": "the question's id"}}
            given = {"answer": {"description": "a choice, or a value of the question's schema"}}
            rest.append(
                Offered(
                    "answer_question",
                    f"Answer a question of a run, as {self._answer_as}. It counts once, and the run goes on.",
                    _object({**asked, **given}, ("question", "answer")),
                    False,
                    self._answer,
                )
            )
        return (*starts, *rest)

    def _start(self, workflow: Workflow[Any]) -> Offered:
        fields = {name: each for name, each in workflow.fields.items() if not each.files}
        missing = [each.name for each in workflow.fields.values() if each.required and each.files]
        if missing:
            raise UsageError(
                f"{workflow.name} takes a file, {missing[0]!r}, which no tool can hand in", "begin its runs otherwise"
            )
        required = tuple(name for name, each in fields.items() if each.required)
        schema = _object({name: _schema_of(fields[name]) for name in required}, required)
        lifted = {key: each for field in required for key, each in _definitions(fields[field]).items()}
        if lifted:
            schema["$defs"] = lifted

        async def call(given: Mapping[str, Any], tell: Tell) -> Any:  # noqa: ARG001
            run = await self._engine.start(workflow, _typed(workflow, given), self._labels.get(workflow.name))
            return {"run": run, "status": "queued", "next": "run_result"}

        about = " ".join((workflow.state.__doc__ or "").split()) if "__doc__" in vars(workflow.state) else ""
        description = f"Start a run of the workflow {workflow.name}; returns its id at once. {about}".strip()
        return Offered(_named(f"start_{workflow.name}"), description, schema, False, call)

    async def _result(self, given: Mapping[str, Any], tell: Tell) -> Any:
        view = await self._view(given.get("run"))
        seconds = given.get("wait_seconds", 30)
        if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds <= LONGEST_WAIT:
            raise UsageError(f"wait_seconds is a number from 0 to {LONGEST_WAIT}")
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        told = 0
        # An answer that came is still to be taken: whoever owns the run says waiting until then.
        while (view.status in ("queued", "running") or view.letters) and loop.time() < until:
            heard, words = await self._ear.wait(view.id, told, min(1.0, until - loop.time()))
            if heard > told:
                told = heard
                await tell(float(told), words)
            view = await self._engine.get(view.id)
        return _told(view)

    async def _runs(self, given: Mapping[str, Any], tell: Tell) -> Any:  # noqa: ARG002
        found: list[Listed] = []
        for name in self._workflows:
            found += await self._engine.runs(workflow=name, limit=LISTED)
        latest = sorted(found, key=lambda each: each.created, reverse=True)[:LISTED]
        return [
            {"run": each.run, "workflow": each.workflow, "status": each.status, "created": each.created.isoformat()}
            for each in latest
        ]

    async def _cancel(self, given: Mapping[str, Any], tell: Tell) -> Any:  # noqa: ARG002
        view = await self._view(given.get("run"))
        return _told(await self._engine.cancel(view.id, by=self._answer_as or "mcp"))

    async def _answer(self, given: Mapping[str, Any], tell: Tell) -> Any:  # noqa: ARG002
        assert self._answer_as is not None
        asked = given.get("question")
        standing = [each for each in await self._engine.inbox() if each.question.id == asked]
        if not standing:
            raise UsageError(f"there is no open question {str(asked)[:60]!r}", "run_result tells those of a run")
        await self._view(standing[0].question.run)
        answered = await self._engine.answer(str(asked), given.get("answer"), by=self._answer_as, through="mcp")
        return {"run": answered.question.run, "next": "run_result"}

    async def _view(self, run: Any) -> RunView[Any]:
        """A run of one of these workflows; of any other nothing is told, not even that it is there."""
        if not isinstance(run, str) or not re.fullmatch(r"[0-9a-z]{4,40}", run):
            raise RunNotFound(f"{str(run)[:60]!r} is no run's id", "list_runs tells them")
        try:
            view = await self._engine.get(run)
        except WorkflowError:
            view = None
        if view is None or view.id != run or view.run.workflow not in self._workflows:
            raise RunNotFound(f"there is no run {run}", "list_runs tells them")
        return view


def _told(view: RunView[Any]) -> dict[str, Any]:
    whole = view.document()
    names = ("run", "workflow", "status", "reason", "error", "state", "usage")
    asked = [question_document(each) for each in view.open_questions]
    shown = ("question", "title", "message", "evidence", "choices", "schema", "due")
    return {
        **{name: whole[name] for name in names},
        "questions": [{name: each[name] for name in shown} for each in asked],
    }


def _typed(workflow: Workflow[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs as the state's fields want them; what does not fit is left as it is, for the engine to say so."""
    typed: dict[str, Any] = {}
    for name, value in given.items():
        field = workflow.fields.get(name)
        if field is None or not field.required or field.files:
            raise UsageError(f"{workflow.name} takes no input {name[:60]!r}")
        try:
            typed[name] = field.adapter.validate_json(json.dumps(value))
        except (ValidationError, ValueError, RecursionError):
            typed[name] = value
    return typed


def _schema_of(field: Field) -> dict[str, Any]:
    schema = dict(field.adapter.json_schema())
    schema.pop("$defs", None)
    return schema


def _definitions(field: Field) -> dict[str, Any]:
    return dict(field.adapter.json_schema().get("$defs", {}))


def _object(properties: Mapping[str, Any], required: tuple[str, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _named(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64]
