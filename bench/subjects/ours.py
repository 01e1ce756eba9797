"""Our engine, on either of its executors, at either level of durability."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal

from pydantic import Field

from bench.meter import Meter
from bench.order import PAGE, VICTIMS, Order
from workflow_engine import END, FAIL, START, Engine, State, Step, append, at_most, each, function, route, workflow
from workflow_engine.errors import RunOwned
from workflow_engine.record.events import ItemFinished
from workflow_engine.stores.sqlite import SqliteLedger, open_ledger

BOUND = 1_000_000


class Counting(State):
    goal: int
    payload: str = ""
    count: int = 0
    items: Annotated[list[str], append] = Field(default_factory=list)


@route
def more(count: int, goal: int) -> Literal["again", "done"]:
    return "again" if count < goal else "done"


def loop_of(order: Order, mark: Callable[[], None]) -> Any:
    """The workflow: one step that counts, and a route back to it."""

    @function(name="step", writes="count")
    async def count_up(count: int) -> int:
        mark()
        return count + 1

    @function(name="step", writes="count")
    async def read_and_count(count: int, payload: str) -> int:
        assert len(payload) == order.work.payload
        mark()
        return count + 1

    @function(name="step", writes=("count", "items"))
    async def grow(count: int) -> tuple[int, list[str]]:
        mark()
        return count + 1, [order.item(count)]

    @function(name="step", writes="count")
    async def count_or_die(count: int, goal: int, payload: str, step: Step) -> int:
        if order.work.kind == "takeover":
            print(os.getpid(), step.run, flush=True)
            await asyncio.Event().wait()
        if order.work.kind == "resume" and count == goal - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if payload == "victim" and count == 1:
            await asyncio.Event().wait()
        return count + 1

    step: Any = grow if order.work.item else read_and_count if order.work.reads else count_up
    if order.phase in ("prepare", "die"):
        step = count_or_die
    edges = [
        START >> step >> more,
        more["again"] >> at_most(BOUND, step, then=FAIL("the bound is spent")),
        more["done"] >> END,
    ]
    return workflow("loop", state=Counting, edges=edges)


@asynccontextmanager
async def opened(order: Order, store: Path, flow: Any, **given: Any) -> AsyncIterator[tuple[Engine, SqliteLedger]]:
    ledger = await open_ledger(store, synchronous=order.options["level"])
    async with Engine.connect(ledger=ledger, workflows=[flow], executor=order.options["executor"], **given) as engine:
        yield engine, ledger


def inputs(order: Order) -> dict[str, Any]:
    return {"goal": order.work.steps, **({"payload": order.payload} if order.work.payload else {})}


async def loop(order: Order, meter: Meter) -> None:
    flow = loop_of(order, meter.mark)
    async with opened(order, order.warm, flow) as (engine, _):
        await asyncio.gather(*(engine.run(flow, {**inputs(order), "goal": 3}) for _ in range(2)))
    async with opened(order, order.store, flow):
        pass
    meter.empty()
    async with opened(order, order.store, flow) as (engine, _):
        meter.begin()
        views = await asyncio.gather(*(engine.run(flow, inputs(order)) for _ in range(order.work.runs)))
        meter.end()
    meter.closed()
    assert all(view.status == "succeeded" for view in views), [view.error for view in views if view.error][:1]
    meter.figures |= {"synchronous": order.options["level"], "journal": "wal"}
    async with opened(order, order.store, flow) as (engine, _):
        found = [await engine.get(view.id) for view in views]
    meter.figures["journal_bytes"] = journal_bytes(order.store)
    meter.figures["durable"] = sum(len(view.history.steps) for view in found)
    assert all(view.state.count == order.work.steps for view in found)
    assert all(len(view.state.items) == (order.work.steps if order.work.item else 0) for view in found)


def journal_bytes(store: Path) -> int:
    """What the facts take: their text, their seal, and where they stand in table and index."""
    with closing(sqlite3.connect(store)) as db:
        return int(db.execute("SELECT sum(length(text) + length(seal) + 16) FROM journal").fetchone()[0])


class Spreading(State):
    numbers: list[int]
    results: list[int] = Field(default_factory=list)


async def spread(order: Order, meter: Meter) -> None:
    """Do one small thing for each of many items; as many at once as `each` does when nobody says."""

    async def count_up(number: int) -> int:
        meter.mark()
        return number + 1

    settings = {"at_once": order.options["at_once"]} if "at_once" in order.options else {}
    node = each("numbers", name="step", writes="results", **settings)(count_up)
    flow = workflow("spread", state=Spreading, edges=[START >> node >> END])
    async with opened(order, order.warm, flow) as (engine, _):
        await engine.run(flow, numbers=[1, 2, 3])
    async with opened(order, order.store, flow):
        pass
    meter.empty()
    numbers = list(range(order.work.steps))
    async with opened(order, order.store, flow) as (engine, _):
        meter.begin()
        view = await engine.run(flow, numbers=numbers)
        meter.end()
    meter.closed()
    assert view.state.results == [number + 1 for number in numbers]
    meter.figures |= {"synchronous": order.options["level"], "journal": "wal"}
    async with opened(order, order.store, flow) as (engine, _):
        journal = await engine.journal(view.id)
        assert (await engine.get(view.id)).state.results == view.state.results
    meter.figures["journal_bytes"] = journal_bytes(order.store)
    meter.figures["durable"] = sum(isinstance(recorded.event, ItemFinished) for recorded in journal)


async def resume(order: Order, meter: Meter) -> None:
    """Take up the run that was killed in its last step; then read the finished one."""
    flow = loop_of(order, meter.mark)
    async with opened(order, order.warm, flow) as (engine, _):
        if order.phase == "measure":
            await engine.get((await engine.run(flow, {"goal": 3})).id)
    async with opened(order, order.store, flow) as (engine, _):
        if order.phase == "prepare":
            await engine.run(flow, inputs(order))
        meter.marks.clear()
        began = time.perf_counter()
        view = await engine.resume("@last")
        meter.figures["resume_ms"] = (time.perf_counter() - began) * 1000
        meter.figures["repeated"] = len(meter.marks) - 1
        assert (view.status, view.state.count) == ("succeeded", order.work.steps), view
        began = time.perf_counter()
        view = await engine.get(view.id)
        meter.figures["read_ms"] = (time.perf_counter() - began) * 1000
        assert len(view.history.steps) == order.work.steps


async def many(order: Order, meter: Meter) -> None:
    """List the first page of the runs, and resume some of those that died."""
    flow = loop_of(order, meter.mark)
    async with opened(order, order.store, flow) as (engine, _):
        if order.phase == "prepare":
            for start in range(VICTIMS, order.work.runs, 500):
                some = range(start, min(start + 500, order.work.runs))
                await asyncio.gather(*(engine.run(flow, inputs(order)) for _ in some))
            dying = [
                asyncio.ensure_future(engine.run(flow, {**inputs(order), "payload": "victim"})) for _ in range(VICTIMS)
            ]
            await asyncio.wait(dying, timeout=2)
            os.kill(os.getpid(), signal.SIGKILL)
        meter.watch()
        lists, resumes = [], []
        for _ in range(VICTIMS):
            began = time.perf_counter()
            page = await engine.runs(limit=PAGE)
            lists.append((time.perf_counter() - began) * 1000)
            assert len(page) == PAGE
        dead = await engine.runs(status="running")
        assert len(dead) == VICTIMS
        for found in dead:
            began = time.perf_counter()
            view = await engine.resume(found.run)
            resumes.append((time.perf_counter() - began) * 1000)
            assert view.status == "succeeded"
        meter.figures |= {"list_ms": median(lists), "resume_ms": median(resumes)}


async def takeover(order: Order, meter: Meter) -> None:
    """Kill the owner of a run, and ask for the run until it is ours: from the kill to the first line of the body."""
    flow = loop_of(order, meter.mark)
    owners = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.subjects.dying", order.text(), stdin=PIPE, stdout=PIPE
    )
    assert owners.stdin is not None
    assert owners.stdout is not None
    taken, durable = [], []
    async with opened(order, order.store, flow) as (engine, _):
        meter.watch()
        for _ in range(order.work.runs):
            owners.stdin.write(b"\n")
            pid, run = (await owners.stdout.readline()).decode().split()
            meter.marks.clear()
            killed = time.perf_counter()
            os.kill(int(pid), signal.SIGKILL)
            view = None
            while view is None:
                try:
                    view = await engine.resume(run)
                except RunOwned:
                    await asyncio.sleep(0.0005)
            assert view.status == "succeeded", view
            taken.append((meter.marks[0] - killed) * 1000)
            durable.append((time.perf_counter() - killed) * 1000)
    owners.stdin.close()
    await owners.wait()
    ordered = sorted(taken)
    meter.figures |= {
        "kills": len(taken),
        "p50_ms": median(ordered),
        "p99_ms": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
        "most_ms": ordered[-1],
        "ended_p50_ms": median(durable),
    }
