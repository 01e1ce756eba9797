"""Stopping: bodies that will not stop, bodies that stop themselves, and runs cancelled at any moment."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from typing import Any, Literal, cast

import pytest

from workflow_engine import END, START, Engine, Question, Retry, State, function, human, route, workflow
from workflow_engine.errors import StoreError
from workflow_engine.ports.ledger import Batch, Fence
from workflow_engine.record.fold import fold
from workflow_engine.record.inbox import Letter


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
    assert "test_stopping.py" in view.run.error.trace


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


async def test_a_cancel_that_finds_an_owner_about_to_let_go_still_ends_the_run(ledger: Any, opened: Any) -> None:
    @human(writes="text")
    def ask() -> Question[str]:
        return Question("Text?")

    flow = workflow("flow", state=Note, edges=[START >> ask >> END])
    async with opened(flow) as engine:
        run = (await engine.run(flow)).id
    fence, _ = await ledger.claim(run)  # an owner that looked into its box for the last time

    class LateLedger:
        def __getattr__(self, name: str) -> Any:
            return getattr(ledger, name)

        async def send(self, letter: Any) -> None:
            await ledger.send(letter)
            await ledger.release(fence)

    async with Engine.connect(ledger=cast("Any", LateLedger())) as engine:
        view = await engine.cancel(run, by="ana")
    assert (view.status, view.run.reason, view.letters) == ("cancelled", "ana", False)


async def test_a_cancel_sent_in_the_moment_in_which_a_run_is_stored_is_heard(ledger: Any) -> None:
    @function(writes="text")
    async def endless() -> str:
        await asyncio.Event().wait()
        return ""

    looked = asyncio.Event()

    class EarlyLedger:
        """Another process cancels what is stored before its owner has heard that it is; nothing is stored after."""

        def __getattr__(self, name: str) -> Any:
            return getattr(ledger, name)

        async def create(self, batch: Batch) -> Fence:
            fence: Fence = await ledger.create(batch)
            run = batch.run.id
            if looked.is_set():
                await ledger.send(Letter(f"{run}.cancel", run, "cancel", "ana", datetime(2026, 1, 1, tzinfo=UTC)))
            return fence

        async def changed(self, since: int) -> int:
            return 1

        async def boxes(self) -> Any:
            looked.set()
            return await ledger.boxes()

    flow = workflow("flow", state=Note, edges=[START >> endless >> END])
    async with Engine.connect(ledger=cast("Any", EarlyLedger()), workflows=[flow]) as engine:
        first = asyncio.create_task(engine.run(flow))
        await looked.wait()
        view = await engine.run(flow)
        first.cancel()
    assert (view.status, view.run.reason, view.letters) == ("cancelled", "ana", False)


async def test_a_run_that_fails_while_it_is_being_cancelled_is_cancelled(ledger: Any, opened: Any) -> None:
    @function(writes="text")
    async def fails() -> str:
        [run] = await ledger.find("@last")
        await ledger.send(Letter(f"{run}.cancel", run, "cancel", "ana", datetime(2026, 1, 1, tzinfo=UTC)))
        raise ValueError("no")

    flow = workflow("flow", state=Note, edges=[START >> fails >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow)
    assert (view.status, view.letters) == ("cancelled", False)


async def test_a_run_stopped_by_its_caller_is_interrupted_and_counts_no_death(opened: Any) -> None:
    under_way = asyncio.Event()

    @function(writes="text")
    async def slow() -> str:
        if not under_way.is_set():
            under_way.set()
            await asyncio.Event().wait()
        return "done"

    flow = workflow("flow", state=Note, edges=[START >> slow >> END])
    async with opened(flow) as engine:
        driving = asyncio.create_task(engine.run(flow))
        await under_way.wait()
        driving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await driving
        view = await engine.get("@last")
        assert (view.status, view.interrupted, view.owned) == ("running", True, False)
        [view] = await engine.recover()
        journal = await engine.journal(view.id)
    assert view.status == "succeeded"
    assert "RunInterrupted" in [each.event.type for each in journal]
    assert fold(each.event for each in journal[:4]).deaths == {}


async def test_the_box_is_still_heard_after_the_store_could_not_be_read_once(
    ledger: Any, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, looked = asyncio.Event(), asyncio.Event()

    @function(writes="text")
    async def endless() -> str:
        under_way.set()
        return str(await asyncio.Event().wait())

    flow = workflow("flow", state=Note, edges=[START >> endless >> END])
    changed = type(ledger).changed

    async def locked_once(self: Any, since: int) -> int:
        if looked.is_set():
            return cast("int", await changed(self, since))
        looked.set()
        raise StoreError("the store is locked")

    monkeypatch.setattr(type(ledger), "changed", locked_once)
    async with opened(flow) as engine, opened() as elsewhere:
        driving = asyncio.create_task(engine.run(flow))
        await under_way.wait()
        await looked.wait()
        await elsewhere.cancel("@last")
        view = await asyncio.wait_for(driving, 5)
    assert view.status == "cancelled"
