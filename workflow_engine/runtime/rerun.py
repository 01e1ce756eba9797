"""Rerunning: a recorded run held against a workflow. What is pure is executed, and nothing else.

Each step is taken in the recorded order of commits, on the recorded state. A function without effect runs anew, routes
are decided anew, the bodies of agents and people are called for the prompt and the question they make. What agents,
effects, people, waits, items and runs within came to is taken as recorded. The first difference ends it, for what comes
after one may differ for its sake. Nothing is written.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
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
from workflow_engine.frontier.leave import catches, is_left
from workflow_engine.record.difference import Change, differences
from workflow_engine.record.events import RunForked, StepFailed
from workflow_engine.record.frontier import Frontier, Move
from workflow_engine.record.ids import RunId
from workflow_engine.record.values import Value
from workflow_engine.runtime.bringing import Bringing
from workflow_engine.runtime.past import Past
from workflow_engine.runtime.replay import Difference, Kind, Replay, Retaken
from workflow_engine.runtime.tape import Moment, plain_of, tape
from workflow_engine.runtime.workshop import Workshop
from workflow_engine.spec.nodes import Agent, Function, Human, Node, Route
from workflow_engine.spec.step import Step
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.attempt import failure_of
from workflow_engine.steps.live import after
from workflow_engine.steps.onward import onward
from workflow_engine.steps.writing import reduced, writes_of


async def replayed_against(
    shop: Workshop, behind: Past, workflow: Workflow[Any], *, only_routes: bool, live_resources: bool
) -> Replay:
    """A recorded run held against a workflow, up to the first difference."""
    again = _Again(shop, behind, workflow, only_routes=only_routes, live_resources=live_resources)
    moments: list[Moment] = []
    found: Difference | None = None
    async for moment in tape(shop.ledger, behind):
        moments.append(moment)
        found = await again.take(moment)
        if found is not None:
            break
    return Replay(behind.run, tuple(moments), tuple(again.steps), found)


@dataclass(frozen=True)
class _Said:
    """What a step comes to now: the state after it, whether it ran, and a difference found on the way."""

    state: Mapping[str, Value]
    ran: bool = False
    difference: Difference | None = None


class _Again:
    """The run as it goes now. `last` is where it stood before the last step, for a fork leaves that step anew."""

    def __init__(
        self, shop: Workshop, behind: Past, workflow: Workflow[Any], *, only_routes: bool, live_resources: bool
    ) -> None:
        self.shop, self.behind, self.workflow = shop, behind, workflow
        self.only_routes, self.live_resources = only_routes, live_resources
        self.frontier = Frontier()
        self.last: Frontier | None = None
        self.steps: list[Retaken] = []
        self._bringing: Bringing | None = None

    async def take(self, moment: Moment) -> Difference | None:
        """Take one moment again; the difference, if there is one."""
        up = await self._up(moment.run.id)
        match moment.kind:
            case "begun":
                return self._leave(moment, up, "START", None, up.state(moment.seq, moment.state), Frontier())
            case "forked":
                event: RunForked = moment.event
                at = up.frontier(moment.seq, event.before) if self.last is None else self.last
                node = "START" if event.node is None else up.node(moment.seq, event.node)
                word = None if event.node is None else up.outcome(moment.seq, event.node, event.outcome)
                return self._leave(moment, up, node, word, up.state(moment.seq, moment.state), at)
            case "migrated":
                return None
            case "withdrawn":
                return self._withdrawn(moment, up)
            case _:
                return await self._step(moment, up)

    async def _up(self, run: RunId) -> Bringing:
        if self._bringing is None or self._bringing.run != run:
            limits = self.shop.around.limits
            self._bringing = await Bringing.of(self.shop.ledger, self.behind, run, self.workflow, limits)
        return self._bringing

    def _withdrawn(self, moment: Moment, up: Bringing) -> Difference | None:
        name = up.node(moment.seq, moment.node)
        if name not in self.workflow.nodes or not is_left(self.workflow, self.frontier, name):
            what = f"{name} was withdrawn with its fork, and is not now"
            return _differs(moment, "way", what, _entered(moment.event.move), list(self.frontier.due))
        return self._leave(moment, up, name, None, up.state(moment.seq, moment.state), self.frontier)

    async def _step(self, moment: Moment, up: Bringing) -> Difference | None:
        name = up.node(moment.seq, moment.node)
        node = self.workflow.nodes.get(name)
        if node is None or isinstance(node, Route):
            gone = "is not in the workflow" if node is None else "is a route now"
            return _differs(moment, "missing", f"{name} was recorded and {gone}", name, list(self.frontier.due))
        if name not in self.frontier.due:
            due = ", ".join(self.frontier.due) or "none"
            what = f"{name} was recorded, and is not what comes now: {due}"
            return _differs(moment, "missing", what, name, list(self.frontier.due))
        state = up.state(moment.seq, moment.state)
        if isinstance(moment.event, StepFailed):
            self.steps.append(Retaken(moment.step, name, moment.visit, "recorded"))
            return self._failed(moment, up, name, state)
        said = await self._said(moment, node, up.state(moment.seq, moment.before), state)
        self.steps.append(Retaken(moment.step, name, moment.visit, "ran" if said.ran else "recorded"))
        if said.difference is not None:
            return said.difference
        word = up.outcome(moment.seq, moment.node, moment.outcome)
        return self._leave(moment, up, name, word, said.state, self.frontier)

    def _failed(self, moment: Moment, up: Bringing, name: str, state: Mapping[str, Value]) -> Difference | None:
        """A recorded failure is that failure again; where it leads may differ."""
        catching, caught = catches(self.workflow, name, "failed"), moment.event.move is not None
        if catching and caught:
            return self._leave(moment, up, name, "failed", state, self.frontier)
        if catching != caught:
            what = f"{name} failed, and its failure is {'caught' if catching else 'not caught'} now"
            return _differs(moment, "way", what, _entered(moment.event.move), None)
        self.frontier = self.frontier.charged(up.spent(moment.seq, moment.event.spent))
        return None

    # What it comes to

    async def _said(self, moment: Moment, node: Node, before: Mapping[str, Value], state: Mapping[str, Value]) -> _Said:
        if moment.settled or moment.outcome == "expired":
            return _Said(state)
        match node:
            case Function() if self._is_pure(node):
                return await self._ran(moment, node, before, state)
            case Agent():
                return await self._prompted(moment, node, before, state)
            case Human() if moment.question is not None:
                return await self._asked(moment, node, before, state)
            case _:
                return _Said(state)

    def _is_pure(self, node: Function[Any, Any]) -> bool:
        resources = self.workflow.resources
        takes = any(isinstance(each.type, type) and each.type in resources for each in node.signature.parameters)
        return not node.effect and (self.live_resources or not takes)

    async def _ran(
        self, moment: Moment, node: Function[Any, Any], before: Mapping[str, Value], state: Mapping[str, Value]
    ) -> _Said:
        try:
            now = await self._made(moment, node, before)
        except (Exception, SystemExit) as error:  # the body is the user's code
            return self._raised(moment, node, state, error)
        changes = self._changes(moment, node, state, now)
        if not changes or self.only_routes:
            return _Said(state, ran=True)
        fields = ", ".join(dict.fromkeys(each.field for each in changes))
        first = changes[0]
        return _Said(
            state,
            True,
            _differs(
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
                writes = writes_of(self.workflow, node.name, intent.values, self.shop.around.limits)
                return after(before, reduced(self.workflow, node.name, before, writes), moment.seq)
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
    ) -> _Said:
        """A prompt is not kept, so it is only made; the recorded answer is the answer."""
        try:
            prompt = await self._within(node, moment, before, _called)
        except (Exception, SystemExit) as error:
            return self._raised(moment, node, state, error)
        if isinstance(prompt, str):
            return _Said(state)
        what = f"{node.name} returned a {type(prompt).__name__}, and a prompt is text"
        return _Said(state, False, _differs(moment, "failure", what, "an answer", what))

    async def _asked(
        self, moment: Moment, node: Human[Any, Any], before: Mapping[str, Value], state: Mapping[str, Value]
    ) -> _Said:
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
        if not changes or self.only_routes:
            return _Said(state)
        places = ", ".join(dict.fromkeys(each.field for each in changes))
        what = f"{node.name} asks otherwise than was recorded: its {places}"
        first = changes[0]
        return _Said(state, False, _differs(moment, "question", what, first.before, first.after, changes))

    def _raised(self, moment: Moment, node: Node, state: Mapping[str, Value], error: BaseException) -> _Said:
        message = failure_of(node.name, error, 1).message
        what = f"{node.name} fails: {message}"
        return _Said(state, True, _differs(moment, "failure", what, list(moment.wrote), message))

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
            around = self.shop.around
            scene = Scene(self.workflow, before, step, around.resources, around.runner, moment.failure)
            limit = node.timeout
            async with asyncio.timeout(None if limit is None else limit.total_seconds()):
                return await act(node, scene)

    # Where it leads

    def _leave(
        self,
        moment: Moment,
        up: Bringing,
        name: str,
        word: str | None,
        state: Mapping[str, Value],
        at: Frontier,
    ) -> Difference | None:
        """Leave the step as it is left now; the difference to where it led."""
        recorded: Move = moment.event.move
        self.last = at
        at = at.charged(up.spent(moment.seq, recorded.spent))
        try:
            gone = {up.node(moment.seq, each) for each in recorded.dropped}
            staying = [each for each in at.due if each not in gone] if recorded.leaving else ()
            left = onward(self.workflow, at, name, word, state, staying=staying)
        except StepError as error:
            return _differs(moment, "route", error.what, _entered(recorded), None)
        for route, decided in moment.routes:
            now = dict(left.routes).get(up.node(moment.seq, route))
            was = up.outcome(moment.seq, route, decided)
            if now is not None and now != was:
                return _differs(moment, "route", f"route {route} says {now}, and said {was}", was, now)
        then = sorted(up.node(moment.seq, each) for each in _ahead(recorded))
        if then != sorted(_ahead(left.move)) or recorded.ended != left.move.ended:
            went, goes = _entered(recorded, then), _entered(left.move)
            what = f"after {name} the run goes to {_told(goes)}, and went to {_told(went)}"
            return _differs(moment, "way", what, went, goes)
        self.frontier = at.after(left.move)
        return None


async def _called(node: Node, scene: Scene) -> Any:
    return await call(node.body, await arguments(scene, node.signature.parameters))


def _appended(change: Change) -> bool:
    both = (change.before, change.after)
    return change.field == "message" and all(isinstance(each, str) for each in both) and both[0].startswith(both[1])


def _entered(move: Move | None, names: Sequence[str] | None = None) -> list[str]:
    """The nodes a move leads to, or the end."""
    if move is None:
        return []
    return [move.ended] if move.ended is not None else list(_ahead(move) if names is None else names)


def _ahead(move: Move) -> tuple[str, ...]:
    """The nodes a move enters, or will once what is under way in the fork it leaves is over."""
    return (*move.entered, *(there[-1] for there in move.leaving.values() if there))


def _told(places: Sequence[str]) -> str:
    return " and ".join(places) or "nowhere, for it waits at a join"


def _differs(
    moment: Moment,
    kind: Kind,
    what: str,
    recorded: Any,
    now: Any,
    changes: tuple[Change, ...] = (),
    hint: str | None = None,
) -> Difference:
    return Difference(moment.step, moment.node, moment.visit, kind, what, recorded, now, changes, hint)
