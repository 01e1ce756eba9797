"""What becomes of the arms of a fork that is left: each thing that may stand in them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Literal

import pytest

from tests.engine.test_leaving import Verdict, question, say, settled, told, until
from workflow_engine import (
    END,
    START,
    Question,
    Retry,
    State,
    Step,
    all_of,
    each,
    function,
    human,
    leaving,
    route,
    signal,
    subflow,
    wait,
    workflow,
)
from workflow_engine.testing import FakeClock

EXECUTORS = pytest.mark.parametrize("executor", ["native", "langgraph"])


class Case(State):
    n: int = 3
    items: list[int] = [1, 2, 3, 4]
    done: list[int] = []
    paid: str | None = None
    a: int | None = None
    b: int | None = None
    rounds: int = 0


@human()
def judge(n: int) -> Question[Verdict]:
    return Question(f"{n}?")


@function(writes="rounds")
async def redo(rounds: int) -> int:
    return rounds + 1


@function
async def go_on(n: int) -> None: ...


def beside(*arm: Any, more: Any = (), back: bool = False) -> Any:
    """A judge, and beside the judge one arm; no leaves the fork."""
    path = arm[0]
    for node in arm[1:]:
        path = path >> node
    start = function(name="start")(lambda: None)
    return workflow(
        "case",
        state=Case,
        edges=[
            START >> start >> (judge, path),
            (judge["yes"], arm[-1]) >> go_on >> END,
            judge["no"] >> leaving(redo),
            redo >> (start if back else END),
            *more,
        ],
    )


async def begun(engine: Any, flow: Any, began: asyncio.Event) -> tuple[asyncio.Task[Any], str]:
    """A run under way whose judge was asked, and whose other arm has begun."""
    running = asyncio.create_task(engine.run(flow))
    await began.wait()
    await settled(engine, "judge")
    return running, (await question(engine, "judge")).split(".")[0]


@EXECUTORS
async def test_a_wait_is_over_and_its_signals_are_there_for_a_later_one(opened: Any, executor: str) -> None:
    both = wait(all_of(signal("a", int), signal("b", int)), writes=("a", "b"), name="both")
    flow = beside(both, back=True)
    async with opened(flow, executor=executor) as engine:
        view = await engine.run(flow)
        await engine.signal(view.id, "a", 7)
        view = await engine.resume(view.id)
        assert [each.name for each in view.run.waits[0].had] == ["a"]
        view = await say(engine, "judge", "no")
        assert (view.run.frontier.visits["both"], view.run.early) == (2, ())
        await engine.signal(view.id, "b", 8)
        view = await say(engine, "judge", "yes")
        assert (view.status, view.state.a, view.state.b) == ("succeeded", 7, 8)


@EXECUTORS
async def test_a_step_that_fails_is_not_tried_again(opened: Any, clock: FakeClock, executor: str) -> None:
    began = asyncio.Event()
    go = asyncio.Event()

    async def fails() -> str:
        began.set()
        await go.wait()
        raise OSError("down")

    pay = function(name="pay", writes="paid", retry=Retry(9, first=timedelta(hours=9)))(fails)
    flow = beside(pay)
    async with opened(flow, executor=executor) as engine:
        running, run = await begun(engine, flow, began)
        await engine.answer(await question(engine, "judge"), "no", by="ann")
        await until(engine, run, "StepFinished judge")
        go.set()
        view = await running
        assert (view.status, view.run.failed) == ("succeeded", {})
        assert [each.status for each in view.history.steps] == ["finished", "finished", "failed", "finished"]
        assert view.run.updated == view.run.created, "nobody waited for a second try"


@EXECUTORS
async def test_a_step_that_rests_between_two_tries_is_let_go_of(opened: Any, clock: FakeClock, executor: str) -> None:
    failed = asyncio.Event()

    async def fails() -> str:
        failed.set()
        raise OSError("down")

    class Still(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.Event().wait()

    pay = function(name="pay", writes="paid", retry=Retry(9, first=timedelta(hours=9)))(fails)
    flow = beside(pay)
    async with opened(flow, executor=executor, clock=Still()) as engine:
        running, run = await begun(engine, flow, failed)
        await until(engine, run, "AttemptFailed pay")
        await engine.answer(await question(engine, "judge"), "no", by="ann")
        view = await running
        assert (view.status, view.state.rounds) == ("succeeded", 1)


@EXECUTORS
async def test_of_many_items_those_in_hand_end_and_no_other_begins(opened: Any, executor: str) -> None:
    began, go, seen = asyncio.Event(), asyncio.Event(), list[int]()

    async def load(item: int) -> int:
        seen.append(item)
        if len(seen) == 2:
            began.set()
        await go.wait()
        return item

    many = each("items", name="many", writes="done", at_once=2, effect=True)(load)
    flow = beside(many)
    async with opened(flow, executor=executor) as engine:
        running, run = await begun(engine, flow, began)
        await engine.answer(await question(engine, "judge"), "no", by="ann")
        await until(engine, run, "StepFinished judge")
        go.set()
        view = await running
        assert (view.status, view.state.done, seen) == ("succeeded", [], [1, 2])
        facts = await told(engine, run)
        assert facts[-4:] == ["ItemFinished many", "ItemFinished many", "StepWithdrawn many", "StepFinished redo"]
        assert (view.run.items, view.run.doubts) == ({}, {})
        assert view.history.withdrawn == {"many"}


class Inner(State):
    n: int
    said: Literal["yes", "no"] | None = None


@human(writes="said")
def inside(n: int) -> Question[Verdict]:
    return Question(f"Inside {n}?")


INNER = workflow("inner", state=Inner, edges=[START >> inside >> END])


@EXECUTORS
async def test_a_subflow_that_rests_is_cancelled_with_its_question(opened: Any, executor: str) -> None:
    within = subflow(INNER, reads={"n": "n"}, name="within")
    flow = beside(within)
    async with opened(flow, executor=executor) as engine:
        view = await engine.run(flow)
        inner = view.run.entered["within"]
        view = await say(engine, "judge", "no")
        assert (view.status, view.run.entered) == ("succeeded", {})
        below = await engine.get(inner)
        assert (below.status, below.run.reason) == ("cancelled", "the run around it, which left the fork")
        assert await engine.inbox() == []


@EXECUTORS
async def test_a_subflow_under_way_ends_its_step_and_is_cancelled(opened: Any, executor: str) -> None:
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(n: int) -> None:
        began.set()
        await go.wait()

    work = function(name="work")(slow)
    deep = workflow("deep", state=Inner, edges=[START >> work >> inside >> END])
    flow = beside(subflow(deep, reads={"n": "n"}))
    async with opened(flow, executor=executor) as engine:
        running, run = await begun(engine, flow, began)
        await engine.answer(await question(engine, "judge"), "no", by="ann")
        await until(engine, run, "StepFinished judge")
        inner = (await engine.get(run)).run.entered["deep"]
        go.set()
        view = await running
        assert view.status == "succeeded"
        below = await engine.get(inner)
        assert (below.status, [each.node for each in below.history.steps]) == ("cancelled", ["work"])


@EXECUTORS
async def test_a_sibling_that_failed_is_dropped_and_the_run_goes_on(opened: Any, executor: str) -> None:
    began, go = asyncio.Event(), asyncio.Event()

    async def thinks(n: int) -> str:
        began.set()
        await go.wait()
        return "bad"

    async def fails() -> int:
        raise OSError("down")

    @route
    def verdict(paid: str) -> Literal["good", "bad"]:
        return "bad"

    think = function(name="think", writes="paid")(thinks)
    breaks = function(name="breaks", writes="a")(fails)
    start = function(name="start")(lambda: None)
    flow = workflow(
        "case",
        state=Case,
        edges=[
            START >> start >> (think >> verdict, breaks),
            (verdict["good"], breaks) >> go_on >> END,
            verdict["bad"] >> leaving(redo),
            redo >> END,
        ],
    )
    async with opened(flow, executor=executor) as engine:
        running = asyncio.create_task(engine.run(flow))
        await began.wait()
        run = str(await engine.find("@last"))
        await until(engine, run, "StepFailed breaks")
        go.set()
        view = await running
        assert (view.status, view.run.failed, view.state.rounds) == ("succeeded", {}, 1)


# ------------------------------------------------------------------------------------------------ in doubt


class Outside:
    """The world outside: what really happened there."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.keys: list[str] = []
        self.hang = True
        self.there = False

    async def pay(self, n: int, step: Step) -> str:
        self.keys.append(step.key)
        if self.hang:
            self.began.set()
            await asyncio.Event().wait()
        return f"paid {n}"

    async def look(self, n: int) -> str | None:
        return f"found {n}" if self.there else None


