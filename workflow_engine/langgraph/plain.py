"""What the nodes of an exported graph do: one visit each, told by the channels alone, deciding its own way on."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from random import random
from typing import Any

from langgraph.errors import NodeError
from langgraph.runtime import Runtime
from langgraph.types import Command, Overwrite, interrupt
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from workflow_engine.bodies import each, subflow
from workflow_engine.bodies.intent import Ask, Await, Wrote
from workflow_engine.bodies.resources import Resources
from workflow_engine.bodies.run import run as run_body
from workflow_engine.bodies.scene import Scene
from workflow_engine.errors import Failure, StepError, WorkflowError
from workflow_engine.frontier.leave import Left
from workflow_engine.langgraph.channels import CAUGHT, COUNTS, VISITS, Values, checked
from workflow_engine.langgraph.nested import NestedGraphs
from workflow_engine.ports.agents import AgentRunner
from workflow_engine.record.frontier import Frontier, Move
from workflow_engine.record.ids import RunId, step_key
from workflow_engine.record.people import choice_in
from workflow_engine.spec import waits
from workflow_engine.spec.document import carried_schema
from workflow_engine.spec.each import Each
from workflow_engine.spec.edges import FAIL_PREFIX, START_NAME, Edge
from workflow_engine.spec.nodes import FAILED, Human, Node
from workflow_engine.spec.policies import ONCE, Wait, attempts_of, rule_for
from workflow_engine.spec.step import Step
from workflow_engine.spec.subflow import Subflow
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.attempt import failure_of
from workflow_engine.steps.live import log
from workflow_engine.steps.onward import onward

Ways = Callable[[Move], list[str]]
"""The LangGraph nodes a move leads to."""


class ReachedFail(WorkflowError):
    """An exported graph came to FAIL: LangGraph has no failed end, so the call raises."""


@dataclass(frozen=True)
class Plain:
    """The makers of an exported graph's nodes."""

    workflow: Workflow[Any]
    resources: Resources
    runner: Callable[[], AgentRunner]
    ways: Ways
    within: Callable[[Workflow[Any]], Any]
    graphs: NestedGraphs = field(default_factory=NestedGraphs)

    def begin(self, seeds: Mapping[str, Any]) -> Any:
        """The node before the first: channels of reducers get their field's default, and routes are decided."""

        async def begin(state: dict[str, Any]) -> Command[Any]:
            fields = self.workflow.fields
            seeded = {name: fields[name].default for name, first in seeds.items() if state.get(name, first) == first}
            left = self._left(START_NAME, None, state, Values(self.workflow, {**state, **seeded}))
            return self._onward(left, {name: Overwrite(value) for name, value in seeded.items()})

        return begin

    def step(self, node: Node) -> Any:
        """A node of the workflow."""

        async def step(state: dict[str, Any], runtime: Runtime[None]) -> Command[Any]:
            visit = state.get(VISITS, {}).get(node.name, 0) + 1
            values = Values(self.workflow, state)
            with _Workspace(node.name) as workspace:
                scene = Scene(
                    self.workflow,
                    values,
                    _step_of(node.name, visit, runtime, workspace),
                    self.resources,
                    self.runner,
                    state.get(CAUGHT, {}).get(node.name),
                    graphs=lambda: self.graphs,
                )
                intent = await self._done(node, scene)
            if isinstance(intent, Ask):
                assert isinstance(node, Human)
                written, outcome = _answered(self.workflow, node, intent)
            elif isinstance(intent, Await):
                assert isinstance(node, waits.Wait)
                written, outcome = _awaited(self.workflow, node, intent)
            else:
                assert isinstance(intent, Wrote)
                written, outcome = checked(self.workflow, node.name, intent.values), None
            left = self._left(node.name, outcome, state, values.after(self.workflow, written))
            return self._onward(left, {**written, VISITS: {node.name: visit}})

        return step

    async def _done(self, node: Node, scene: Scene) -> Any:
        if isinstance(node, Each):
            return await _spread(node, scene, self._one)
        if not isinstance(node, Subflow):
            return await run_body(node, scene)
        return await self._entered(node, scene)

    async def _entered(self, node: Subflow, scene: Scene) -> Wrote:
        ended = await self.within(node.workflow).ainvoke(dict(subflow.run(node, scene).inputs))
        fields = node.workflow.fields
        return Wrote({mine: ended.get(theirs, fields[theirs].default) for mine, theirs in node.gives.items()})

    async def _one(self, node: Each[Any, Any], work: each.Spread, index: int, scene: Scene) -> Wrote:
        if isinstance(node.one, Subflow):
            return await self._entered(node.one, each.with_item(node, work, index, scene))
        return await each.one(node, work, index, scene)

    def caught(self, node: Node) -> Any:
        """What happens when a node gave up and has a failure edge."""

        async def caught(state: dict[str, Any], error: NodeError) -> Command[Any]:
            visit = state.get(VISITS, {}).get(node.name, 0) + 1
            left = self._left(node.name, FAILED, state, Values(self.workflow, state))
            failure = failure_of(node.name, _raised(error.error), attempts_of(node.retry))
            told = dict.fromkeys(left.move.entered, failure)
            return self._onward(left, {VISITS: {node.name: visit}, CAUGHT: told})

        return caught

    def joined(self, edge: Edge) -> Any:
        """The node after a join whose way on is still to be decided."""
        *others, last = edge.sources

        async def joined(state: dict[str, Any]) -> Command[Any]:
            there = {edge.key: tuple(str(each) for each in others)}
            frontier = Frontier(counts=state.get(COUNTS, {}), arrived=there)
            left = onward(self.workflow, frontier, last.node, last.outcome, Values(self.workflow, state))
            return self._onward(left, {})

        return joined

    def arriving(self) -> Any:
        """A node that one way out among several leads to: its static edge tells the join behind it."""

        async def arriving(_state: dict[str, Any]) -> None: ...

        return arriving

    def failing(self, end: str) -> Any:
        """A FAIL of the workflow."""

        async def failing(_state: dict[str, Any]) -> None:
            raise ReachedFail(f"{self.workflow.name} reached FAIL: {end.removeprefix(FAIL_PREFIX)}")

        return failing

    def _left(self, node: str, outcome: str | None, state: Mapping[str, Any], values: Values) -> Left:
        return onward(self.workflow, Frontier(counts=state.get(COUNTS, {})), node, outcome, values)

    def _onward(self, left: Left, update: Mapping[str, Any]) -> Command[Any]:
        return Command(update={**update, COUNTS: dict(left.move.counts)}, goto=self.ways(left.move))


