"""The same loop in Burr, with its SQLite persister, sync and async.

As it comes, the persister leaves SQLite's rollback journal on, which costs several fsyncs a commit; the rows "with WAL"
set the write-ahead log on its connection, as ours has it, and are the fairer comparison. Many runs share the one
persister: its sync form takes one after the other, its async form all at once.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

from burr.core import ApplicationBuilder, action, default, expr
from burr.core.persistence import SQLitePersister
from burr.integrations.persisters.b_aiosqlite import AsyncSQLitePersister

from bench.meter import Meter
from bench.order import PAGE, VICTIMS, Order


def step_of(order: Order, meter: Meter) -> Any:
    """The action: it counts, and appends where the work says so."""
    grows = bool(order.work.item)

    def act(state: Any) -> Any:
        meter.mark()
        changed = state.update(count=state["count"] + 1)
        return changed.append(items=order.item(state["count"])) if grows else changed

    async def act_async(state: Any) -> Any:
        return act(state)

    def act_or_die(state: Any) -> Any:
        if order.work.kind == "resume" and state["count"] == state["goal"] - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return act(state)

    async def act_or_die_async(state: Any) -> Any:
        if order.work.kind == "many" and state["count"] == 1 and state["victim"]:
            await asyncio.Event().wait()
        return act_or_die(state)

    if order.phase == "prepare":
        body: Any = act_or_die_async if order.options["async"] else act_or_die
    else:
        body = act_async if order.options["async"] else act
    fields = ["count", "items"] if grows else ["count"]
    return action(reads=[*fields, "goal"], writes=fields)(body)


@action(reads=[], writes=[])
def done(state: Any) -> Any:
    return state


def begun(order: Order) -> dict[str, Any]:
    state: dict[str, Any] = {"count": 0, "goal": order.work.steps, "victim": False}
    state |= {"payload": order.payload} if order.work.payload else {}
    return state | ({"items": []} if order.work.item else {})


def builder(step: Any, persister: Any, name: object, state: dict[str, Any], *, again: bool = False) -> Any:
    started = (
        ApplicationBuilder()
        .with_actions(step=step, done=done)
        .with_transitions(("step", "step", expr("count < goal")), ("step", "done", default))
        .with_identifiers(app_id=str(name))
        .with_state_persister(persister)
    )
    if again:
        return started.initialize_from(
            persister, resume_at_next_action=True, default_state=state, default_entrypoint="step"
        )
    return started.with_state(**state).with_entrypoint("step")


@asynccontextmanager
async def opened(order: Order, store: Path) -> AsyncIterator[Any]:
    """The persister; its connection in WAL mode where the order says so."""
    if order.options["async"]:
        persister = await AsyncSQLitePersister.from_values(db_path=str(store))
        await persister.initialize()
        if order.options["wal"]:
            await persister.connection.execute("PRAGMA journal_mode = WAL")
        try:
            yield persister
        finally:
            await persister.cleanup()
        return
    persister = SQLitePersister(db_path=str(store))
    persister.initialize()
    if order.options["wal"]:
        persister.connection.execute("PRAGMA journal_mode = WAL")
    try:
        yield persister
    finally:
        persister.connection.close()


async def driven(order: Order, built: Any) -> Any:
    """The state in which one application ends."""
    if order.options["async"]:
        _, _, state = await (await built.abuild()).arun(halt_before=["done"])
    else:
        _, _, state = built.build().run(halt_before=["done"])
    return state


async def loop(order: Order, meter: Meter) -> None:
    step = step_of(order, meter)
    async with opened(order, order.warm) as persister:
        await driven(order, builder(step, persister, "warm", {**begun(order), "goal": 3}))
    async with opened(order, order.store):
        pass
    meter.empty()
    runs = range(order.work.runs)
    async with opened(order, order.store) as persister:
        built = [builder(step, persister, each, begun(order)) for each in runs]
        meter.begin()
        if order.options["async"]:
            ends = await asyncio.gather(*(driven(order, each) for each in built))
        else:
            ends = [await driven(order, each) for each in built]
        meter.end()
        meter.figures |= await _level(persister)
    meter.closed()
    assert all(end["count"] == order.work.steps for end in ends)
    async with opened(order, order.store) as persister:
        meter.figures["durable"] = 0
        for each in runs:
            found = await _loaded(order, persister, each)
            assert len(found["state"].get("items") or ()) == (order.work.steps if order.work.item else 0)
            meter.figures["durable"] += found["state"]["count"]


async def _loaded(order: Order, persister: Any, name: object) -> Any:
    found = persister.load(None, str(name))
    return await found if order.options["async"] else found


async def _level(persister: Any) -> dict[str, str]:
    async def ask(pragma: str) -> Any:
        cursor = persister.connection.execute(f"PRAGMA {pragma}")
        if isinstance(persister, AsyncSQLitePersister):
            cursor = await cursor
            return (await cursor.fetchone())[0]
        return cursor.fetchone()[0]

    return {"synchronous": {1: "normal", 2: "full"}[await ask("synchronous")], "journal": await ask("journal_mode")}


async def resume(order: Order, meter: Meter) -> None:
    """Take up the run that was killed in its last step; then read the finished one."""
    step = step_of(order, meter)
    if order.phase == "measure":
        async with opened(order, order.warm) as persister:
            await driven(order, builder(step, persister, "warm", {**begun(order), "goal": 3}))
    async with opened(order, order.store) as persister:
        if order.phase == "prepare":
            await driven(order, builder(step, persister, 0, begun(order)))
        meter.marks.clear()
        began = time.perf_counter()
        state = await driven(order, builder(step, persister, 0, begun(order), again=True))
        meter.figures["resume_ms"] = (time.perf_counter() - began) * 1000
        meter.figures["repeated"] = len(meter.marks) - 1
        assert state["count"] == order.work.steps
        began = time.perf_counter()
        found = await _loaded(order, persister, 0)
        meter.figures["read_ms"] = (time.perf_counter() - began) * 1000
        assert found["state"]["count"] == order.work.steps


async def many(order: Order, meter: Meter) -> None:
    """List the names of all runs (there are no pages), and resume some of those that died."""
    step = step_of(order, meter)
    async with opened(order, order.store) as persister:
        if order.phase == "prepare":
            whole = range(VICTIMS, order.work.runs)
            await asyncio.gather(*(driven(order, builder(step, persister, each, begun(order))) for each in whole))
            state = {**begun(order), "victim": True}
            dying = [
                asyncio.ensure_future(driven(order, builder(step, persister, each, state))) for each in range(VICTIMS)
            ]
            await asyncio.wait(dying, timeout=2)
            os.kill(os.getpid(), signal.SIGKILL)
        resumes, lists = [], []
        for each in range(VICTIMS):
            began = time.perf_counter()
            end = await driven(order, builder(step, persister, each, begun(order), again=True))
            resumes.append((time.perf_counter() - began) * 1000)
            assert end["count"] == order.work.steps
        for _ in range(VICTIMS):
            began = time.perf_counter()
            names = await persister.list_app_ids(None)
            lists.append((time.perf_counter() - began) * 1000)
            assert len(names[:PAGE]) == PAGE
        meter.figures |= {"list_ms": median(lists), "resume_ms": median(resumes)}
