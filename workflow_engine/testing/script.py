"""A script in place of a model and of people: what agents are answered and questions are, without a playbook file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from workflow_engine.agents import Asking, Said, Use, function_runner
from workflow_engine.engine import Engine
from workflow_engine.errors import AgentFailed
from workflow_engine.ports.agents import AgentRunner
from workflow_engine.record.ids import RunId
from workflow_engine.runtime.view import RunView


@dataclass(frozen=True)
class Uses:
    """What a scripted model wants done before it goes on: tools with their arguments, all of one answer."""

    calls: tuple[tuple[str, Mapping[str, Any]], ...]


def uses(tool: str, /, **arguments: Any) -> Uses:
    """A model's wish to use a tool. Several at once are one `Uses`."""
    return Uses(((tool, arguments),))


def scripted_model(*script: Any, **agents: Sequence[Any]) -> AgentRunner:
    """A runner for `Engine.open(agents=...)`: each question is answered by what stands next in the script.

    A step of it is a text, a value of the answer's type, `uses(...)`, or an exception to raise. `agents` are scripts of
    their own, by the agents' names. What was answered before a crash is not asked again. Past its end it fails.
    """
    return function_runner(_Script(script, agents), name="scripted")


class _Script:
    def __init__(self, script: Sequence[Any], agents: Mapping[str, Sequence[Any]]) -> None:
        self._script = list(script)
        self._agents = {name: list(steps) for name, steps in agents.items()}
        self._numbers = count(1)

    async def __call__(self, asking: Asking) -> Any:
        steps = self._agents.get(asking.agent, self._script)
        if not steps:
            who = asking.agent or "the agent"
            raise AgentFailed(f"the script of {who} is over", "write what follows", retryable=False)
        step = steps.pop(0)
        if isinstance(step, BaseException):
            raise step
        if not isinstance(step, Uses):
            return step
        calls = (Use(tool, json.dumps(arguments), f"use_{next(self._numbers)}") for tool, arguments in step.calls)
        return Said(uses=tuple(calls))


class ScriptedPerson:
    """Answers what a run asks, node by node, in the order of its answers; `asked` are the questions it was asked.

    An answer is a choice or a whole answer. A question that the script has no answer to is a failure of the test.
    """

    def __init__(self, engine: Engine, answers: Mapping[str, Sequence[Any]], by: str = "scripted") -> None:
        self.asked: list[Any] = []
        self._engine, self._by = engine, by
        self._answers = {node: list(each) for node, each in answers.items()}

    async def see_through(self, run: RunId | str) -> RunView[Any]:
        """Answer and go on with a run until it asks nothing more."""
        view = await self._engine.get(run)
        while view.status == "waiting" and (open_now := await self._inbox(view.id)):
            for standing in open_now:
                self.asked.append(standing.question)
                await self._engine.answer(standing.question.id, self._next(standing.question.node), by=self._by)
            view = await self._engine.resume(view.id)
        return view

    async def _inbox(self, run: str) -> list[Any]:
        return [each for each in await self._engine.inbox() if each.question.run == run]

    def _next(self, node: str) -> Any:
        answers = self._answers.get(node)
        if not answers:
            raise AssertionError(f"{node} asks, and the scripted person has no answer to it")
        return answers.pop(0)
