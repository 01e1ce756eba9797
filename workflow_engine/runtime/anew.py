"""A body run anew: what a recorded step comes to under other code, held against what it came to then.

Only what is pure runs: a function without effect, and the bodies that make a prompt or a question. All else is taken as
recorded.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from workflow_engine.bodies import function, human
from workflow_engine.bodies.calling import call
from workflow_engine.bodies.intent import Ask
from workflow_engine.bodies.scene import Scene, arguments
from workflow_engine.errors import StepError
from workflow_engine.record.difference import Change, differences
from workflow_engine.record.values import Value
from workflow_engine.runtime.replay import Difference, differs
from workflow_engine.runtime.tape import Moment, plain_of
from workflow_engine.spec.nodes import Agent, Function, Human, Node
from workflow_engine.spec.step import Step
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.attempt import failure_of
from workflow_engine.steps.live import Surroundings, after
from workflow_engine.steps.writing import reduced, writes_of


@dataclass(frozen=True)
class Said:
    """What a step comes to now: the state after it, whether it ran, and a difference found on the way."""

    state: Mapping[str, Value]
    ran: bool = False
    difference: Difference | None = None


class Anew:
    """The bodies of a workflow, to be run on recorded states."""

    def __init__(
        self, around: Surroundings, workflow: Workflow[Any], *, only_routes: bool, live_resources: bool
    ) -> None:
        self._around, self._workflow = around, workflow
        self._only_routes, self._live_resources = only_routes, live_resources

    async def said(self, moment: Moment, node: Node, before: Mapping[str, Value], state: Mapping[str, Value]) -> Said:
        """What the step recorded as `moment` comes to on the state `before` it; `state` is what it left then."""
        if moment.settled or moment.outcome == "expired":
            return Said(state)
        match node:
            case Function() if self._is_pure(node):
                return await self._ran(moment, node, before, state)
            case Agent():
                return await self._prompted(moment, node, before, state)
            case Human() if moment.question is not None:
                return await self._asked(moment, node, before, state)
            case _:
                return Said(state)

    def _is_pure(self, node: Function[Any, Any]) -> bool:
        resources = self._workflow.resources
        takes = any(isinstance(each.type, type) and each.type in resources for each in node.signature.parameters)
        return not node.effect and (self._live_resources or not takes)

    async def _ran(
        self, moment: Moment, node: Function[Any, Any], before: Mapping[str, Value], state: Mapping[str, Value]
    ) -> Said:
        try:
            now = await self._made(moment, node, before)
        except (Exception, SystemExit) as error:  # the body is the user's code
            return self._raised(moment, node, state, error)
        changes = self._changes(moment, node, state, now)
        if not changes or self._only_routes:
            return Said(state, ran=True)
        fields = ", ".join(dict.fromkeys(each.field for each in changes))
        first = changes[0]
        return Said(
            state,
            True,
            differs(
                moment,
                "value",
                f"{node.name} wrote {fields} otherwise than was recorded",
                first.before,
                first.after,
                changes,
                await self._hint(moment, node, before, now),
            ),
        )

    async def _made(self, moment: Moment, node: Function[Any, Any], before: Mapping[str, Value]) -> Mapping[str, Value]:
        """The state once the node ran anew. It has as many attempts as were recorded."""
        for left in range(moment.event.attempts - 1, -1, -1):
            try:
                intent = await self._within(node, moment, before, function.run)
                writes = writes_of(self._workflow, node.name, intent.values, self._around.limits)
                return after(before, reduced(self._workflow, node.name, before, writes), moment.seq)
            except Exception:
                if not left:
                    raise
        raise StepError(f"{node.name} was recorded with no attempt")

    def _changes(
        self, moment: Moment, node: Node, state: Mapping[str, Value], now: Mapping[str, Value]
    ) -> tuple[Change, ...]:
        names = dict.fromkeys((*moment.wrote, *node.writes))
        return differences(
            plain_of({name: state[name] for name in names if name in state}),
            plain_of({name: now[name] for name in names if name in now}),
        )

    async def _hint(
        self, moment: Moment, node: Function[Any, Any], before: Mapping[str, Value], now: Mapping[str, Value]
    ) -> str:
        """Whether it gives another value each time, which a second run shows."""
        try:
            again = await self._made(moment, node, before)
        except Exception:  # it raises now and then
            again = {}
        if self._changes(moment, node, now, again):
            return (
                f"{node.name} gives another value each time it runs (a clock, chance?): declare it with effect=True, "
                "so that it is taken as recorded, or compare with --only-routes"
            )
        return "if that is meant, compare with --only-routes: values may differ, ways may not"

    async def _prompted(
        self, moment: Moment, node: Agent[Any, Any], before: Mapping[str, Value], state: Mapping[str, Value]
    ) -> Said:
        """A prompt is not kept, so it is only made; the recorded answer is the answer."""
        try:
            prompt = await self._within(node, moment, before, _called)
        except (Exception, SystemExit) as error:
            return self._raised(moment, node, state, error)
        if isinstance(prompt, str):
            return Said(state)
        what = f"{node.name} returned a {type(prompt).__name__}, and a prompt is text"
        return Said(state, False, differs(moment, "failure", what, "an answer", what))

    async def _asked(
        self, moment: Moment, node: Human[Any, Any], before: Mapping[str, Value], state: Mapping[str, Value]
    ) -> Said:
        """The question is made anew and held against the one that was asked; the recorded answer is the answer."""
        try:
            ask: Ask = await self._within(node, moment, before, human.run)
        except (Exception, SystemExit) as error:
            return self._raised(moment, node, state, error)
        asked = moment.question
        assert asked is not None
        was = {
            "title": asked.title,
            "message": asked.message,
            "evidence": list(asked.evidence),
            "choices": list(asked.choices),
            "schema": dict(asked.schema),
        }
        evidence = ask.question.evidence
        now = {
            # The evidence that was kept may have been cut; what is as it was made is compared.
            "title": ask.question.title or asked.title,
            "message": ask.question.message,
            "evidence": [evidence] if isinstance(evidence, str) else [str(each) for each in evidence],
            "choices": list(ask.choices),
            "schema": dict(ask.schema),
        }
        changes = differences(was, now)
        # A question that was asked again after an answer that did not fit says so itself.
        changes = tuple(each for each in changes if not _appended(each) and "cut ..." not in str(each.before))
        if not changes or self._only_routes:
            return Said(state)
        places = ", ".join(dict.fromkeys(each.field for each in changes))
        what = f"{node.name} asks otherwise than was recorded: its {places}"
        first = changes[0]
        return Said(state, False, differs(moment, "question", what, first.before, first.after, changes))

    def _raised(self, moment: Moment, node: Node, state: Mapping[str, Value], error: BaseException) -> Said:
        message = failure_of(node.name, error, 1).message
        what = f"{node.name} fails: {message}"
        return Said(state, True, differs(moment, "failure", what, list(moment.wrote), message))

    async def _within(self, node: Node, moment: Moment, before: Mapping[str, Value], act: Any) -> Any:
        """Run a body in a scene like that of the recorded step, with a workspace of its own if it asks for one."""
        with ExitStack() as opened:

            def workspace() -> Path:
                folder = tempfile.TemporaryDirectory(prefix="workflow-replay-", ignore_cleanup_errors=True)
                return Path(opened.enter_context(folder)).resolve()

            step = Step(
                run=moment.run.id,
                node=node.name,
                visit=moment.visit,
                attempt=moment.event.attempts,
                key=moment.key,
                workspace_at=cache(workspace),
            )
            around = self._around
            scene = Scene(self._workflow, before, step, around.resources, around.runner, moment.failure)
            limit = node.timeout
            async with asyncio.timeout(None if limit is None else limit.total_seconds()):
                return await act(node, scene)


async def _called(node: Node, scene: Scene) -> Any:
    return await call(node.body, await arguments(scene, node.signature.parameters))


def _appended(change: Change) -> bool:
    both = (change.before, change.after)
    return change.field == "message" and all(isinstance(each, str) for each in both) and both[0].startswith(both[1])


__all__ = ["Anew", "Said"]
