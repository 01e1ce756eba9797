"""Deadlines of questions: asked again, a default when the time is up. Nobody need be alive, and clocks may jump."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel

from workflow_engine import END, FAIL, START, Question, Reducer, State, function, human, workflow
from workflow_engine.errors import QuestionNotFound
from workflow_engine.record import events as e
from workflow_engine.testing.clock import FakeClock

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Ruling(BaseModel):
    choice: Literal["retry", "abandon"]
    hint: str = ""


class Case(State):
    due: datetime | None = None
    ruling: Ruling | None = None
    told: str = ""


@human(writes="ruling", within=2 * DAY, remind=(DAY, 1.5 * DAY), default="abandon", to="alice")
def review(due: datetime | None) -> Question[Ruling]:
    return Question("Go on?", due=due)


CASE = workflow("case", state=Case, edges=[START >> review, review["retry"] >> END, review["abandon"] >> FAIL("gone")])


def facts(engine: Any, kind: Any, journal: Any) -> list[Any]:
    return [each.event for each in journal if isinstance(each.event, kind)]


class Ear:
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def hear(self, _run: Any, event: Any) -> None:
        self.heard.append(event)


async def test_the_default_is_the_answer_when_the_time_is_up(opened: Any, clock: Any, ledger: Any) -> None:
    async with opened(CASE) as engine:
        run = (await engine.run(CASE)).id
        clock.advance((2 * DAY).total_seconds())
        [view] = await engine.recover()
        assert (view.status, view.reason) == ("failed", "gone")
        assert view.state.ruling == Ruling(choice="abandon")
        assert view.history.latest("review").words == "abandon (by the default at expiry)"
        [expired] = facts(engine, e.QuestionExpired, await ledger.journal(run))
        assert (expired.answer.by, expired.answer.value) == ("the default at expiry", {"choice": "abandon", "hint": ""})
        assert [each.status for each in view.questions] == ["expired"]


async def test_a_default_holds_whatever_edge_its_word_leads_by(opened: Any, clock: Any) -> None:
    @human(writes="told", within=HOUR, default="all", name="ask")
    def ask() -> Question[str]:
        return Question("What?")

    flow = workflow("flow", state=Case, edges=[START >> ask >> END])
    async with opened(flow) as engine:
        await engine.run(flow)
        clock.advance(HOUR.total_seconds())
        [view] = await engine.recover()
        assert (view.status, view.state.told) == ("succeeded", "all")


async def test_a_default_that_fits_no_more_fails_the_step(opened: Any, clock: Any) -> None:
    refuse = False

    def merge(_old: str, new: str) -> str:
        if refuse:
            raise ValueError("not today")
        return new

    class Reduced(State):
        told: Annotated[str, Reducer("fussy", merge)] = ""

    @human(writes="told", within=HOUR, default="all")
    def ask() -> Question[str]:
        return Question("What?")

    flow = workflow("flow", state=Reduced, edges=[START >> ask >> END, ask.failed >> FAIL("no default")])
    async with opened(flow) as engine:
        await engine.run(flow)
        refuse = True
        clock.advance(HOUR.total_seconds())
        [view] = await engine.recover()
        assert (view.status, view.reason) == ("failed", "no default")


async def test_a_question_is_asked_again_at_its_times_and_each_is_heard_once(
    opened: Any, clock: Any, ledger: Any
) -> None:
    ear = Ear()
    async with opened(CASE, listeners=[ear]) as engine:
        run = (await engine.run(CASE)).id
        assert await engine.recover() == []
        for hours, times in ((24, [1]), (1, [1]), (11, [1, 1]), (1, [1, 1])):
            clock.advance(hours * 3600)
            await engine.recover()
            assert [each.times for each in ear.heard if isinstance(each, e.QuestionReminded)] == times
        [first, _] = facts(engine, e.QuestionReminded, await ledger.journal(run))
        assert (first.to, first.node) == ("alice", "review")
        [standing] = await engine.inbox()
        assert standing.known.reminded == 2


async def test_reminders_nobody_was_there_for_are_one(opened: Any, clock: Any, ledger: Any) -> None:
    async with opened(CASE) as engine:
        run = (await engine.run(CASE)).id
    clock.advance((1.9 * DAY).total_seconds())
    async with opened(CASE) as engine:
        [view] = await engine.recover()
        assert view.status == "waiting"
        assert [each.times for each in facts(engine, e.QuestionReminded, await ledger.journal(run))] == [2]
        assert await engine.recover() == []


@pytest.mark.parametrize("executor", ["native", "langgraph"])
async def test_a_run_driven_here_is_reminded_and_expired_without_anybody_asking(
    opened: Any, clock: Any, executor: str
) -> None:
    go = asyncio.Event()

    @function
    async def long() -> None:
        await go.wait()

    flow = workflow("flow", state=Case, edges=[START >> (asked, long) >> END])
    ear = Ear()
    async with opened(flow, listeners=[ear], executor=executor) as engine:
        running = asyncio.ensure_future(engine.run(flow))
        await until(lambda: any(isinstance(each, e.QuestionAsked) for each in ear.heard))
        clock.advance(DAY.total_seconds())
        await until(lambda: any(isinstance(each, e.QuestionReminded) for each in ear.heard))
        clock.advance(DAY.total_seconds())
        await until(lambda: any(isinstance(each, e.QuestionExpired) for each in ear.heard))
        go.set()
        assert (await running).status == "succeeded"


@human(writes="told", within=2 * DAY, remind=DAY, default="all")
def asked() -> Question[str]:
    return Question("What?")


async def until(true: Any) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 (a drive under way has no event of ours)
            await asyncio.sleep(0.01)


async def test_a_clock_that_is_set_back_reminds_nobody_twice(opened: Any, clock: Any, ledger: Any) -> None:
    async with opened(CASE) as engine:
        run = (await engine.run(CASE)).id
        clock.advance(DAY.total_seconds())
        await engine.recover()
    earlier = FakeClock(clock.now() - DAY)
    async with opened(CASE, clock=earlier) as engine:
        assert await engine.recover() == []
        earlier.advance((1.1 * DAY).total_seconds())
        assert await engine.recover() == []
        assert len(facts(engine, e.QuestionReminded, await ledger.journal(run))) == 1


async def test_the_body_may_give_a_question_a_time_of_its_own(opened: Any, clock: Any) -> None:
    async with opened(CASE) as engine:
        view = await engine.run(CASE, due=clock.now() + 3 * HOUR)
        [standing] = view.open_questions
        assert standing.question.due == clock.now() + 3 * HOUR
        assert standing.question.remind == ()  # it would be over before
        clock.advance((3 * HOUR).total_seconds())
        with pytest.raises(QuestionNotFound, match="expired at"):
            await engine.answer(view.id, "retry", by="alice")
        [view] = await engine.recover()
        assert view.reason == "gone"


async def test_a_time_without_a_zone_is_the_nodes_error(opened: Any) -> None:
    class Bare(State):
        ruling: Ruling | None = None

    @human(writes="ruling", within=DAY, default="abandon")
    def ask() -> Question[Ruling]:
        return Question("Go on?", due=datetime(2030, 1, 1))  # noqa: DTZ001

    flow = workflow("flow", state=Bare, edges=[START >> ask, ask["retry"] >> END, ask["abandon"] >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow)
        assert view.status == "failed"
        assert view.error is not None
        assert "without a time zone" in view.error.message


async def test_a_time_where_none_is_declared_is_the_nodes_error(opened: Any) -> None:
    class Bare(State):
        ruling: Ruling | None = None

    @human(writes="ruling")
    def ask() -> Question[Ruling]:
        return Question("Go on?", due=datetime(2030, 1, 1, tzinfo=UTC))

    flow = workflow("flow", state=Bare, edges=[START >> ask, ask["retry"] >> END, ask["abandon"] >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow)
        assert view.error is not None
        assert "declares no within=" in view.error.message


async def test_a_worker_asks_again_and_lets_the_default_hold(opened: Any, clock: Any, ledger: Any) -> None:
    async with opened(CASE) as engine:
        run = (await engine.run(CASE)).id
    async with opened(CASE) as engine:
        clock.advance(DAY.total_seconds())
        working = asyncio.ensure_future(engine.work())
        async with asyncio.timeout(10):
            while not facts(engine, e.QuestionReminded, await ledger.journal(run)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            clock.advance(DAY.total_seconds())
            while (view := await engine.get(run)).status != "failed":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        engine.drain()
        await working
        assert view.reason == "gone"


async def test_a_question_that_a_graph_changed_under_keeps_the_terms_it_was_asked_on(opened: Any, clock: Any) -> None:
    def flow(**terms: Any) -> Any:
        @human(writes="told", name="ask", **terms)
        def ask() -> Question[str]:
            return Question("What?")

        return workflow("flow", state=Case, edges=[START >> ask >> END])

    before, after = flow(to="alice"), flow(to="bob", within=DAY, default="all")
    async with opened(before) as engine:
        run = (await engine.run(before)).id
    async with opened(after) as engine:
        view = await engine.resume(run)
        [standing] = view.open_questions
        assert (standing.to, standing.question.due) == ("alice", None)
        await engine.answer(run, "mine", by="alice")
        assert (await engine.resume(run)).state.told == "mine"
