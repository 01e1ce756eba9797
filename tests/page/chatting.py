"""A chat served in a thread of its own, whose agent says a piece when it is told to, and whose wires are cut."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any

import uvicorn

from tests.page.flows import MARKUP
from workflow_engine import END, START, Chat, Engine, State, agent, workflow
from workflow_engine.http.app import app_of
from workflow_engine.http.desk import Desk
from workflow_engine.http.serve import bound_to
from workflow_engine.http.sessions import Sessions
from workflow_engine.http.tail import Tails
from workflow_engine.ports.agents import AgentAnswer, AgentTask, ToolUse
from workflow_engine.stores.memory import MemoryLedger

TOKEN = "the-token-of-whoever-began-it"


class Talk(State):
    """A talk."""

    question: str
    answer: str = ""


def weigh(what: str) -> str:
    """Weigh something."""
    return f"{what} weighs 3 kg"


@agent(writes="answer", instructions="Answer.", tools=[weigh])
def answer(question: str) -> str:
    return question


talk = workflow("talk", state=Talk, edges=[START >> answer >> END], chat=Chat("question", reply="answer"))


class Puppet:
    """Runs agents: says what lies in its box, uses its tool for "/weigh", and has answered after None."""

    def __init__(self) -> None:
        self.box: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    async def run(self, task: AgentTask) -> AgentAnswer:
        said, hear = "", task.hear
        assert hear is not None
        while (piece := await asyncio.to_thread(self.box.get)) is not None:
            if piece == "/weigh":
                use = ToolUse({"what": MARKUP}, "call_1")
                hear({"item": "tool_call", "call": use.name, "tool": "weigh", "arguments": use.arguments})
                await task.tools[0].call(use)
            else:
                said += piece
                hear({"item": "delta", "of": "message", "text": piece, "agent": "answer"})
        return AgentAnswer(said)

    async def close(self) -> None: ...


@dataclass
class Chatting:
    """The chat as it is served."""

    address: str
    puppet: Puppet
    loop: asyncio.AbstractEventLoop
    server: uvicorn.Server
    ended: asyncio.Event

    def says(self, *pieces: str | None) -> None:
        for each in pieces:
            self.puppet.box.put(each)

    def cut(self) -> None:
        """Break every connection."""

        def abort() -> None:
            for each in list(self.server.server_state.connections):
                each.transport.abort()

        self.loop.call_soon_threadsafe(abort)


@contextmanager
def chatting() -> Iterator[Chatting]:
    """Serve it for as long as the test lasts."""
    ready: Future[Chatting] = Future()
    thread = Thread(target=lambda: asyncio.run(_serve(ready)), name="chat", daemon=True)
    thread.start()
    served = ready.result(30)
    try:
        yield served
    finally:
        served.says(None)  # who still speaks has spoken
        served.loop.call_soon_threadsafe(served.ended.set)
        thread.join(20)


async def _serve(ready: Future[Chatting]) -> None:
    tails, puppet, bound = Tails(), Puppet(), bound_to("127.0.0.1", 0)
    host = f"127.0.0.1:{bound.getsockname()[1]}"
    async with Engine.connect(workflows=[talk], listeners=[tails], ledger=MemoryLedger(), agents=puppet) as engine:
        tails.attach(engine)
        names: dict[str, Any] = {"talk": talk}
        desk = Desk(engine, Sessions(engine, TOKEN, "ana"), tails, names, drives=True, hosts=frozenset({host}))
        config = uvicorn.Config(app_of(desk), log_level="warning", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        server.capture_signals = _no_signals  # type: ignore[method-assign]
        ended = asyncio.Event()
        working = asyncio.create_task(engine.work())
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        ready.set_result(
            Chatting(f"http://{host}/chat#token={TOKEN}", puppet, asyncio.get_running_loop(), server, ended)
        )
        await ended.wait()
        tails.close()
        server.should_exit = True
        engine.drain()
        await asyncio.gather(working, serving)
        bound.close()


@contextmanager
def _no_signals() -> Iterator[None]:
    yield
