"""The same loop in DBOS on SQLite: a workflow whose every step is a DBOS step.

Each work is written in the form that is faster there: plain functions for one run, async ones for many at once. Its
state is the workflow's variables; what it makes durable are the workflow's input and each step's output. It leaves
SQLite's rollback journal on; "with WAL" the file was put into WAL mode before.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

from dbos import DBOS, SetWorkflowID

from bench.meter import Meter
from bench.order import PAGE, VICTIMS, Order

SECONDS = 60


def launched(store: Path, declare: Callable[[], Any], *, wal: bool = False) -> Any:
    """DBOS on a store; what `declare` registered."""
    if wal:
        with closing(sqlite3.connect(store)) as db:
            db.execute("PRAGMA journal_mode = WAL")
    # The version stands for the code: the process that recovers must be taken for the one that died.
    config: Any = {
        "name": "loop",
        "system_database_url": f"sqlite:///{store}",
        "log_level": "CRITICAL",
        "application_version": "1",
    }
    DBOS(config=config)
    declared = declare()
    DBOS.launch()
    return declared


def declaration(order: Order, meter: Meter) -> Callable[[], Any]:
    """What registers the workflow, sync or async, and gives it."""
    work = order.work

    def new(count: int) -> Any:
        meter.mark()
        return order.item(count) if work.item else count + 1

    def declare() -> Any:
        @DBOS.step()
        def step(count: int, payload: str | None) -> Any:  # noqa: ARG001 (to be handed it is the work)
            if order.phase == "prepare" and count == work.steps - 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return new(count)

        @DBOS.workflow()
        def loop(goal: int, payload: str) -> int:
            count, items = 0, []
            while count < goal:
                made = step(count, payload if work.reads else None)
                count += 1
                if work.item:
                    items.append(made)
            return count + len(items)

        return loop

    def declare_async() -> Any:
        @DBOS.step()
        async def step(count: int, victim: bool) -> int:
            if order.phase == "prepare" and victim and count == 1:
                await asyncio.Event().wait()
            meter.mark()
            return count + 1

        @DBOS.workflow()
        async def loop(goal: int, victim: bool) -> int:
            count = 0
            while count < goal:
                count = await step(count, victim)
            return count

        return loop

    return declare_async if work.runs > 1 else declare


async def loop(order: Order, meter: Meter) -> None:
    work, wal = order.work, order.options["wal"]
    declare = declaration(order, meter)
    flow = launched(order.warm, declare, wal=wal)
    await _driven(flow, 3, order, 1)
    DBOS.destroy()
    launched(order.store, declare, wal=wal)
    DBOS.destroy()
    meter.empty()
    flow = launched(order.store, declare, wal=wal)
    meter.begin()
    ends = await _driven(flow, work.steps, order, work.runs)
    meter.end()
    DBOS.destroy()
    meter.closed()
    assert set(ends) == {work.steps * (2 if work.item else 1)}, set(ends)
    meter.figures |= _stored(order.store)


def _stored(store: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(store)) as db:
        return {
            "durable": db.execute("SELECT count(*) FROM operation_outputs").fetchone()[0],
            "journal": db.execute("PRAGMA journal_mode").fetchone()[0],
            # Not asked of its own connections, which it keeps to itself; it sets none, so this is what they have.
            "synchronous": {1: "normal", 2: "full"}[db.execute("PRAGMA synchronous").fetchone()[0]],
        }


async def _driven(flow: Any, goal: int, order: Order, runs: int) -> list[int]:
    if order.work.runs == 1:
        return [await asyncio.to_thread(flow, goal, order.payload)]
    handles = [await DBOS.start_workflow_async(flow, goal, False) for _ in range(runs)]
    return list(await asyncio.gather(*(each.get_result() for each in handles)))


async def spread(order: Order, meter: Meter) -> None:
    """Do one small thing for each of many items, all of them at once: steps of one workflow."""
    wal = order.options["wal"]

    def declare() -> Any:
        @DBOS.step()
        async def step(number: int) -> int:
            meter.mark()
            return number + 1

        @DBOS.workflow()
        async def spread_out(numbers: list[int]) -> list[int]:
            return list(await asyncio.gather(*(step(number) for number in numbers)))

        return spread_out

    flow = launched(order.warm, declare, wal=wal)
    await (await DBOS.start_workflow_async(flow, [1, 2, 3])).get_result()
    DBOS.destroy()
    launched(order.store, declare, wal=wal)
    DBOS.destroy()
    meter.empty()
    flow = launched(order.store, declare, wal=wal)
    numbers = list(range(order.work.steps))
    meter.begin()
    end = await (await DBOS.start_workflow_async(flow, numbers)).get_result()
    meter.end()
    DBOS.destroy()
    meter.closed()
    assert end == [number + 1 for number in numbers]
    meter.figures |= _stored(order.store)


async def resume(order: Order, meter: Meter) -> None:
    # Its plain calls must not be made where an event loop runs.
    await asyncio.to_thread(_resume, order, meter)


def _resume(order: Order, meter: Meter) -> None:
    """Launch on the store of a dead process, which recovers its run by itself; then read the finished one."""
    wal = order.options["wal"]
    declare = declaration(order, meter)
    flow = launched(order.warm, declare, wal=wal)
    if order.phase == "measure":
        flow(3, "")
    DBOS.destroy()
    meter.marks.clear()
    began = time.perf_counter()
    flow = launched(order.store, declare, wal=wal)
    if order.phase == "prepare":
        with SetWorkflowID("run"):
            flow(order.work.steps, "")
    _wait("run", began)
    meter.figures["resume_ms"] = (time.perf_counter() - began) * 1000
    meter.figures["repeated"] = len(meter.marks) - 1
    began = time.perf_counter()
    assert DBOS.retrieve_workflow("run").get_result() == order.work.steps
    meter.figures["read_ms"] = (time.perf_counter() - began) * 1000
    DBOS.destroy()


def _wait(name: str, began: float) -> None:
    """Until a workflow has succeeded; `get_result` would look once a second only."""
    while True:
        status = DBOS.get_workflow_status(name)
        if status is not None and status.status == "SUCCESS":
            return
        if time.perf_counter() - began > SECONDS:
            raise TimeoutError(f"{name} was not recovered in {SECONDS} s")
        time.sleep(0.001)


async def many(order: Order, meter: Meter) -> None:
    """List the first page, and see how long the runs of a dead process take to be recovered, all of them at launch."""
    declare = declaration(order, meter)
    wal = order.options["wal"]
    if order.phase == "prepare":
        flow = launched(order.store, declare, wal=wal)
        for start in range(VICTIMS, order.work.runs, 100):
            some = range(start, min(start + 100, order.work.runs))
            handles = [await DBOS.start_workflow_async(flow, order.work.steps, False) for _ in some]
            await asyncio.gather(*(each.get_result() for each in handles))
        for each in range(VICTIMS):
            with SetWorkflowID(f"victim{each}"):
                await DBOS.start_workflow_async(flow, order.work.steps, True)
        await asyncio.sleep(2)
        os.kill(os.getpid(), signal.SIGKILL)
    began = time.perf_counter()
    launched(order.store, declare, wal=wal)
    while not all([await _succeeded(f"victim{each}") for each in range(VICTIMS)]):
        if time.perf_counter() - began > SECONDS:
            raise TimeoutError(f"the runs were not recovered in {SECONDS} s")
        await asyncio.sleep(0.001)
    meter.figures["resume_ms"] = (time.perf_counter() - began) * 1000 / VICTIMS
    lists = []
    for _ in range(VICTIMS):
        began = time.perf_counter()
        assert len(await DBOS.list_workflows_async(limit=PAGE, sort_desc=True)) == PAGE
        lists.append((time.perf_counter() - began) * 1000)
    meter.figures["list_ms"] = median(lists)
    DBOS.destroy()


async def _succeeded(name: str) -> bool:
    status = await DBOS.get_workflow_status_async(name)
    return status is not None and status.status == "SUCCESS"
