"""`each` over a subflow: a run of its own for every item, as many alive as are done at once, each at its own pace."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Literal

import pytest
from pydantic import Field

from workflow_engine import (
    END,
    FAIL,
    START,
    Budget,
    Engine,
    Failure,
    Question,
    Result,
    Retry,
    State,
    Step,
    Workflow,
    agent,
    each,
    function,
    human,
    route,
    subflow,
    to_langgraph,
    wait,
    workflow,
)
from workflow_engine.errors import DeclarationError, RunEnded, UsageError, WorkflowChanged
from workflow_engine.ports.agents import AgentAnswer
from workflow_engine.record import events as e
from workflow_engine.record.ids import RunId
from workflow_engine.record.usage import Usage
from workflow_engine.spec.subflow import Subflow

EXECUTORS = ["native", "langgraph"]
done: list[str] = []
broken: set[str] = set()


@pytest.fixture(autouse=True)
def _forget() -> None:
    done.clear()
    broken.clear()


class Bill(State):
    order: str
    rate: int = 1
    total: int | None = None
    ok: Literal["yes", "no"] | None = None
    paid: str = ""


class Shop(State):
    carts: list[str]
    rate: int = 10
    invoices: list[str] = Field(default_factory=list)
    found: list[Result[str]] = Field(default_factory=list)
    beside: int = 0
    trouble: str = ""


@function(writes="total")
async def add(order: str, rate: int) -> int:
    done.append(f"add {order}")
    if order in broken:
        raise ValueError(f"no order {order}")
    return len(order) * rate


@function(writes="paid")
async def pay(order: str, total: int) -> str:
    done.append(f"pay {order}")
    return f"{order}: {total}"


@route
def much(order: str) -> Literal["ask", "small", "bad"]:
    return "ask" if order.startswith("q") else "bad" if order.startswith("f") else "small"


@human(writes="ok", within=timedelta(days=2))
def approve(order: str) -> Question[Literal["yes", "no"]]:
    return Question(f"pay {order}?")


BILLING = workflow(
    "billing",
    state=Bill,
    edges=[
        START >> add >> much,
        much["ask"] >> approve,
        much["small"] >> pay,
        much["bad"] >> FAIL("a bad one"),
        approve["yes"] >> pay >> END,
        approve["no"] >> FAIL("refused"),
        approve.expired >> FAIL("nobody said"),
    ],
)


def shop(at_once: int = 2, on_error: Any = "fail", name: str = "shop", **settings: Any) -> Workflow[Shop]:
    writes = "found" if on_error == "collect" else "invoices"
    bill = subflow(BILLING, name="bill", reads="rate", writes="paid", **settings)
    bills = each("carts", writes=writes, at_once=at_once, on_error=on_error)(bill)
    return workflow(name, state=Shop, edges=[START >> bills >> END])


SHOP = shop()


async def settled(until: Any) -> None:
    for _ in range(20_000):
        if until():
            return
        await asyncio.sleep(0)
    raise AssertionError(f"it did not come to that: {done}")


async def asks(engine: Engine) -> list[Any]:
    for _ in range(20_000):
        if asked := await engine.inbox():
            return list(asked)
        await asyncio.sleep(0)
    raise AssertionError("nobody asks")


async def rests(engine: Engine, run: str) -> None:
    """Nobody drives it any more: it waits, beside others that are at work."""
    for _ in range(20_000):
        view = await engine.get(run)
        if view.run.status == "waiting" and not view.owned:
            break
        await asyncio.sleep(0)
    else:
        raise AssertionError(f"{run} does not rest")
    for _ in range(50):  # and whoever waits beside it does
        await asyncio.sleep(0)


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_each_item_is_a_run_of_its_own_and_results_keep_their_order(opened: Any, executor: str) -> None:
    async with opened(SHOP, executor=executor) as engine:
        view = await engine.run(SHOP, carts=["a", "bb", "ccc"])
        assert (view.status, view.state.invoices) == ("succeeded", ["a: 10", "bb: 20", "ccc: 30"])
        [step] = view.history.steps
        assert (step.node, step.kind, step.items, step.words) == ("bill", "each", (3, 0), "3 items")
        assert (view.run.entered, view.run.items) == ({}, {})
        child = await engine.get(f"{view.id}-bill-1-1")
        assert (child.status, child.state) == ("succeeded", Bill(order="bb", rate=10, total=20, paid="bb: 20"))
        its = child.run.within
        assert its is not None
        assert (its.run, its.node, its.visit, its.item) == (view.id, "bill", 1, 1)
        assert [each.run for each in await engine.runs()] == [view.id]
        assert len(await engine.runs(children=True)) == 4


async def test_no_items_are_an_empty_list(opened: Any) -> None:
    async with opened(SHOP) as engine:
        view = await engine.run(SHOP, carts=[])
        assert (view.status, view.state.invoices, done) == ("succeeded", [], [])


async def test_no_more_are_alive_than_are_done_at_once(opened: Any) -> None:
    alive: list[int] = [0, 0]

    @function(writes="paid")
    async def work(order: str) -> str:
        alive[0] += 1
        alive[1] = max(alive)
        await asyncio.sleep(0)
        alive[0] -= 1
        return order

    flow = workflow("flow", state=Bill, edges=[START >> work >> END])
    many = each("carts", writes="invoices", at_once=3)(subflow(flow, writes="paid"))
    made = workflow("made", state=Shop, edges=[START >> many >> END])
    async with opened(made) as engine:
        view = await engine.run(made, carts=[str(number) for number in range(20)])
        assert (len(view.state.invoices), alive[1]) == (20, 3)
        journal = await engine.journal(view.id)
        known: dict[int, str] = {}
        for recorded in journal:
            match recorded.event:
                case e.SubflowEntered(item=item, run=run):
                    assert item is not None
                    known[item] = run
                case e.ItemFinished(item=item):
                    del known[item]
                case _:
                    pass
            assert len(known) <= 3


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_a_question_of_one_item_leaves_the_others_going(opened: Any, executor: str) -> None:
    async with opened(SHOP, executor=executor) as engine:
        view = await engine.run(SHOP, carts=["a", "q", "ccc", "dd", "e"])
        assert (view.status, view.reason) == ("waiting", "run")
        assert view.run.entered == {"bill[1]": f"{view.id}-bill-1-1"}
        assert done == ["add a", "add q", "pay a", "add ccc", "pay ccc", "add dd", "pay dd", "add e", "pay e"]
        [asked] = view.questions
        assert asked.question.run == f"{view.id}-bill-1-1"
        assert [each.question.id for each in await engine.inbox()] == [asked.question.id]
        assert [each.question.id for each in await engine.inbox(view.id)] == [asked.question.id]
        done.clear()
        await engine.answer(asked.question.run, "yes", by="ana")
        view = await engine.resume(view.id)
        assert (view.status, done) == ("succeeded", ["pay q"])
        assert view.state.invoices == ["a: 10", "q: 10", "ccc: 30", "dd: 20", "e: 10"]


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_an_answer_goes_on_with_that_item_alone_and_leaves_the_run_of_another_untouched(
    opened: Any, executor: str
) -> None:
    async with opened(SHOP, executor=executor) as engine:
        view = await engine.run(SHOP, carts=["q1", "a", "q2", "b", "c"])
        # each place is taken by one that waits
        assert done == ["add q1", "add a", "pay a", "add q2"]
        assert set(view.run.entered) == {"bill[0]", "bill[2]"}
        first, second = (RunId(f"{view.id}-bill-1-{item}") for item in (0, 2))
        before = await engine.journal(first)
        done.clear()
        await engine.answer(second, "yes", by="ana")
        [view] = await engine.recover()
        assert (view.status, done) == ("waiting", ["pay q2", "add b", "pay b", "add c", "pay c"])
        assert await engine.journal(first) == before
        await engine.answer(first, "yes", by="ana")
        [view] = await engine.recover()
        assert view.state.invoices == ["q1: 20", "a: 10", "q2: 20", "b: 10", "c: 10"]


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_an_answer_is_taken_up_while_other_items_are_under_way(opened: Any, executor: str) -> None:
    gate = asyncio.Event()

    @function(writes="paid")
    async def slow(order: str) -> str:
        done.append(f"slow {order}")
        if order == "slow":
            await gate.wait()
        return order

    flow = workflow(
        "flow",
        state=Bill,
        edges=[
            START >> much,
            much["ask"] >> approve,
            much["small"] >> slow,
            much["bad"] >> FAIL("bad"),
            approve["yes"] >> slow >> END,
            approve["no"] >> FAIL("no"),
            approve.expired >> FAIL("late"),
        ],
    )
    many = each("carts", writes="invoices", at_once=2)(subflow(flow, writes="paid"))
    made = workflow("made", state=Shop, edges=[START >> many >> END])
    async with opened(made, executor=executor) as engine:
        going = asyncio.create_task(engine.run(made, carts=["q", "slow"]))
        asked = await asks(engine)
        [run] = [each.run for each in await engine.runs()]
        assert [each.question.id for each in (await engine.get(run)).questions] == [asked[0].question.id]
        await rests(engine, asked[0].question.run)
        await engine.answer(asked[0].question.id, "yes", by="ana")
        await settled(lambda: "slow q" in done)
        assert not gate.is_set()
        gate.set()
        view = await going
        assert (view.status, view.state.invoices) == ("succeeded", ["q", "slow"])


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_a_failed_item_fails_the_step_and_resume_goes_on_within_it(opened: Any, executor: str) -> None:
    broken.add("bb")
    async with opened(SHOP, executor=executor) as engine:
        view = await engine.run(SHOP, carts=["a", "bb", "ccc", "d"])
        child = f"{view.id}-bill-1-1"
        assert view.status == "failed"
        assert view.error is not None
        assert view.error.message == f"item 1: run {child} (billing) failed at add: ValueError: no order bb"
        assert view.run.entered["bill[1]"] == child
        broken.clear()
        view = await engine.resume(view.id, executor="native")
        assert view.state.invoices == ["a: 10", "bb: 20", "ccc: 30", "d: 10"]
        assert done.count("add bb") == 2
        assert all(done.count(each) == 1 for each in done if each != "add bb")
        assert (await engine.get(child)).status == "succeeded"


async def test_one_that_reached_fail_begins_anew_when_it_is_resumed(opened: Any) -> None:
    async with opened(SHOP) as engine:
        view = await engine.run(SHOP, carts=["fff"])
        assert view.error is not None
        assert (view.error.kind, view.run.entered) == ("declared", {"bill[0]": f"{view.id}-bill-1-0"})
        again = await engine.resume(view.id)
        assert again.run.entered == {"bill[0]": f"{view.id}-bill-1-0r2"}


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_failed_items_are_collected_in_their_places(opened: Any, executor: str) -> None:
    broken.add("bb")
    made = shop(on_error="collect")
    async with opened(made, executor=executor) as engine:
        view = await engine.run(made, carts=["a", "bb", "fff", "d"])
        assert view.status == "succeeded"
        assert [each.value for each in view.state.found] == ["a: 10", None, None, "d: 10"]
        kinds = [each.failure.kind for each in view.state.found if each.failure is not None]
        assert kinds == ["error", "declared"]
        assert view.history.steps[0].words == "2 of 4 items, 2 failed"
        with pytest.raises(RunEnded):
            await engine.resume(f"{view.id}-bill-1-1")


async def test_failed_items_are_skipped(opened: Any) -> None:
    broken.add("bb")
    made = shop(on_error="skip", at_once=1)
    async with opened(made) as engine:
        view = await engine.run(made, carts=["a", "bb", "ccc"])
        assert (view.status, view.state.invoices) == ("succeeded", ["a: 10", "ccc: 30"])


async def test_one_that_nobody_answers_in_time_fails_its_item_alone(opened: Any, clock: Any) -> None:
    made = shop(on_error="skip")
    async with opened(made) as engine:
        view = await engine.run(made, carts=["q", "a"])
        assert view.run.due is not None
        clock.advance(timedelta(days=2).total_seconds())
        [view] = await engine.recover()
        assert (view.status, view.state.invoices) == ("succeeded", ["a: 10"])


async def test_a_time_that_comes_while_others_are_at_work_goes_on_at_once(opened: Any, clock: Any) -> None:
    gate = asyncio.Event()
    pause = wait(timedelta(hours=1), name="pause")

    @route
    def sort(order: str) -> Literal["late", "slow"]:
        return "late" if order == "late" else "slow"

    @function(writes="paid")
    async def finish(order: str) -> str:
        done.append(order)
        if order == "late":
            gate.set()
        return order

    @function
    async def hold(order: str) -> None:
        done.append("hold")
        await gate.wait()

    last = finish.named("last")
    flow = workflow(
        "flow",
        state=Bill,
        edges=[START >> sort, sort["late"] >> pause >> finish >> END, sort["slow"] >> hold >> last >> END],
    )
    many = each("carts", writes="invoices", at_once=2)(subflow(flow, writes="paid"))
    made = workflow("made", state=Shop, edges=[START >> many >> END])
    async with opened(made) as engine:
        going = asyncio.create_task(engine.run(made, carts=["late", "slow"]))
        await settled(lambda: "hold" in done)
        await rests(engine, f"{(await engine.runs())[0].run}-flow-1-0")
        clock.advance(3600)
        view = await asyncio.wait_for(going, 20)
        assert (view.status, done) == ("succeeded", ["hold", "late", "slow"])


async def test_a_failure_that_is_caught_ends_what_other_items_still_ask(opened: Any) -> None:
    @function(writes="trouble")
    def apologise(failure: Failure) -> str:
        return failure.message

    bills = each("carts", writes="invoices", at_once=2)(subflow(BILLING, name="bill", reads="rate", writes="paid"))
    made = workflow("made", state=Shop, edges=[START >> bills >> END, bills.failed >> apologise >> END])
    async with opened(made) as engine:
        view = await engine.run(made, carts=["q", "fff"])
        assert (view.status, view.run.entered) == ("succeeded", {})
        assert view.state.trouble == f"item 1: run {view.id}-bill-1-1 (billing) ended at FAIL: a bad one"
        assert (await engine.get(f"{view.id}-bill-1-0")).status == "cancelled"
        assert await engine.inbox() == []


async def test_a_failure_that_nothing_catches_leaves_the_questions_of_others_open(opened: Any) -> None:
    broken.add("bb")
    async with opened(SHOP) as engine:
        view = await engine.run(SHOP, carts=["q", "bb", "c"])
        assert view.status == "failed"
        [asked] = await engine.inbox()
        await engine.answer(asked.question.id, "yes", by="ana")
        broken.clear()
        view = await engine.resume(view.id)
        assert (view.status, view.state.invoices) == ("succeeded", ["q: 10", "bb: 20", "c: 10"])
        assert done.count("add q") == 1


async def test_a_failed_item_lets_the_runs_of_others_end_their_step_and_begin_none(opened: Any) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    @function(writes="total")
    async def first(order: str) -> int:
        if order == "bad" and not gate.is_set():
            await begun.wait()
            raise ValueError("bad")
        done.append(f"first {order}")
        begun.set()
        if order == "long":
            await gate.wait()
        return 1

    @function(writes="paid")
    async def second(order: str) -> str:
        done.append(f"second {order}")
        return order

    flow = workflow("flow", state=Bill, edges=[START >> first >> second >> END])
    many = each("carts", writes="invoices", at_once=2)(subflow(flow, writes="paid"))
    made = workflow("made", state=Shop, edges=[START >> many >> END])
    async with opened(made) as engine:
        going = asyncio.create_task(engine.run(made, carts=["long", "bad", "never"]))
        await begun.wait()
        for _ in range(500):
            await asyncio.sleep(0)
        gate.set()
        view = await going
        assert (view.status, done) == ("failed", ["first long"])
        assert set(view.run.entered) == {"flow[0]", "flow[1]"}
        assert (await engine.get(f"{view.id}-flow-1-0")).run.error.kind == "stopped"
        assert await engine.recover() == []
        view = await engine.resume(view.id)
        assert (view.status, view.state.invoices) == ("succeeded", ["long", "bad", "never"])
        assert done.count("first long") == 1


async def test_a_retry_goes_on_with_the_run_of_its_item(opened: Any) -> None:
    tries: list[str] = []

    @function(writes="paid")
    async def flaky(order: str, step: Step) -> str:
        tries.append(step.key)
        if tries.count(step.key) < 3:
            raise ConnectionError("shut")
        return order

    flow = workflow("flow", state=Bill, edges=[START >> flaky >> END])
    many = each("carts", writes="invoices")(subflow(flow, writes="paid", retry=Retry(3)))
    made = workflow("made", state=Shop, edges=[START >> many >> END])
    async with opened(made) as engine:
        view = await engine.run(made, carts=["a", "b"])
        assert (view.status, view.state.invoices) == ("succeeded", ["a", "b"])
        assert set(tries) == {f"{view.id}-flow-1-0/flaky/1", f"{view.id}-flow-1-1/flaky/1"}


async def test_the_time_of_a_try_is_that_of_one_item(opened: Any) -> None:
    @function(writes="paid")
    async def hang(order: str) -> str:
        if order == "slow":
            await asyncio.sleep(30)
        return order

    flow = workflow("flow", state=Bill, edges=[START >> hang >> END])
    bill = subflow(flow, writes="paid", timeout=timedelta(seconds=0.6))
    made = workflow("made", state=Shop, edges=[START >> each("carts", writes="found", on_error="collect")(bill) >> END])
    async with opened(made) as engine:
        view = await engine.run(made, carts=["a", "slow", "b"])
        assert [each.value for each in view.state.found] == ["a", None, "b"]
        failure = view.state.found[1].failure
        assert failure is not None
        assert failure.kind == "timeout"
        assert (await engine.get(f"{view.id}-flow-1-1")).status == "cancelled"


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_cancelling_ends_the_runs_of_all_items(opened: Any, executor: str) -> None:
    never = asyncio.Event()

    @function(writes="paid")
    async def hang(order: str) -> str:
        done.append(order)
        await never.wait()
        return order

    flow = workflow(
        "flow",
        state=Bill,
        edges=[
            START >> much,
            much["ask"] >> approve,
            much["small"] >> hang,
            much["bad"] >> FAIL("bad"),
            approve["yes"] >> hang >> END,
            approve["no"] >> FAIL("no"),
            approve.expired >> FAIL("late"),
        ],
    )
    many = each("carts", writes="invoices", at_once=3)(subflow(flow, writes="paid"))
    made = workflow("made", state=Shop, edges=[START >> many >> END])
    async with opened(made, executor=executor) as engine:
        going = asyncio.create_task(engine.run(made, carts=["q", "a", "b", "c"]))
        await settled(lambda: len(done) == 2)
        [run] = [each.run for each in await engine.runs()]
        await asks(engine)
        await engine.cancel(run, by="ana")
        view = await going
        assert view.status == "cancelled"
        children = [each.status for each in await engine.runs(children=True) if each.run != run]
        assert children == ["cancelled"] * 3
        assert await engine.inbox() == []
        assert await engine.recover() == []


async def test_cancelling_one_item_that_waits_fails_that_item(opened: Any) -> None:
    made = shop(on_error="collect")
    async with opened(made) as engine:
        view = await engine.run(made, carts=["q1", "q2", "a"])
        await engine.cancel(f"{view.id}-bill-1-0", by="ana")
        [view] = await engine.recover()
        assert view.status == "waiting"
        assert set(view.run.entered) == {"bill[1]"}
        await engine.answer(f"{view.id}-bill-1-1", "yes", by="ana")
        [view] = await engine.recover()
        assert [each.value for each in view.state.found] == [None, "q2: 20", "a: 10"]
        failure = view.state.found[0].failure
        assert failure is not None
        assert (failure.kind, "was cancelled by ana" in failure.message) == ("cancelled", True)


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_draining_leaves_items_at_their_own_checkpoints(opened: Any, executor: str) -> None:
    begun = asyncio.Event()
    gate = asyncio.Event()

    @function(writes="total")
    async def first(order: str) -> int:
        done.append(f"first {order}")
        begun.set()
        await gate.wait()
        return 1

    @function(writes="paid")
    async def second(order: str) -> str:
        done.append(f"second {order}")
        return order

    flow = workflow("flow", state=Bill, edges=[START >> first >> second >> END])
    many = each("carts", writes="invoices", at_once=2)(subflow(flow, writes="paid"))
    made = workflow("made", state=Shop, edges=[START >> many >> END])
    async with opened(made, executor=executor) as engine:
        going = asyncio.create_task(engine.run(made, carts=["a", "b", "c"]))
        await settled(lambda: len(done) == 2)
        engine.drain()
        gate.set()
        view = await going
        assert (view.status, view.reason, done) == ("running", "interrupted", ["first a", "first b"])
    async with opened(made, executor=executor) as engine:
        [view] = await engine.recover()
        assert (view.status, view.state.invoices) == ("succeeded", ["a", "b", "c"])
        assert sorted(done) == sorted(f"{step} {order}" for step in ("first", "second") for order in "abc")


async def test_items_of_items_and_subflows_within_items(opened: Any) -> None:
    class Many(State):
        shops: list[list[str]]
        all: list[list[str]] = Field(default_factory=list)

    per = each("shops", writes="all", at_once=2)(subflow(SHOP, name="per", writes="invoices"))
    made = workflow("made", state=Many, edges=[START >> per >> END])
    async with opened(made) as engine:
        view = await engine.run(made, shops=[["a", "q"], ["ccc"]])
        child = f"{view.id}-per-1-0-bill-1-1"
        assert view.status == "waiting"
        assert [each.question.run for each in view.questions] == [child]
        await engine.answer(child, "yes", by="ana")
        assert (await engine.outermost(child)).id == view.id
        [view] = await engine.recover()
        assert view.state.all == [["a: 10", "q: 10"], ["ccc: 30"]]


async def test_deeper_than_allowed_fails_the_item(opened: Any) -> None:
    class Tree(State):
        name: str
        under: list[str] = Field(default_factory=list)
        seen: list[Result[str]] = Field(default_factory=list)
        said: str = ""

    @function(writes="under")
    async def look(name: str) -> list[str]:
        done.append(name)
        return [f"{name}.0"]

    @function(writes="said")
    async def say(seen: list[Result[str]]) -> str:
        return "|".join(each.value or f"{each.failure and each.failure.kind}" for each in seen)

    deeper = each("under", writes="seen", on_error="collect")(
        subflow(lambda: tree, name="deeper", writes="said", depth=2)
    )
    tree = workflow("tree", state=Tree, edges=[START >> look >> deeper >> say >> END])
    async with opened(tree) as engine:
        view = await engine.run(tree, name="t")
        assert (view.status, view.state.said, done) == ("succeeded", "limit", ["t", "t.0", "t.0.0"])


async def test_what_the_runs_of_items_cost_counts_once_in_the_budget_around_them(opened: Any) -> None:
    class Model:
        async def run(self, task: Any) -> AgentAnswer:
            return AgentAnswer("ok", Usage(1, 10, 5), ("m",))

        async def close(self) -> None: ...

    @agent(writes="paid", instructions="Say ok.")
    def think(order: str) -> str:
        return order

    flow = workflow("flow", state=Bill, edges=[START >> think >> END])
    many = each("carts", writes="invoices", at_once=1)(subflow(flow, writes="paid"))
    made = workflow("made", state=Shop, edges=[START >> many >> END], budget=Budget(tokens=35))
    async with opened(made, agents=Model()) as engine:
        view = await engine.run(made, carts=["a", "b"])
        assert (view.status, view.run.usage.requests, view.run.usage.input_tokens) == ("succeeded", 2, 20)
        view = await engine.run(made, carts=["a", "b", "c", "d"])
        assert view.error is not None
        assert (view.status, view.error.kind) == ("failed", "budget")
        assert view.run.usage.requests == 3


async def test_an_item_that_does_not_fit_fails_and_the_others_go_on(opened: Any) -> None:
    class Strict(State):
        order: str = Field(min_length=1)
        paid: str = ""

    @function(writes="paid")
    async def copy(order: str) -> str:
        return order

    flow = workflow("flow", state=Strict, edges=[START >> copy >> END])
    made = workflow(
        "made",
        state=Shop,
        edges=[START >> each("carts", writes="found", on_error="collect")(subflow(flow, writes="paid")) >> END],
    )
    async with opened(made) as engine:
        view = await engine.run(made, carts=["a", ""])
        assert view.state.found[0].value == "a"
        failure = view.state.found[1].failure
        assert failure is not None
        assert (failure.kind, "at least 1 character" in failure.message) == ("validation", True)


async def test_logs_tell_which_item_said_it(opened: Any) -> None:
    @function(writes="paid")
    async def talk(order: str) -> str:
        print(f"hello {order}")  # noqa: T201
        return order

    flow = workflow("flow", state=Bill, edges=[START >> talk >> END])
    many = each("carts", writes="invoices")(subflow(flow, writes="paid"))
    made = workflow("made", state=Shop, edges=[START >> many >> END])
    async with opened(made) as engine:
        view = await engine.run(made, carts=["a", "b"])
        said = [each async for each in engine.logs(view.id)]
        assert sorted(each.within for each in said) == [("flow[0]",), ("flow[1]",)]
        assert {line.text for each in said if each.part for line in each.part.lines} == {"hello a", "hello b"}


async def test_a_fork_of_a_later_step_keeps_the_items_and_one_of_an_earlier_does_them_anew(opened: Any) -> None:
    @function(writes="beside")
    async def count(invoices: list[str]) -> int:
        return len(invoices)

    bills = each("carts", writes="invoices")(subflow(BILLING, name="bill", reads="rate", writes="paid"))
    made = workflow("made", state=Shop, edges=[START >> bills >> count >> END])
    async with opened(made) as engine:
        view = await engine.run(made, carts=["a", "b"])
        done.clear()
        later = await engine.fork(view.id, at=1)
        assert (later.status, later.state.beside, done) == ("succeeded", 2, [])
        earlier = await engine.fork(view.id, {"carts": ["c"]}, at=0)
        assert (earlier.status, earlier.state.invoices) == ("succeeded", ["c: 10"])
        assert f"{earlier.id}-bill-1-0" in {each.run for each in await engine.runs(children=True)}


async def test_a_run_whose_items_wait_is_refused_under_code_that_does_not_fit_them(opened: Any) -> None:
    other = workflow("billing", state=Bill, edges=[START >> add >> pay >> END])

    def made(inner: Any) -> Any:
        bill = subflow(inner, name="bill", reads="rate", writes="paid")
        return workflow("made", state=Shop, edges=[START >> each("carts", writes="invoices")(bill) >> END])

    async with opened(made(BILLING)) as engine:
        view = await engine.run(made(BILLING), carts=["q"])
    async with opened(made(other)) as engine:
        await engine.answer(f"{view.id}-bill-1-0", "yes", by="ana")
        with pytest.raises(WorkflowChanged, match=f"billing changed and run {view.id}-bill-1-0 no longer fits it"):
            await engine.resume(view.id)
        assert (await engine.get(view.id)).run.status == "waiting"


async def test_as_a_plain_graph_of_langgraph_each_item_is_a_graph_within() -> None:
    quick = workflow("quick", state=Bill, edges=[START >> add >> pay >> END])
    bills = each("carts", writes="found", on_error="collect")(subflow(quick, name="bill", reads="rate", writes="paid"))
    made = workflow("made", state=Shop, edges=[START >> bills >> END])
    broken.add("bb")
    ended = await to_langgraph(made).compile().ainvoke({"carts": ["a", "bb", "c"]})
    assert [each.value for each in ended["found"]] == ["a: 10", None, "c: 10"]
    with pytest.raises(UsageError, match="bill asks or waits in the middle of an item"):
        to_langgraph(SHOP)


def test_what_each_cannot_be_made_of_is_said_where_it_is_declared() -> None:
    with pytest.raises(DeclarationError, match="each cannot be over"):
        each("carts", writes="invoices")(BILLING)  # type: ignore[call-overload]
    with pytest.raises(DeclarationError, match="takes total, paid of its workflow"):
        each("carts", writes="invoices")(subflow(BILLING, reads="rate", writes=("total", "paid")))
    with pytest.raises(DeclarationError, match="takes nothing of its workflow"):
        each("carts", writes="invoices")(subflow(BILLING, reads="rate"))
    with pytest.raises(DeclarationError, match="retry="):
        each("carts", retry=Retry(2))(subflow(BILLING, reads="rate", writes={"invoices": "paid"}))
    with pytest.raises(UsageError, match="is a workflow for each item"):
        each("carts")(subflow(BILLING, reads="rate", writes={"invoices": "paid"}))("a")


def test_the_field_may_be_named_by_the_subflow_and_the_node_renamed() -> None:
    bills = each("carts")(subflow(BILLING, reads="rate", writes={"invoices": "paid"}))
    assert (bills.name, bills.writes, bills.kind) == ("billing", ("invoices",), "each")
    again = bills.named("again", writes="invoices")
    assert isinstance(again.one, Subflow)
    assert (again.name, again.one.name, again.one.gives) == ("again", "again", {"invoices": "paid"})