async def left_in_doubt(opened: Any, ledger: Any, outside: Outside, in_doubt: Any, executor: str) -> tuple[Any, str]:
    """A run whose process died in the middle of an effect, and whose judge has said no since."""
    pay = function(name="pay", writes="paid", effect=True, in_doubt=in_doubt)(outside.pay)
    flow = beside(pay)
    async with opened(flow, executor=executor) as engine:
        running, run = await begun(engine, flow, outside.began)
        ledger.abandon()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    outside.hang = False
    async with opened(executor=executor) as engine:
        await engine.answer(f"{run}.q1", "no", by="ann")
    return flow, run


@EXECUTORS
@pytest.mark.parametrize(
    ("word", "paid", "times"), [("rerun", "paid 3", 2), ({"choice": "accept", "paid": "x"}, "x", 1)]
)
async def test_an_effect_in_doubt_is_asked_about_first(
    opened: Any, ledger: Any, executor: str, word: Any, paid: str, times: int
) -> None:
    outside = Outside()
    flow, run = await left_in_doubt(opened, ledger, outside, "ask", executor)
    async with opened(flow, executor=executor) as engine:
        [view] = await engine.recover()
        assert (view.status, view.run.frontier.due, view.state.rounds) == ("waiting", ("pay",), 0)
        assert [each[1] for each in view.run.frontier.leaving.values()] == ["redo"]
        [standing] = await engine.inbox()
        assert (standing.question.asks, standing.question.node) == ("effect", "pay")
        await engine.answer(run, word, by="ann")
        view = await engine.resume(run)
    assert (view.status, view.state.paid, view.state.rounds) == ("succeeded", paid, 1)
    assert len(outside.keys) == times


