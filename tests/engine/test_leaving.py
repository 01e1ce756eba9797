"""An outcome that leaves a fork early: the other arms are withdrawn, and what is under way there ends first."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Literal

import pytest

from workflow_engine import END, FAIL, START, Failure, Question, State, function, human, leaving, workflow
from workflow_engine.errors import Conflict
from workflow_engine.testing import FakeClock

EXECUTORS = pytest.mark.parametrize("executor", ["native", "langgraph"])


class Deal(State):
    text: str = "offer"
    checked: str | None = None
    paid: str | None = None
    again: int = 0
    note: str | None = None


Verdict = Literal["yes", "no"]


@function(writes="text")
async def draft(text: str, again: int) -> str:
    return f"{text}{again}"


@human()
def legal(text: str) -> Question[Verdict]:
    return Question(f"May we send {text}?")


@human(within=timedelta(days=2))
def budget(text: str) -> Question[Verdict]:
    return Question(f"Can we pay {text}?")


@function()
async def send(text: str) -> None: ...


@function(writes="again")
async def rework(again: int) -> int:
    return again + 1


def deal(*more: Any, work: Any = None) -> Any:
    """Two people and, beside them, a step; either may say no."""
    arms: tuple[Any, ...] = (legal, budget) if work is None else (legal, budget, work)
    joined: tuple[Any, ...] = (legal["yes"], budget["yes"]) if work is None else (legal["yes"], budget["yes"], work)
    return workflow(
        "deal",
        state=Deal,
        edges=[
            START >> draft >> arms,
            joined >> send >> END,
            legal["no"] >> leaving(rework),
            budget["no"] >> leaving(FAIL("no money")),
            budget.expired >> leaving(END),
            rework >> draft,
            *more,
        ],
    )


async def question(engine: Any, node: str) -> str:
    found = [each.question.id for each in await engine.inbox() if each.question.node == node]
    assert len(found) == 1, found
    return str(found[0])


async def say(engine: Any, node: str, value: Any) -> Any:
    id = await question(engine, node)
    await engine.answer(id, value, by="ann")
    return await engine.resume(id.split(".")[0])


async def told(engine: Any, run: str) -> list[str]:
    return [
        f"{type(each.event).__name__} {getattr(each.event, 'node', '')}".strip() for each in await engine.journal(run)
    ]


@EXECUTORS
async def test_no_withdraws_the_other_question_in_the_same_commit(opened: Any, executor: str) -> None:
    flow = deal()
    async with opened(flow, executor=executor) as engine:
        view = await engine.run(flow)
        asked = await question(engine, "budget")
        view = await say(engine, "legal", "no")
        assert view.status == "waiting"
        assert view.state.again == 1, "rework ran at once"
        assert sorted(each.question.node for each in await engine.inbox()) == ["budget", "legal"], "asked anew"
        journal = await told(engine, view.id)
        at = journal.index("QuestionWithdrawn budget")
        assert journal[at - 1 : at + 3] == [
            "QuestionAnswered legal",
            "QuestionWithdrawn budget",
            "StepFinished legal",
            "StepFinished rework",
        ]
        with pytest.raises(Conflict, match="withdrawn") as refused:
            await engine.answer(asked, "yes", by="bob")
        assert refused.value.cure == f"workflow show {view.id}"
        view = await say(engine, "legal", "yes")
        view = await say(engine, "budget", "yes")
        assert (view.status, view.run.frontier.arrived) == ("succeeded", {})
        steps = [each.withdrew for each in view.history.steps if each.node == "legal"]
        assert steps == [("budget",), ()]


@EXECUTORS
async def test_an_end_may_be_left_for(opened: Any, executor: str) -> None:
    flow = deal()
    async with opened(flow, executor=executor) as engine:
        await engine.run(flow)
        view = await say(engine, "budget", "no")
    assert (view.status, view.run.reason, view.run.frontier.due, view.run.open) == ("failed", "no money", (), ())


@EXECUTORS
async def test_nobody_answering_may_leave_a_fork(opened: Any, clock: FakeClock, executor: str) -> None:
    flow = deal()
    async with opened(flow, executor=executor) as engine:
        view = await engine.run(flow)
        clock.advance(3 * 86400)
        view = await engine.resume(view.id)
        assert (view.status, view.run.open) == ("succeeded", ())
        assert await engine.inbox() == []


class Work:
    """A step beside the people that ends when it is told to."""

    def __init__(self, clock: Any = None) -> None:
        self.began, self.go = asyncio.Event(), asyncio.Event()
        self.calls = 0

    async def work(self) -> str:
        self.calls += 1
        self.began.set()
        await self.go.wait()
        return "paid"


@EXECUTORS
async def test_a_step_under_way_is_finished_first_and_leads_nowhere(opened: Any, executor: str) -> None:
    body = Work()
    pay = function(name="pay", writes="paid", effect=True)(body.work)
    after = function(name="after")(lambda: None)
    flow = workflow(
        "deal",
        state=Deal,
        edges=[
            START >> draft >> (legal, pay >> after),
            (legal["yes"], after) >> send >> END,
            legal["no"] >> leaving(rework),
            rework >> END,
        ],
    )
    async with opened(flow, executor=executor) as engine:
        running = asyncio.create_task(engine.run(flow))
        await body.began.wait()
        await settled(engine, "legal")
        id = await question(engine, "legal")
        await engine.answer(id, "no", by="ann")
        run = id.split(".")[0]
        await until(engine, run, "StepFinished legal")
        view = await engine.get(run)
        assert view.run.frontier.due == ("pay",)
        assert {fork: there[1] for fork, there in view.run.frontier.leaving.items()} == {
            "draft > legal + pay": "rework"
        }
        body.go.set()
        view = await running
        assert (view.status, view.state.paid, view.state.again) == ("succeeded", "paid", 1)
        assert [each.node for each in view.history.steps] == ["draft", "legal", "pay", "rework"]
        assert view.run.frontier.leaving == {}


async def until(engine: Any, run: str, fact: str) -> None:
    for _ in range(200):
        if fact in await told(engine, run):
            return
        await asyncio.sleep(0.002)
    raise AssertionError(await told(engine, run))


async def settled(engine: Any, node: str) -> None:
    for _ in range(200):
        if any(each.question.node == node for each in await engine.inbox()):
            return
        await asyncio.sleep(0.002)
    raise AssertionError(f"{node} was not asked")


@EXECUTORS
async def test_a_failure_leaves_a_fork_and_says_why(opened: Any, executor: str) -> None:
    def breaks() -> str:
        raise OSError("down")

    @function(writes="note")
    def mend(failure: Failure) -> str:
        return failure.message

    pay = function(name="pay", writes="paid")(breaks)
    flow = deal(pay.failed >> leaving(mend), mend >> END, work=pay)
    async with opened(flow, executor=executor) as engine:
        view = await engine.run(flow)
        assert (view.status, view.state.note, view.run.open, view.run.caught) == (
            "succeeded",
            "OSError: down",
            (),
            {},
        )
