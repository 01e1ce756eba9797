"""A team: the agents of one node, each with its own tools, and the ways one may use another.

An agent that is a tool has a task of its own, run by the same runner in a branch of the same turn: receipts, people's
words and bounds hold within it as they do outside, and the runner need not know of it. Handing over is the runner's: it
is told everybody the talk may come to, and what each of them has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from workflow_engine.bodies.boxes import Boxes
from workflow_engine.bodies.checks import Opinion
from workflow_engine.bodies.grant import Grant, may_rebuild
from workflow_engine.bodies.scene import Scene
from workflow_engine.bodies.tools import granted
from workflow_engine.bodies.turn import Turn
from workflow_engine.errors import AgentFailed
from workflow_engine.ports import agents as ports
from workflow_engine.record.usage import Usage
from workflow_engine.spec.nodes import Agent
from workflow_engine.spec.specialist import Granted, Specialist, colleagues, named_of
from workflow_engine.spec.tool import Tool, tool_of
from workflow_engine.spec.toolbox import Toolbox

_SAID = frozenset({"validation", "tool"})
"""Kinds of failure that are of what was said: the agent that asked is told of them, and may ask otherwise."""


class Team:
    """The agents of one node, bound to one attempt. `around` is the node's own task, without what they have."""

    def __init__(self, node: Agent[Any, Any], scene: Scene, turn: Turn, around: ports.AgentTask, boxes: Boxes) -> None:
        self._node, self._scene, self._turn, self._around, self._boxes = node, scene, turn, around, boxes

    def task(self) -> ports.AgentTask:
        """The task of the node itself."""
        node = self._node
        return self._with(self._around, node.name, node.tools, node.handoffs)

    async def judge(self, one: Specialist, said: str, path: str) -> Any:
        """Whether a specialist finds something fine, and why not."""
        return await self.ask(replace(one, output=Opinion), said, path)

    async def ask(self, one: Specialist, said: str, path: str) -> Any:
        """What a specialist answers, in a branch of its own. Raises Held, and errors.AgentFailed."""
        task = replace(
            self._around,
            node=one.name,
            instructions=one.instructions,
            prompt=said,
            output=one.output,
            model=one.model or self._node.model,
            turns=one.turns,
            path=path,
            before=(),
        )
        try:
            answer = await self._scene.runner().run(self._with(task, one.name, one.tools, one.handoffs))
        except AgentFailed as failed:
            if failed.so_far is not None:
                self._count(failed.so_far, path)
            raise
        self._count(answer, path)
        return answer.value

    def _with(
        self,
        task: ports.AgentTask,
        first: str,
        tools: tuple[Granted, ...],
        handoffs: tuple[Specialist | str, ...],
    ) -> ports.AgentTask:
        """The task with what its agent has, and with everybody whom the talk may come to."""
        others = tuple(colleagues(handoffs))
        if not others:
            return replace(task, tools=self._tools(tools, first))
        return replace(
            task,
            tools=self._tools(tools, first),
            roles=tuple(self._role(each) for each in others),
            handoffs=tuple(named_of(each) for each in handoffs),
            handed=partial(self._handed, task),
        )

    async def _handed(self, task: ports.AgentTask, before: str, to: str) -> None:
        await self._turn.handed(task.path, before, to)
        if task.hear is not None:
            task.hear({"item": "handoff", "agent": before, "to": to})

    def _role(self, one: Specialist) -> ports.Role:
        return ports.Role(
            one.name,
            one.instructions,
            one.description,
            self._tools(one.tools, one.name),
            tuple(named_of(each) for each in one.handoffs),
            one.model or self._node.model,
        )

    def _tools(self, listed: tuple[Granted, ...], agent: str) -> tuple[ports.Tool, ...]:
        return tuple(
            self._asking(each, agent)
            if isinstance(each, Specialist)
            else granted(each, self._scene, self._turn, self._called(agent))
            for each in self._boxes.unpacked(listed)
        )

    def _called(self, agent: str) -> str:
        """An agent as people are told of it."""
        return agent if agent == self._node.name else f"{agent} (of {self._node.name})"

    def _asking(self, one: Specialist, agent: str) -> ports.Tool:
        grant = _Asking(one, self, self._called(agent))
        return ports.Tool(one.name, one.description, grant.schema, partial(self._turn.use, grant))

    def _count(self, answer: ports.AgentAnswer, path: str) -> None:
        """Remember what did not go through the turn's own book."""
        rest = answer.usage - self._turn.used.pop(path, Usage())
        self._turn.beyond += rest if rest.requests > 0 else Usage()


def within(node: Agent[Any, Any], output: Any) -> list[tuple[Specialist, Any]]:
    """The specialists of a node, and what each is asked for: an opinion, or the node's `output` if it takes over."""
    asked: dict[int, Any] = {id(each.check): Opinion for each in node.guardrails}
    asked |= {id(each): output for each in colleagues(node.handoffs)}
    return [(one, asked.get(id(one), one.output)) for one in node.specialists]


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid")

    input: str = Field(description="what is asked of it, with all it needs to know")


class _Asking(Grant):
    """A specialist as a tool: to use it is to run a task of its own."""

    def __init__(self, one: Specialist, team: Team, agent: str) -> None:
        super().__init__(Tool(one.name, _asked_elsewhere, description=one.description), _Said, _nothing_unseen, agent)
        self._one, self._team = one, team

    @property
    def rebuilds(self) -> bool:
        return _rebuilds(self._one)

    @property
    def goes_on(self) -> bool:
        return True

    async def use(self, arguments: Mapping[str, Any], key: str, name: str) -> Any:  # noqa: ARG002
        try:
            return await self._team.ask(self._one, arguments["input"], f"{name}/")
        except AgentFailed as failed:
            if failed.kind not in _SAID:
                raise
            return f"error: {self._one.name} did not finish: {failed.what}"


def _rebuilds(one: Specialist) -> bool:
    """Whether anything that it may use leaves something in the workspace."""
    return any(
        _rebuilds(each)
        if isinstance(each, Specialist)
        else (not isinstance(each, Toolbox) and may_rebuild(tool_of(each)))
        for member in (one, *colleagues(one.handoffs))
        for each in member.tools
    )


def _asked_elsewhere(input: str) -> str:
    raise NotImplementedError(input)


async def _nothing_unseen(*_: object) -> Mapping[str, Any]:
    return {}