@EXECUTORS
async def test_an_effect_that_is_given_up_lets_the_run_go_on(opened: Any, ledger: Any, executor: str) -> None:
    outside = Outside()
    flow, run = await left_in_doubt(opened, ledger, outside, "ask", executor)
    async with opened(flow, executor=executor) as engine:
        await engine.recover()
        await engine.answer(run, "fail", by="ann")
        view = await engine.resume(run)
    assert (view.status, view.state.paid, view.state.rounds) == ("succeeded", None, 1)


@EXECUTORS
@pytest.mark.parametrize("there", [True, False])
async def test_a_probe_settles_an_effect_and_nothing_is_begun(
    opened: Any, ledger: Any, executor: str, there: bool
) -> None:
    outside = Outside()
    outside.there = there
    flow, run = await left_in_doubt(opened, ledger, outside, outside.look, executor)
    async with opened(flow, executor=executor) as engine:
        [view] = await engine.recover()
        assert (view.status, view.state.paid, view.state.rounds) == ("succeeded", "found 3" if there else None, 1)
        last = (await told(engine, run))[-2:]
        assert last == [f"Step{'Finished' if there else 'Withdrawn'} pay", "StepFinished redo"]
    assert len(outside.keys) == 1


# ------------------------------------------------------------------------------------------------ shapes


@EXECUTORS
async def test_routes_at_the_heads_of_two_arms_leave_once(opened: Any, executor: str) -> None:
    @route
    def one(n: int) -> Literal["stay", "go"]:
        return "go"

    @route
    def other(n: int) -> Literal["stay", "go"]:
        return "go"

    start = function(name="start")(lambda: None)
    flow = workflow(
        "case",
        state=Case,
        edges=[
            START >> start >> (one, judge, other),
            (one["stay"], judge, other["stay"]) >> go_on >> END,
            one["go"] >> leaving(redo),
            other["go"] >> leaving(END),
            redo >> END,
        ],
    )
    async with opened(flow, executor=executor) as engine:
        view = await engine.run(flow)
        assert (view.status, view.state.rounds, view.run.asked) == ("succeeded", 1, 0)
        assert view.run.frontier.visits == {"start": 1, "redo": 1}, "what was never entered was never visited"


