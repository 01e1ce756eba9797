"""Stopping: bodies that will not stop, bodies that stop themselves, and runs cancelled at any moment."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Literal

import pytest

from workflow_engine import END, START, State, function, route, workflow
from workflow_engine.spec.policies import Retry


class Note(State):
    text: str = ""


async def test_a_body_that_finishes_in_spite_of_a_cancel_leaves_an_ended_run_alone(opened: Any) -> None:
    under_way = asyncio.Event()

    @function(writes="text")
    async def stubborn() -> str:
        under_way.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done all the same"
        return "never"

    flow = workflow("flow", state=Note, edges=[START >> stubborn >> END])
    async with opened(flow) as engine:
        driving = asyncio.create_task(engine.run(flow))
        await under_way.wait()
        await engine.cancel("@last", by="ana")
        view = await driving
        journal = await engine.journal(view.id)
    assert view.status == "succeeded"
    assert [each.event.type for each in journal] == ["RunCreated", "RunClaimed", "StepFinished"]


async def test_a_body_whose_own_task_was_cancelled_is_a_failed_step(opened: Any) -> None:
    @function(writes="text", retry=Retry(2))
    async def muddled() -> str:
        inner = asyncio.create_task(asyncio.Event().wait())
        inner.cancel()
        await inner
        return "never"

    flow = workflow("flow", state=Note, edges=[START >> muddled >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow)
    assert view.status == "failed"
    assert view.run.error is not None
    assert "cancelled" in view.run.error.message
    assert view.run.error.attempts == 2


@pytest.mark.parametrize("plain", [True, False])
async def test_a_body_that_exits_fails_its_step_and_not_the_process(opened: Any, plain: bool) -> None:
    async def leaves() -> str:
        sys.exit(3)

    def leaves_plainly() -> str:
        sys.exit(3)

    node = function(writes="text", name="leaves")(leaves_plainly if plain else leaves)
    flow = workflow("flow", state=Note, edges=[START >> node >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow)
    assert view.status == "failed"
    assert view.run.error is not None
    assert "sys.exit(3)" in view.run.error.message


async def test_a_run_that_ends_where_it_begins_is_recorded_whole(opened: Any) -> None:
    @function(writes="text")
    async def work() -> str:
        return "worked"

    @route
    def needed(text: str) -> Literal["yes", "no"]:
        return "no"

    flow = workflow("flow", state=Note, edges=[START >> needed, needed["yes"] >> work >> END, needed["no"] >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow)
        journal = await engine.journal(view.id)
    assert view.status == "succeeded"
    assert view.run.seq == len(journal)
    assert [each.seq for each in journal] == list(range(1, len(journal) + 1))