def _raised(error: Any) -> BaseException:
    """What a node raised. Where another arm asked meanwhile, LangGraph has it from its checkpoint, as a text."""
    return error if isinstance(error, BaseException) else StepError(str(error))


async def _spread(node: Each[Any, Any], scene: Scene, do: Callable[..., Awaitable[Wrote]]) -> Wrote:
    """All items in one go: none is kept by itself."""
    work = each.spread(node, scene)
    known: dict[int, str] = {}
    failed: dict[int, Failure] = {}
    gate = asyncio.Semaphore(node.at_once)

    async def one(index: int) -> None:
        key = step_key(RunId(scene.step.run), node.name, scene.step.visit, index)
        async with gate:
            for attempt in count(1):
                step = replace(scene.step, item=index, key=key, attempt=attempt)
                try:
                    intent = await do(node, work, index, replace(scene, step=step))
                    value = next(iter(intent.values.values()), None)
                    known[index] = work.encoded(value, f"{node.name} wrote item {index} of {', '.join(node.writes)!r}")
                    return
                except Exception as error:
                    decision = (rule_for(node.retry, error) or ONCE).after(attempt, error, random())
                    if isinstance(decision, Wait):
                        await asyncio.sleep(decision.time.total_seconds())
                        continue
                    if node.on_error == "fail":
                        raise
                    failed[index] = failure_of(node.name, error, attempt)
                    return

    await asyncio.gather(*(one(index) for index in range(len(work.items))))
    whole = work.whole(known, failed, node.on_error)
    return Wrote({name: scene.workflow.fields[name].adapter.validate_json(whole) for name in node.writes})