@EXECUTORS
async def test_the_outer_fork_may_be_left_while_an_inner_one_is_being_left(opened: Any, executor: str) -> None:
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(n: int) -> str:
        began.set()
        await go.wait()
        return "slow"

    pay = function(name="pay", writes="paid")(slow)
    first, inner = function(name="first")(lambda: None), judge.named("inner")
    start = function(name="start")(lambda: None)
    aside = function(name="aside")(lambda: None)
    meet = function(name="meet")(lambda: None)
    nested = workflow(
        "case",
        state=Case,
        edges=[
            START >> start >> (judge, first),
            first >> (inner, pay),
            (inner["yes"], pay) >> meet,
            inner["no"] >> leaving(aside),
            aside >> meet,
            (judge["yes"], meet) >> go_on >> END,
            judge["no"] >> leaving(redo),
            redo >> END,
        ],
    )
    async with opened(nested, executor=executor) as engine:
        running, run = await begun(engine, nested, began)
        await settled(engine, "inner")
        await engine.answer(await question(engine, "inner"), "no", by="ann")
        await until(engine, run, "StepFinished inner")
        view = await engine.get(run)
        assert list(view.run.frontier.leaving) == ["first > inner + pay"]
        await engine.answer(await question(engine, "judge"), "no", by="ann")
        await until(engine, run, "StepFinished judge")
        view = await engine.get(run)
        assert list(view.run.frontier.leaving) == ["start > judge + first"]
        go.set()
        view = await running
        assert (view.status, view.state.rounds, view.state.paid) == ("succeeded", 1, "slow")
        assert [each.node for each in view.history.steps][-2:] == ["pay", "redo"]
        assert "aside" not in view.run.frontier.visits


# ------------------------------------------------------------------------------------------------ later


async def test_a_fork_of_the_step_leaves_it_anew_with_nothing_under_way(opened: Any) -> None:
    flow = beside(wait(timedelta(days=30), name="month"))
    async with opened(flow) as engine:
        view = await engine.run(flow)
        view = await say(engine, "judge", "no")
        number = next(each.step for each in view.history.steps if each.node == "judge")
        forked = await engine.fork(view.id, at=number)
        assert (forked.status, forked.run.frontier.due, forked.run.waits) == ("succeeded", (), ())


@EXECUTORS
async def test_a_run_that_left_a_fork_replays_alike(opened: Any, executor: str) -> None:
    began, go = asyncio.Event(), asyncio.Event()

    async def load(item: int) -> int:
        began.set()
        await go.wait()
        return item

    many = each("items", name="many", writes="done", at_once=1)(load)
    flow = beside(many)
    async with opened(flow, executor=executor) as engine:
        running, run = await begun(engine, flow, began)
        await engine.answer(await question(engine, "judge"), "no", by="ann")
        await until(engine, run, "StepFinished judge")
        go.set()
        await running
        replay = await engine.replay(run, against=flow)
        assert replay.same, replay.difference
        assert [each.kind for each in replay.moments][-2:] == ["withdrawn", "finished"]
        stays = beside(many, more=[])
        other = workflow("case", state=Case, edges=[*stays.edges[:-2], judge["no"] >> leaving(END)])
        difference = (await engine.replay(run, against=other)).difference
        assert difference is not None
        assert difference.kind == "way"


@EXECUTORS
async def test_a_run_whose_time_is_up_leaves_its_fork_once(opened: Any, clock: FakeClock, executor: str) -> None:
    month = wait(timedelta(days=30), name="month")
    start = function(name="start")(lambda: None)
    flow = workflow(
        "case",
        state=Case,
        timeout=timedelta(hours=1),
        on_timeout="route",
        edges=[
            START >> start >> (judge, month),
            (judge["yes"], month) >> go_on >> END,
            judge["no"] >> leaving(redo),
            judge.failed >> leaving(redo),
            month.failed >> leaving(redo),
            redo >> END,
        ],
    )
    async with opened(flow, executor=executor) as engine:
        view = await engine.run(flow)
        clock.advance(3601)
        view = await engine.resume(view.id)
        assert (view.status, view.state.rounds, view.run.open, view.run.waits) == ("succeeded", 1, (), ())
        assert (await told(engine, view.id))[-3:] == [
            "QuestionWithdrawn judge",
            "StepFailed judge",
            "StepFinished redo",
        ]


@EXECUTORS
async def test_two_answers_at_once_leave_once(opened: Any, executor: str) -> None:
    other = judge.named("other")
    start = function(name="start")(lambda: None)
    flow = workflow(
        "case",
        state=Case,
        edges=[
            START >> start >> (judge, other),
            (judge["yes"], other["yes"]) >> go_on >> END,
            judge["no"] >> leaving(redo),
            other["no"] >> leaving(END),
            redo >> END,
        ],
    )
    async with opened(flow, executor=executor) as engine:
        view = await engine.run(flow)
        for node in ("judge", "other"):
            await engine.answer(await question(engine, node), "no", by="ann")
        view = await engine.resume(view.id)
        assert (view.status, view.state.rounds, view.run.frontier.visits.get("redo")) == ("succeeded", 1, 1)
        taken = [each for each in await told(engine, view.id) if each.startswith("QuestionAnswered")]
        assert taken == ["QuestionAnswered judge"], "the second came too late"
