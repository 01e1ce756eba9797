"""A process that takes a workflow with a foreign graph on as far as it goes, and dies at one of its writes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, TypedDict

from langgraph.graph import END as GRAPH_END
from langgraph.graph import START as GRAPH_START
from langgraph.graph import StateGraph
from langgraph.types import interrupt

from workflow_engine import END, START, Engine, State, function, langgraph_node, workflow
from workflow_engine.stores.sqlite.writer import Writer
from workflow_engine.testing import kill

LOG = Path()


def log(word: str) -> str:
    """On disk before anything else happens: what a process did can be told after its death."""
    line = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(line, f"{word}\n".encode())
    os.close(line)
    return word


def logged() -> list[str]:
    return LOG.read_text().split() if LOG.exists() else []


class Thread(TypedDict):
    text: str


async def one(state: Thread) -> Thread:
    return {"text": state["text"] + log("1")}


async def two(state: Thread) -> Thread:
    return {"text": state["text"] + log("2")}


async def ask(state: Thread) -> Thread:
    """Asks twice, and what it is told first must never be taken for what it is told second."""
    log("ask")
    first = interrupt("first?")
    log(f"told-{first}")
    second = interrupt("second?")
    log(f"told-{second}")
    return {"text": f"{state['text']}{first}{second}"}


async def four(state: Thread) -> Thread:
    if os.environ.get("DIE_IN_FOUR") and logged().count("4") == 0:
        log("4")
        kill()
    return {"text": state["text"] + log("4")}


def graph(**nodes: Any) -> Any:
    builder = StateGraph(Thread)
    last = GRAPH_START
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(last, name)
        last = name
    builder.add_edge(last, GRAPH_END)
    return builder.compile()


class Letter(State):
    text: str
    length: int | None = None


@function(writes="length")
async def measure(text: str) -> int:
    log("measure")
    return len(text)


def flow(inner: Any) -> Any:
    writing = langgraph_node(inner, name="writing", reads="text", writes="text")
    return workflow("letter", state=Letter, edges=[START >> writing >> measure >> END])


FLOWS = {
    "flat": flow(graph(one=one, two=two, ask=ask, four=four)),
    "nested": flow(graph(one=one, inner=graph(two=two, ask=ask), four=four)),
    "plain": flow(graph(one=one, two=two, three=two, four=four)),
}
ANSWERS = {"first?": "A", "second?": "B"}


def go_on(folder: str, name: str, executor: str = "native", at: int = 0, when: str = "after") -> None:
    """Begin the run or go on with it, answering what it asks, until it is over; die at the write `at`, if any."""
    global LOG
    LOG = Path(folder) / "log"
    if at:
        die(at, when)
    asyncio.run(_go_on(Path(folder) / "runs.sqlite", FLOWS[name], executor))


async def _go_on(path: Path, letter: Any, executor: str) -> None:
    async with Engine.connect(path, workflows=[letter], executor=executor) as engine:
        runs = await engine.runs()
        if runs and runs[0].status == "succeeded":
            return
        view = await (engine.resume(runs[0].run, verb="recover") if runs else engine.run(letter, text="="))
        while view.run.status == "waiting":
            for each in await engine.inbox(view.run.id):
                await engine.answer(each.question.id, ANSWERS[each.question.message])
            view = await engine.resume(view.run.id, verb="answer")


def die(at: int, when: str) -> None:
    """Let this process be killed before or after the `at`-th piece of work its store is given."""
    put, count = Writer.put, 0

    def dying(self: Writer, *arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count == at and when == "before":
            kill()
        job: Any = put(self, *arguments)
        if count == at:
            job.add_done_callback(lambda _: kill())
        return job

    Writer.put = dying  # type: ignore[assignment,method-assign]
