"""The contract of an executor, on both: what waits for what, and what is left when a drive is broken off."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Literal

import pytest

from tests.runtime.conftest import Ear
from tests.runtime.held import HeldLedger
from workflow_engine import END, START, Question, Retry, State, Step, append, at_most, function, human, route, workflow
from workflow_engine.errors import StoreError
from workflow_engine.record.events import QuestionAnswered, QuestionAsked, RunCancelled, StepFailed, StepFinished
from workflow_engine.record.fold import fold


class Notes(State):
    """What the arms write; `begun` is kept outside, in a list of the test."""

    told: Annotated[list[str], append] = []
    said: int | None = None
    word: Literal["on"] | None = None


class Bodies:
    """Bodies that note when they begin and wait until the test lets them end."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.doors: dict[str, asyncio.Event] = {}
        self.came = asyncio.Event()
        self.broken = True

    def named(self, name: str, *, waits: bool = False, breaks: bool = False, retry: Retry | None = None) -> Any:
        self.doors[name] = asyncio.Event()

        @function(name=name, writes="told", retry=retry or Retry(1))
        async def body() -> list[str]:
            self.begun.append(name)
            self.came.set()
            if waits:
                await self.doors[name].wait()
            if breaks and self.broken:
                raise RuntimeError(f"{name} is broken")
            return [name]

        return body

    async def until(self, *names: str) -> None:
        """Wait until these have begun."""
        async with asyncio.timeout(5):
            while not set(names) <= set(self.begun):
                self.came.clear()
                await self.came.wait()

    def open(self, name: str) -> None:
        self.doors[name].set()


@pytest.fixture
def bodies() -> Bodies:
    return Bodies()


@human(writes="said")
def ask() -> Question[int]:
    return Question("How many?")


async def turns(many: int = 50) -> None:
    """Let everything happen that can happen by itself."""
    for _ in range(many):
        await asyncio.sleep(0)


async def events(ledger: HeldLedger, run: str) -> list[Any]:
    return [each.event for each in await ledger.journal(run)]  # type: ignore[arg-type]


async def left(ledger: HeldLedger, run: str) -> list[str]:
    return [event.node for event in await events(ledger, run) if isinstance(event, StepFinished)]


async def test_no_body_begins_before_the_step_that_leads_to_it_is_on_disk(
    opened: Any, ledger: HeldLedger, bodies: Bodies
) -> None:
    a, b, c, d = bodies.named("a", waits=True), bodies.named("b"), bodies.named("c"), bodies.named("d")
    flow = workflow("flow", state=Notes, edges=[START >> a >> (b, c) >> d >> END])
    async with opened(flow) as engine:
        run = asyncio.create_task(engine.run(flow))
        await bodies.until("a")
        ledger.stop()
        bodies.open("a")
        await ledger.held_back()
        await turns()
        assert bodies.begun == ["a"]
        ledger.go_on()
        assert (await run).status == "succeeded"


async def test_a_body_waits_for_its_own_commit_and_not_for_any(opened: Any, ledger: HeldLedger, bodies: Bodies) -> None:
    a, b, c, d = bodies.named("a", waits=True), bodies.named("b", waits=True), bodies.named("c"), bodies.named("d")
    last = bodies.named("last")
    flow = workflow("flow", state=Notes, edges=[START >> (a >> c, b >> d) >> last >> END])
    async with opened(flow) as engine:
        run = asyncio.create_task(engine.run(flow))
        await bodies.until("a", "b")
        ledger.stop()
        bodies.open("a")
        await turns()
        bodies.open("b")
        await turns()
        assert len(ledger.queue) == 2
        ledger.let_one_through()
        await bodies.until("c")
        await turns()
        assert "d" not in bodies.begun
        ledger.go_on()
        assert (await run).status == "succeeded"


