"""Resources: opened once, by the task that also closes them, and closed whatever else goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from workflow_engine import END, START, Engine, State, function, workflow
from workflow_engine.bodies.resources import Resources
from workflow_engine.errors import Infrastructure
from workflow_engine.stores.memory import MemoryLedger


class Pool:
    pass


class Other:
    pass


async def test_a_resource_is_closed_by_the_task_that_opened_it() -> None:
    @asynccontextmanager
    async def open_pool() -> AsyncIterator[Pool]:
        async with anyio.create_task_group():  # insists on it
            yield Pool()

    resources = Resources()
    first = await asyncio.create_task(resources.get(Pool, {Pool: open_pool}))
    assert await asyncio.create_task(resources.get(Pool, {Pool: open_pool})) is first
    await resources.close()


async def test_many_steps_share_one_opening_and_one_that_gives_up_does_not_stop_it() -> None:
    opened: list[Pool] = []
    slowly = asyncio.Event()

    @asynccontextmanager
    async def open_pool() -> AsyncIterator[Pool]:
        opened.append(Pool())
        await slowly.wait()
        yield opened[-1]

    resources = Resources()
    impatient, patient = (asyncio.create_task(resources.get(Pool, {Pool: open_pool})) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    slowly.set()
    assert await patient is opened[0]
    assert len(opened) == 1
    await resources.close()


@pytest.mark.parametrize("error", [OSError("no such host"), asyncio.CancelledError("timed out"), SystemExit(1)])
async def test_a_resource_that_does_not_open_is_tried_anew_by_the_next_step(error: BaseException) -> None:
    tries: list[int] = []

    @asynccontextmanager
    async def open_pool() -> AsyncIterator[Pool]:
        tries.append(1)
        if len(tries) == 1:
            raise error
        yield Pool()

    resources = Resources()
    with pytest.raises(Infrastructure, match="resource Pool cannot be opened"):
        await resources.get(Pool, {Pool: open_pool})
    assert isinstance(await resources.get(Pool, {Pool: open_pool}), Pool)
    await resources.close()


async def test_a_resource_that_died_is_opened_again(caplog: pytest.LogCaptureFixture) -> None:
    dying = asyncio.Event()

    async def die() -> None:
        await dying.wait()
        raise ConnectionError("cut")

    @asynccontextmanager
    async def open_pool() -> AsyncIterator[Pool]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(die())
            yield Pool()
            task.cancel()

    resources = Resources()
    first = await resources.get(Pool, {Pool: open_pool})
    dying.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    dying.clear()
    assert await resources.get(Pool, {Pool: open_pool}) is not first
    assert "resource Pool ended by itself" in caplog.text
    await resources.close()


async def test_all_are_closed_last_first_even_where_one_fails() -> None:
    closed: list[str] = []

    @asynccontextmanager
    async def open_pool() -> AsyncIterator[Pool]:
        yield Pool()
        closed.append("pool")

    @asynccontextmanager
    async def open_other() -> AsyncIterator[Other]:
        yield Other()
        closed.append("other")
        raise ValueError("stuck")

    openers: dict[type, Any] = {Pool: open_pool, Other: open_other}
    resources = Resources()
    await resources.get(Pool, openers)
    await resources.get(Other, openers)
    with pytest.raises(Infrastructure, match="resource Other did not close: stuck"):
        await resources.close()
    assert closed == ["other", "pool"]


async def test_the_store_is_closed_though_a_resource_does_not_close() -> None:
    class Noted(MemoryLedger):
        closed = False

        async def close(self) -> None:
            self.closed = True
            await super().close()

    class Note(State):
        text: str = ""

    @asynccontextmanager
    async def open_pool() -> AsyncIterator[Pool]:
        yield Pool()
        raise ValueError("stuck")

    async def write(pool: Any) -> str:
        return type(pool).__name__

    write.__annotations__["pool"] = Pool
    node = function(writes="text")(write)
    flow = workflow("flow", state=Note, edges=[START >> node >> END], resources={Pool: open_pool})
    ledger = Noted()
    with pytest.raises(Infrastructure, match="did not close"):
        async with Engine.connect(ledger=ledger) as engine:
            assert (await engine.run(flow)).state.text == "Pool"
    assert ledger.closed