def _awaited(workflow: Workflow[Any], node: waits.Wait, told: Await) -> tuple[dict[str, Any], str | None]:
    """Interrupt until the signals are given by name, all of them or the first; a time is over when somebody resumes."""
    fields = workflow.fields
    kinds = {name: node.payload(name, fields) for name in node.names}
    asked: dict[str, Any] = {
        "node": node.name,
        "signals": [{"name": name, "schema": carried_schema(kind)} for name, kind in kinds.items()],
        "first": node.first,
        "until": None if told.until is None else told.until.isoformat(),
    }
    while True:
        given = interrupt(asked)
        if not node.signals:
            return {}, None
        wanted = f"resume with {{name: what it carries}} for {'one' if node.first else 'each'} of {', '.join(kinds)}"
        if not isinstance(given, Mapping) or not (len(given) == 1 if node.first else set(given) == set(kinds)):
            asked = {**asked, "problem": wanted}
            continue
        try:
            values = {name: None if kinds[name] is None else _payload(kinds[name], given[name]) for name in given}
        except (KeyError, ValidationError) as error:
            asked = {**asked, "problem": wanted if isinstance(error, KeyError) else str(error)}
            continue
        written = {node.carried[name]: value for name, value in values.items() if name in node.carried}
        return checked(workflow, node.name, written), next(iter(given)) if node.first else None


def _payload(kind: Any, given: Any) -> Any:
    return TypeAdapter(kind).validate_json(json.dumps(to_jsonable_python(given)))


def _answered(workflow: Workflow[Any], node: Human[Any, Any], ask: Ask) -> tuple[dict[str, Any], str | None]:
    """Interrupt until there is an answer that fits; LangGraph runs the node from its top each time."""
    asked: dict[str, Any] = {
        "node": node.name,
        "title": ask.question.title,
        "message": ask.question.message,
        "evidence": list(ask.question.evidence),
        "choices": list(ask.choices),
        "schema": dict(ask.schema),
    }
    answer: TypeAdapter[Any] = TypeAdapter(Any if node.answer is None else node.answer)
    while True:
        given = interrupt(asked)
        if isinstance(given, str) and given in ask.choices and ask.schema.get("type") == "object":
            given = {"choice": given}
        try:
            plain = answer.dump_python(answer.validate_python(given), mode="json")
            fields = {name: workflow.fields[name].adapter for name in node.writes}
            return {name: adapter.validate_python(plain) for name, adapter in fields.items()}, choice_in(plain)
        except ValidationError as error:
            asked = {**asked, "problem": str(error)}


def _step_of(node: str, visit: int, runtime: Runtime[None], workspace: _Workspace) -> Step:
    info = runtime.execution_info
    run = RunId((info and (info.thread_id or info.run_id)) or "plain")
    return Step(
        run=run,
        node=node,
        visit=visit,
        attempt=1 if info is None else info.node_attempt,
        key=step_key(run, node, visit),
        log=lambda text: log.info("%s %s: %s", run, node, text),
        progress=lambda words: runtime.stream_writer({"node": node, "progress": words}),
        workspace_at=workspace.open,
    )


class _Workspace:
    """An empty folder, made when it is first asked for and gone afterwards."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._path: Path | None = None

    def open(self) -> Path:
        if self._path is None:
            self._path = Path(tempfile.mkdtemp(prefix=f"workflow-{self._node[:20]}-")).resolve()
        return self._path

    def __enter__(self) -> _Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