async def test_an_effect_is_repeated_only_once_the_word_that_allowed_it_is_on_disk(
    opened: Any, ledger: HeldLedger, bodies: Bodies, ear: Ear
) -> None:
    slow, last = bodies.named("slow", waits=True), bodies.named("last")
    charge = replace(bodies.named("charge", waits=True), effect=True)
    flow = workflow("flow", state=Notes, edges=[START >> (slow, charge) >> last >> END])
    async with opened(flow) as engine:
        run = asyncio.create_task(engine.run(flow))
        await bodies.until("slow", "charge")
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run
        bodies.begun.clear()
        again = asyncio.create_task(engine.recover())
        asked = await ear.until(QuestionAsked)
        await bodies.until("slow")
        ledger.stop()
        await engine.answer(asked.question.id, "rerun")
        await ledger.held_back()
        await turns()
        (queued,) = (batch.events for _, batch, _ in ledger.queue)
        assert [type(event) for event in queued] == [QuestionAnswered]
        ledger.go_on()
        bodies.open("charge")
        bodies.open("slow")
        (view,) = await again
        assert view.status == "succeeded"


async def test_an_answer_lets_its_arm_go_on_while_another_is_in_the_middle_of_a_step(
    opened: Any, bodies: Bodies, ear: Ear
) -> None:
    slow, after, last, join = (
        bodies.named("slow", waits=True),
        bodies.named("after"),
        bodies.named("last"),
        bodies.named("join"),
    )
    flow = workflow("flow", state=Notes, edges=[START >> (slow, ask >> after >> last) >> join >> END])
    async with opened(flow) as engine:
        run = asyncio.create_task(engine.run(flow))
        await bodies.until("slow")
        asked = await ear.until(QuestionAsked)
        await engine.answer(asked.question.id, 3)
        await bodies.until("last")
        assert not run.done()
        bodies.open("slow")
        assert (await run).status == "succeeded"
    assert bodies.begun == ["slow", "after", "last", "join"]


async def test_an_answer_in_an_arm_of_an_arm_waits_for_no_other_arm(opened: Any, bodies: Bodies, ear: Ear) -> None:
    first, slow, slower, after = (
        bodies.named("first"),
        bodies.named("slow", waits=True),
        bodies.named("slower", waits=True),
        bodies.named("after"),
    )
    inner, outer = bodies.named("inner"), bodies.named("outer")
    flow = workflow(
        "flow", state=Notes, edges=[START >> (first >> (ask >> after, slow) >> inner, slower) >> outer >> END]
    )
    async with opened(flow) as engine:
        run = asyncio.create_task(engine.run(flow))
        await bodies.until("slow", "slower")
        asked = await ear.until(QuestionAsked)
        await engine.answer(asked.question.id, 3)
        await bodies.until("after")
        bodies.open("slow")
        await bodies.until("inner")
        bodies.open("slower")
        assert (await run).status == "succeeded"


async def test_a_question_outlives_the_failure_of_another_arm_and_both_go_on(
    opened: Any, ledger: HeldLedger, bodies: Bodies, ear: Ear
) -> None:
    good, bad, after, join = (
        bodies.named("good", waits=True),
        bodies.named("bad", breaks=True),
        bodies.named("after"),
        bodies.named("join"),
    )
    flow = workflow("flow", state=Notes, edges=[START >> (good, bad, ask >> after) >> join >> END])
    async with opened(flow) as engine:
        run = asyncio.create_task(engine.run(flow))
        await bodies.until("good", "bad")
        await ear.until(QuestionAsked)
        await ear.until(StepFailed)
        await turns()
        assert not run.done()  # the sibling under way finishes first
        bodies.open("good")
        view = await run
        assert view.status == "failed"
        assert [each.node for each in view.history.steps if each.status == "finished"] == ["good"]
        (asked,) = await engine.inbox(view.id)
        await engine.answer(asked.question.id, 3)
        assert (await engine.get(view.id)).status == "failed"
    bodies.broken = False
    async with opened(flow) as engine:
        view = await engine.resume(view.id)
        assert view.status == "succeeded"
        assert view.values["said"] == 3
    assert bodies.begun.count("good") == 1
    assert sorted(await left(ledger, view.id)) == ["after", "ask", "bad", "good", "join"]


async def test_an_answer_taken_while_a_run_is_failing_begins_nothing(opened: Any, bodies: Bodies, ear: Ear) -> None:
    good, bad, after, join = (
        bodies.named("good", waits=True),
        bodies.named("bad", breaks=True),
        bodies.named("after"),
        bodies.named("join"),
    )
    flow = workflow("flow", state=Notes, edges=[START >> (good, bad, ask >> after) >> join >> END])
    async with opened(flow) as engine:
        run = asyncio.create_task(engine.run(flow))
        await bodies.until("good", "bad")
        asked = await ear.until(QuestionAsked)
        await ear.until(StepFailed)
        await engine.answer(asked.question.id, 3)
        await turns()
        bodies.open("good")
        view = await run
        assert view.status == "failed"
        assert view.values["said"] == 3
        assert "after" not in bodies.begun
        bodies.broken = False
        assert (await engine.resume(view.id)).status == "succeeded"


