"""Processes that ship and die where they are told. Every body leaves a line in a log the engine knows nothing of."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial, wraps
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn, cast

from graphs.ship import Change, ship
from workflow_engine import Engine, Sandbox, Workflow
from workflow_engine.agents import choose_model, open_runner
from workflow_engine.ports.agents import AgentAnswer, AgentRunner, AgentTask, Tool, ToolUse
from workflow_engine.ports.ledger import Batch, Fence, Ledger
from workflow_engine.ports.sandbox import Completed
from workflow_engine.record.events import StepFinished
from workflow_engine.sandbox import open_sandbox
from workflow_engine.spec.nodes import Agent, Function
from workflow_engine.stores.sqlite import open_ledger

PLAYBOOK = Path(__file__).parents[2] / "graphs" / "ship.playbook.toml"


@dataclass(frozen=True)
class Death:
    """Where to die: `during` the node's work, `before` its commit, or `after` it."""

    node: str
    moment: str


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody comes this far")


def ship_and_die(folder: Path, request: str, death: Death | None) -> None:
    asyncio.run(_ship(folder, request, death))


def recover(folder: Path, executor: str) -> None:
    asyncio.run(_recover(folder, executor))


async def _ship(folder: Path, request: str, death: Death | None) -> None:
    async with _engine(folder, death, "native") as engine:
        view = await engine.run(logged(folder), request=request, releases=str(folder / "releases"))
    (folder / "run.json").write_text(json.dumps(view.document()))


async def _recover(folder: Path, executor: str) -> None:
    async with _engine(folder, None, executor) as engine:
        await engine.recover()
        view = await engine.get("@last")
    (folder / "run.json").write_text(json.dumps(view.document()))


@asynccontextmanager
async def _engine(folder: Path, death: Death | None, executor: str) -> AsyncIterator[Engine]:
    runner: AgentRunner = open_runner(choose_model("offline", {}, PLAYBOOK))
    ledger: Ledger = await open_ledger(folder / "runs.sqlite", create=True)
    opener: Callable[[], Any] = open_sandbox
    if death is not None:
        runner, opener = DyingRunner(runner, death), partial(_dying_sandbox, death)
        ledger = cast("Ledger", DyingLedger(ledger, death))
    async with Engine.connect(
        workflows=[logged(folder)], agents=runner, ledger=ledger, resources={Sandbox: opener}, executor=executor
    ) as engine:
        yield engine


# ------------------------------------------------------------------------------------------------ the log


def logged(folder: Path, death: str | None = None) -> Workflow[Change]:
    """`ship`, each of whose bodies first writes its name. The body named `death` ends, and its process with it."""
    nodes = {name: _logged(node, folder / "log", name == death) for name, node in ship.nodes.items()}
    return replace(ship, nodes=MappingProxyType(nodes))


def _logged(node: Any, log: Path, dies: bool) -> Any:
    if not isinstance(node, Agent | Function):
        return node
    body = node.body

    def note() -> None:
        with log.open("a") as file:
            file.write(f"{node.name}\n")

    @wraps(body)
    def plain(*args: Any, **named: Any) -> Any:
        note()
        return body(*args, **named)

    @wraps(body)
    async def asynchronous(*args: Any, **named: Any) -> Any:
        note()
        value = await body(*args, **named)
        return die() if dies else value

    return replace(node, body=asynchronous if inspect.iscoroutinefunction(body) else plain)


# ------------------------------------------------------------------------------------------------ the deaths


class DyingRunner:
    """Dies while the model is asked; where there are tools, once the first file was written."""

    def __init__(self, inner: AgentRunner, death: Death) -> None:
        self._inner, self._death = inner, death

    async def run(self, task: AgentTask) -> AgentAnswer:
        if self._death == Death(task.node, "during"):
            if not task.tools:
                die()
            task = replace(task, tools=tuple(map(_dying_tool, task.tools)))
        return await self._inner.run(task)

    async def close(self) -> None:
        await self._inner.close()


def _dying_tool(tool: Tool) -> Tool:
    async def call(use: ToolUse) -> str:
        answer = await tool.call(use)
        return die() if tool.name == "write_file" else answer

    return replace(tool, call=call)


@asynccontextmanager
async def _dying_sandbox(death: Death) -> AsyncIterator[Sandbox]:
    async with open_sandbox() as inner:
        yield DyingSandbox(inner, death)


class DyingSandbox:
    """Dies while a command runs in it."""

    def __init__(self, inner: Sandbox, death: Death) -> None:
        self._inner, self._death = inner, death
        self.name, self.isolated = inner.name, inner.isolated

    async def run(self, argv: Any, **settings: Any) -> Completed:
        if (self._death.node, self._death.moment) in (("test", "during"), ("deploy", "during")):
            tool = {"test": "pytest", "deploy": "hatchling"}[self._death.node]
            if tool in argv:
                asyncio.get_running_loop().call_later(0.05, die)
                await self._inner.run(argv, **settings)
                die()
        return await self._inner.run(argv, **settings)


class DyingLedger:
    """Dies with a finished step in its hands, or when that has just become durable."""

    def __init__(self, inner: Ledger, death: Death) -> None:
        self._inner, self._death = inner, death

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def commit(self, fence: Fence, batch: Batch) -> Awaitable[None]:
        ends = any(isinstance(event, StepFinished) and event.node == self._death.node for event in batch.events)
        if ends and self._death.moment == "before":
            die()
        durable = self._inner.commit(fence, batch)
        return _die_after(durable) if ends and self._death.moment == "after" else durable


async def _die_after(durable: Awaitable[None]) -> None:
    await durable
    die()
