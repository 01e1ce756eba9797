"""A ticket agent: it reads, deploys with a person's word, and says what it did; the town it deploys to counts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.agents.endpoint import Script, ScriptedEndpoint, call, say
from workflow_engine import END, START, Engine, Retry, State, Step, Workflow, agent, tool, workflow
from workflow_engine.agents.runner import OpenAIAgentsRunner

READ = ("read_ticket", {"number": 7})
DEPLOY = ("deploy", {"service": "api", "version": "1.2"})
SCRIPT: tuple[Script, ...] = (call(READ), call(DEPLOY), say("deployed api 1.2"))


class Ticket(State):
    number: int
    done: str = ""


@dataclass
class Town:
    """What happened outside: reads, and deployments with the key each came with."""

    reads: list[int] = field(default_factory=list)
    deployed: list[tuple[str, str, str]] = field(default_factory=list)


def read_ticket(number: int, town: Town) -> str:
    """Read a ticket."""
    town.reads.append(number)
    return f"ticket {number}: deploy api 1.2"


@tool(effect=True, approval="always")
def deploy(service: str, version: str, step: Step, town: Town) -> str:
    """Deploy a version of a service."""
    town.deployed.append((service, version, step.key))
    return f"{service} {version} is up"


def flow(*tools: Callable[..., Any], retry: Retry | None = None) -> Workflow[Any]:
    @agent(writes="done", instructions="Work on the ticket.", tools=tools or (read_ticket, deploy), retry=retry)
    def work(number: int) -> str:
        return f"Ticket {number}"

    return workflow("ticket", state=Ticket, edges=[START >> work >> END], resources={Town: opening(Town())})


def opening(town: Town) -> Any:
    @asynccontextmanager
    async def open_town() -> AsyncIterator[Town]:
        yield town

    return open_town


@asynccontextmanager
async def desk(
    opened: Any, *script: Script, town: Town, flow: Workflow[Any], **given: Any
) -> AsyncIterator[tuple[Engine, ScriptedEndpoint]]:
    """An engine, and the scripted endpoint that its agents ask."""
    async with ScriptedEndpoint(list(script), given.pop("wire", "chat")) as served:
        runner = OpenAIAgentsRunner(served.endpoint())
        async with opened(flow, agents=runner, resources={Town: opening(town)}, **given) as engine:
            yield engine, served