async def test_a_drain_does_not_wait_for_a_retry(opened: Any, bodies: Bodies) -> None:
    late = Retry(3, first=timedelta(hours=1), jitter=False)
    bad, slow, join = (
        bodies.named("bad", breaks=True, retry=late),
        bodies.named("slow", waits=True),
        bodies.named("join"),
    )
    flow = workflow("flow", state=Notes, edges=[START >> (bad, slow) >> join >> END])
    async with opened(flow) as engine:
        run = asyncio.create_task(engine.run(flow))
        await bodies.until("bad", "slow")
        await turns()
        engine.drain()
        bodies.open("slow")
        async with asyncio.timeout(5):
            view = await run
        assert view.interrupted
    bodies.broken = False
    async with opened(flow) as engine:
        view = await engine.resume(view.id)
        assert view.status == "succeeded"
        assert bodies.begun.count("slow") == 1


async def test_a_step_whose_commit_is_queued_when_its_drive_is_cancelled_is_not_run_again(
    opened: Any, ledger: HeldLedger, bodies: Bodies
) -> None:
    a, b, c, d = bodies.named("a", waits=True), bodies.named("b", waits=True), bodies.named("c"), bodies.named("d")
    flow = workflow("flow", state=Notes, edges=[START >> (a >> c, b) >> d >> END])
    async with opened(flow) as engine:
        run = asyncio.create_task(engine.run(flow))
        await bodies.until("a", "b")
        ledger.stop()
        bodies.open("a")
        await ledger.held_back()
        run.cancel()
        await turns()
        ledger.go_on()
        with suppress(asyncio.CancelledError):
            await run
        (listed,) = await engine.runs()
        assert fold(await events(ledger, listed.run)) == (await engine.get(listed.run)).run
        bodies.open("b")
        view = await engine.resume(listed.run)
    assert view.status == "succeeded"
    assert bodies.begun == ["a", "b", "b", "c", "d"] or bodies.begun == ["a", "b", "c", "b", "d"]


async def test_two_arms_that_commit_at_one_moment_both_count(opened: Any, ledger: HeldLedger, bodies: Bodies) -> None:
    a, b, c = bodies.named("a", waits=True), bodies.named("b", waits=True), bodies.named("c")
    flow = workflow("flow", state=Notes, edges=[START >> (a, b) >> c >> END])
    async with opened(flow) as engine:
        run = asyncio.create_task(engine.run(flow))
        await bodies.until("a", "b")
        ledger.stop()
        bodies.open("a")
        bodies.open("b")
        await turns()
        first, second = (batch.run for _, batch, _ in ledger.queue)
        assert second.seq == first.seq + 1
        assert second.frontier.due == ("c",)
        ledger.go_on()
        view = await run
    assert view.status == "succeeded"
    assert view.values["told"] == ["a", "b", "c"]


async def test_cancelling_a_run_in_the_middle_of_a_commit_ends_it_behind_that_step(
    opened: Any, ledger: HeldLedger, bodies: Bodies
) -> None:
    a, b = bodies.named("a", waits=True), bodies.named("b")
    flow = workflow("flow", state=Notes, edges=[START >> a >> b >> END])
    async with opened(flow) as engine:
        run = asyncio.create_task(engine.run(flow))
        await bodies.until("a")
        ledger.stop()
        bodies.open("a")
        await ledger.held_back()
        (listed,) = await engine.runs()
        cancelled = asyncio.create_task(engine.cancel(listed.run, by="ann"))
        await turns()
        ledger.go_on()
        assert (await run).status == "cancelled"
        await cancelled
    kinds = [type(event) for event in await events(ledger, listed.run)]
    assert kinds[-2:] == [StepFinished, RunCancelled]
    assert bodies.begun == ["a"]


