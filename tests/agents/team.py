"""A team in one node: a releaser whose specialist deploys with a person's word, and a model that answers by reading."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.agents.endpoint import Reply, Script, ScriptedEndpoint, call, say
from tests.agents.ticket import Ticket, Town, deploy, opening, read_ticket
from workflow_engine import END, START, Engine, Specialist, Workflow, agent, specialist, workflow
from workflow_engine.agents.models import Wire
from workflow_engine.agents.runner import OpenAIAgentsRunner

ops = specialist(
    name="ops", instructions="You deploy.", description="Deploys what it is told.", tools=[read_ticket, deploy]
)


def releasing(*tools: Any, handoffs: tuple[Specialist, ...] = ()) -> Workflow[Any]:
    @agent(writes="done", instructions="You release.", tools=tools, handoffs=handoffs)
    def release(number: int) -> str:
        return f"Ticket {number}"

    return workflow("release", state=Ticket, edges=[START >> release >> END], resources={Town: opening(Town())})


Mind = Callable[[str, list[Any]], Script]
"""What a model answers who was told these instructions, and these results of its tools."""


def nested(instructions: str, results: list[Any]) -> Script:
    """The model of a releaser who has `ops` deploy ticket 7."""
    if "You release" in instructions:
        return say(f"released: {results[-1]}") if results else call(("ops", {"input": "deploy api 1.2"}))
    match results:
        case []:
            return call(("read_ticket", {"number": 7}))
        case [_]:
            return call(("deploy", {"service": "api", "version": "1.2"}))
        case _:
            return say(f"ops says {results[-1]}")


class _Thinking(list[Script]):
    def __init__(self, served: ScriptedEndpoint, mind: Mind) -> None:
        super().__init__([lambda _: Reply()])
        self._served, self._mind = served, mind

    def pop(self, _: Any = 0) -> Script:
        body = self._served.requests[-1].body
        said = body.get("messages") or [{"role": "system", "content": body.get("instructions")}, *body["input"]]
        system = " ".join(str(each["content"]) for each in said if each.get("role") in ("system", "developer"))
        results = [each["content"] for each in said if each.get("role") == "tool"]
        results += [each["output"] for each in said if each.get("type") == "function_call_output"]
        return self._mind(system, results)


@asynccontextmanager
async def thinking(
    opened: Any, mind: Mind, *, town: Town, flow: Workflow[Any], wire: Wire = "chat", **given: Any
) -> AsyncIterator[tuple[Engine, ScriptedEndpoint]]:
    """An engine whose agents ask an endpoint that reads what it is asked, and so may be asked again after a crash."""
    async with ScriptedEndpoint([], wire) as served:
        served.script = _Thinking(served, mind)
        runner = OpenAIAgentsRunner(served.endpoint())
        async with opened(flow, agents=runner, resources={Town: opening(town)}, **given) as engine:
            yield engine, served


def keys(served: ScriptedEndpoint) -> list[str]:
    """The idempotency keys of what was asked, in order."""
    return [each.headers["idempotency-key"] for each in served.requests]


def offered(served: ScriptedEndpoint, number: int) -> list[str]:
    """The tools a request offered its model."""
    tools = served.requests[number].body.get("tools") or []
    return [(each.get("function") or each)["name"] for each in json.loads(json.dumps(tools))]
