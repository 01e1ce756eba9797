"""Our engine, on either of its executors, at either level of durability."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from bench.meter import Meter
from bench.order import Order
from workflow_engine import END, FAIL, START, Engine, State, append, at_most, function, route, workflow
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

    step = grow if order.work.item else read_and_count if order.work.reads else count_up
    edges = [
        START >> step >> more,
        more["again"] >> at_most(BOUND, step, then=FAIL("the bound is spent")),
        more["done"] >> END,
    ]
    return workflow("loop", state=Counting, edges=edges)


@asynccontextmanager
async def opened(order: Order, store: Path, flow: Any) -> AsyncIterator[tuple[Engine, SqliteLedger]]:
    ledger = await open_ledger(store, synchronous=order.options["level"])
    async with Engine.connect(ledger=ledger, workflows=[flow], executor=order.options["executor"]) as engine:
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
    meter.figures["durable"] = sum(len(view.history.steps) for view in found)
    assert all(view.state.count == order.work.steps for view in found)
    assert all(len(view.state.items) == (order.work.steps if order.work.item else 0) for view in found)