async def test_a_body_that_will_not_be_cancelled_is_waited_for(opened: Any, ledger: HeldLedger) -> None:
    begun = asyncio.Event()

    @function(writes="told")
    async def stubborn() -> list[str]:
        begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return ["done all the same"]

    flow = workflow("flow", state=Notes, edges=[START >> stubborn >> stubborn.named("next") >> END])
    async with opened(flow) as engine:
        run = asyncio.create_task(engine.run(flow))
        await begun.wait()
        (listed,) = await engine.runs()
        await engine.cancel(listed.run)
        view = await run
    assert view.status == "cancelled"
    assert view.values["told"] == ["done all the same"]
    assert [type(event) for event in await events(ledger, listed.run)][-2:] == [StepFinished, RunCancelled]


async def test_a_resume_that_is_cancelled_at_its_first_commit_lets_go_of_the_run(
    opened: Any, ledger: HeldLedger, bodies: Bodies
) -> None:
    a = bodies.named("a", breaks=True)
    flow = workflow("flow", state=Notes, edges=[START >> a >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow)
        ledger.stop()
        again = asyncio.create_task(engine.resume(view.id))
        await ledger.held_back()
        again.cancel()
        await turns()
        ledger.go_on()
        with suppress(asyncio.CancelledError):
            await again
        bodies.broken = False
        assert (await engine.resume(view.id)).status == "succeeded"


async def test_a_store_that_fails_ends_the_drive_and_stops_the_other_arms(
    opened: Any, ledger: HeldLedger, bodies: Bodies
) -> None:
    a, b, c = bodies.named("a", waits=True), bodies.named("b", waits=True), bodies.named("c")
    flow = workflow("flow", state=Notes, edges=[START >> (a, b) >> c >> END])
    async with opened(flow) as engine:
        run = asyncio.create_task(engine.run(flow))
        await bodies.until("a", "b")
        ledger.broken = True
        bodies.open("a")
        with pytest.raises(StoreError, match="the disk is full"):
            await run
        ledger.broken = False
        bodies.open("b")
        (view,) = await engine.recover()
        assert view.status == "succeeded"
        assert [event for event in await events(ledger, view.id) if isinstance(event, StepFailed)] == []


async def test_a_node_that_loops_to_itself_is_one_step_a_visit(opened: Any, ledger: HeldLedger) -> None:
    @human(writes="word", name="nod")
    def nod() -> Question[Literal["on"]]:
        return Question("On?")

    seen: list[int] = []

    @function(writes="told")
    async def spin(step: Step) -> list[str]:
        seen.append(step.visit)
        return [str(step.visit)]

    @route
    def again(told: list[str]) -> Literal["more", "done"]:
        return "more" if len(told) < 9 else "done"

    flow = workflow(
        "flow",
        state=Notes,
        edges=[
            START >> spin >> again,
            again["done"] >> END,
            again["more"] >> at_most(3, spin, then=nod),
            nod["on"] >> spin,
        ],
    )
    async with opened(flow) as engine:
        view = await engine.run(flow)
        assert view.status == "waiting"
        await engine.answer(view.id, "on")
        view = await engine.resume(view.id)
        await engine.answer(view.id, "on")
        view = await engine.resume(view.id)
        assert view.status == "succeeded"
    assert seen == list(range(1, 10))


WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


async def test_what_a_body_leaves_in_its_context_is_not_for_the_steps_after_it(opened: Any) -> None:
    seen: list[str] = []

    def leaving(name: str) -> Any:
        @function(name=name)
        async def body() -> None:
            seen.append(WHO.get())
            WHO.set(name)

        return body

    flow = workflow("flow", state=Notes, edges=[START >> leaving("a") >> leaving("b") >> leaving("c") >> END])
    async with opened(flow) as engine:
        WHO.set("the caller")
        assert (await engine.run(flow)).status == "succeeded"
    assert seen == ["the caller"] * 3


async def test_a_body_that_ends_instead_of_being_cancelled_is_the_last_to_begin(
    opened: Any, ledger: HeldLedger, bodies: Bodies
) -> None:
    begun = asyncio.Event()

    @function
    async def stubborn() -> None:
        begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    flow = workflow("flow", state=Notes, edges=[START >> stubborn >> bodies.named("after") >> END])
    async with opened(flow) as engine:
        run = asyncio.create_task(engine.run(flow))
        await begun.wait()
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run
        (only,) = await engine.runs()
        assert await left(ledger, only.run) == ["stubborn"]
        assert bodies.begun == []
        assert (await engine.resume(only.run)).status == "succeeded"
