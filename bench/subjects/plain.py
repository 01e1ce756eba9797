"""The same workflow written by hand in plain LangGraph: on either saver, or without a checkpointer."""

from __future__ import annotations

import asyncio
import operator
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Send

from bench.meter import Meter
from bench.order import PAGE, VICTIMS, Order

UNBOUNDED = 1_000_000


class Counting(TypedDict):
    goal: int
    payload: str
    count: int


class Growing(Counting):
    items: Annotated[list[str], operator.add]


def more(state: Counting) -> Literal["step", "__end__"]:
    return "step" if state["count"] < state["goal"] else "__end__"


def graph_of(order: Order, mark: Callable[[], None]) -> Any:
    """The graph as its users write it: an async node, and a router that is a plain function."""

    async def step(state: Counting) -> dict[str, Any]:
        mark()
        return {"count": state["count"] + 1}

    async def grow(state: Counting) -> dict[str, Any]:
        mark()
        return {"count": state["count"] + 1, "items": [order.item(state["count"])]}

    async def step_or_die(state: Counting) -> dict[str, Any]:
        if order.work.kind == "resume" and state["count"] == state["goal"] - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if order.work.kind == "many" and state.get("payload") == "victim" and state["count"] == 1:
            await asyncio.Event().wait()
        return {"count": state["count"] + 1}

    if order.phase == "prepare":
        step = step_or_die
    builder: Any = StateGraph(Growing if order.work.item else Counting)
    builder.add_node("step", grow if order.work.item else step)
    builder.add_edge(START, "step")
    builder.add_conditional_edges("step", more)
    return builder


@asynccontextmanager
async def opened(order: Order, store: Path) -> AsyncIterator[Any]:
    saver = order.options["saver"]
    if saver == "none":
        yield None
        return
    level: Any = order.options.get("level")
    if saver == "ledger":
        from workflow_engine import open_saver

        async with open_saver(store, synchronous=level) as ledger_saver:
            yield ledger_saver
        return
    async with AsyncSqliteSaver.from_conn_string(str(store)) as plain:
        await plain.setup()
        if level is not None:
            await plain.conn.execute(f"PRAGMA synchronous = {level}")
        yield plain


def inputs(order: Order) -> dict[str, Any]:
    """A run's first state."""
    given: dict[str, Any] = {"goal": order.work.steps, "count": 0}
    return {**given, "payload": order.payload} if order.work.payload else given


def thread(name: object) -> dict[str, Any]:
    return {"configurable": {"thread_id": str(name)}, "recursion_limit": UNBOUNDED}


def extra(order: Order) -> dict[str, Any]:
    durability = order.options.get("durability")
    return {} if durability is None else {"durability": durability}


async def loop(order: Order, meter: Meter) -> None:
    builder = graph_of(order, meter.mark)
    async with opened(order, order.warm) as saver:
        graph = builder.compile(checkpointer=saver)
        given = {**inputs(order), "goal": 3}
        await asyncio.gather(*(graph.ainvoke(given, thread(each), **extra(order)) for each in range(2)))
    async with opened(order, order.store):
        pass
    meter.empty()
    async with opened(order, order.store) as saver:
        graph = builder.compile(checkpointer=saver)
        meter.begin()
        runs = range(order.work.runs)
        ends = await asyncio.gather(*(graph.ainvoke(inputs(order), thread(each), **extra(order)) for each in runs))
        meter.end()
        meter.figures |= await _level(order, saver)
    meter.closed()
    assert all(end["count"] == order.work.steps for end in ends)
    if saver is not None:
        meter.figures["durable"] = await _durable(order, builder)
    else:
        meter.figures["durable"] = 0


async def _level(order: Order, saver: Any) -> dict[str, str]:
    """The level the connection really runs at, asked of the connection."""
    if order.options["saver"] != "sqlite":
        return {"synchronous": order.options.get("level", "none"), "journal": "wal" if saver else "none"}
    async with saver.conn.execute("PRAGMA synchronous") as cursor:
        level = (await cursor.fetchone())[0]
    async with saver.conn.execute("PRAGMA journal_mode") as cursor:
        journal = (await cursor.fetchone())[0]
    return {"synchronous": {0: "off", 1: "normal", 2: "full", 3: "extra"}[level], "journal": journal}


async def _durable(order: Order, builder: Any) -> int:
    """Steps whose checkpoint is in the file, which is opened anew for it."""
    async with opened(order, order.store) as saver:
        graph = builder.compile(checkpointer=saver)
        found = 0
        for each in range(order.work.runs):
            state = await graph.aget_state(thread(each))
            assert state.values["count"] == order.work.steps
            assert len(state.values.get("items", ())) == (order.work.steps if order.work.item else 0)
            # One checkpoint for the input, one for START, one a step; `step` counts from -1.
            found += state.metadata["step"]
        return found


class Spreading(TypedDict):
    numbers: list[int]
    results: Annotated[list[int], operator.add]


def spreading(mark: Callable[[], None]) -> Any:
    """The fan-out as the library's own guide writes it: a `Send` for each item, and a reducer that collects."""

    async def step(number: int) -> dict[str, list[int]]:
        mark()
        return {"results": [number + 1]}

    def spread(state: Spreading) -> list[Send]:
        return [Send("step", number) for number in state["numbers"]]

    builder: Any = StateGraph(Spreading)
    builder.add_node("step", step)
    builder.add_conditional_edges(START, spread, ["step"])
    return builder


async def spread(order: Order, meter: Meter) -> None:
    """Do one small thing for each of many items, all of them at once."""
    builder = spreading(meter.mark)
    async with opened(order, order.warm) as saver:
        graph = builder.compile(checkpointer=saver)
        await graph.ainvoke({"numbers": [1, 2, 3], "results": []}, thread(0), **extra(order))
    async with opened(order, order.store):
        pass
    meter.empty()
    numbers = list(range(order.work.steps))
    async with opened(order, order.store) as saver:
        graph = builder.compile(checkpointer=saver)
        meter.begin()
        end = await graph.ainvoke({"numbers": numbers, "results": []}, thread(0), **extra(order))
        meter.end()
        meter.figures |= await _level(order, saver)
    meter.closed()
    assert sorted(end["results"]) == [number + 1 for number in numbers]
    meter.figures["durable"] = 0
    if saver is not None:
        async with opened(order, order.store) as saver:
            state = await builder.compile(checkpointer=saver).aget_state(thread(0))
            meter.figures["durable"] = len(state.values["results"])


async def resume(order: Order, meter: Meter) -> None:
    """Take up the thread that was killed in its last step; then read the finished one."""
    builder = graph_of(order, meter.mark)
    async with opened(order, order.warm) as saver:
        if order.phase == "measure":
            graph = builder.compile(checkpointer=saver)
            await graph.ainvoke({**inputs(order), "goal": 3}, thread(0), **extra(order))
            await graph.aget_state(thread(0))
    async with opened(order, order.store) as saver:
        graph = builder.compile(checkpointer=saver)
        if order.phase == "prepare":
            await graph.ainvoke(inputs(order), thread(0), **extra(order))
        meter.marks.clear()
        began = time.perf_counter()
        end = await graph.ainvoke(None, thread(0), **extra(order))
        meter.figures["resume_ms"] = (time.perf_counter() - began) * 1000
        meter.figures["repeated"] = len(meter.marks) - 1
        assert end["count"] == order.work.steps
        began = time.perf_counter()
        state = await graph.aget_state(thread(0))
        meter.figures["read_ms"] = (time.perf_counter() - began) * 1000
        assert state.values["count"] == order.work.steps


async def many(order: Order, meter: Meter) -> None:
    """Resume some of the threads that died. LedgerSaver lists threads; AsyncSqliteSaver has no list of them."""
    builder = graph_of(order, meter.mark)
    async with opened(order, order.store) as saver:
        graph = builder.compile(checkpointer=saver)
        if order.phase == "prepare":
            for start in range(VICTIMS, order.work.runs, 500):
                some = range(start, min(start + 500, order.work.runs))
                await asyncio.gather(*(graph.ainvoke(inputs(order), thread(each)) for each in some))
            given = {**inputs(order), "payload": "victim"}
            dying = [asyncio.ensure_future(graph.ainvoke(given, thread(each))) for each in range(VICTIMS)]
            await asyncio.wait(dying, timeout=2)
            os.kill(os.getpid(), signal.SIGKILL)
        if order.options["saver"] == "ledger":
            lists = []
            for _ in range(VICTIMS):
                began = time.perf_counter()
                page = await saver.athreads(limit=PAGE)
                lists.append((time.perf_counter() - began) * 1000)
                assert len(page) == PAGE
            meter.figures["list_ms"] = median(lists)
        resumes = []
        for each in range(VICTIMS):
            began = time.perf_counter()
            end = await graph.ainvoke(None, thread(each))
            resumes.append((time.perf_counter() - began) * 1000)
            assert end["count"] == order.work.steps
        meter.figures["resume_ms"] = median(resumes)
