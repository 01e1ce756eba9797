"""Subflows: another workflow as a step, with a run of its own that ends, rests, fails and is stopped with it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from workflow_engine import (
    END,
    FAIL,
    START,
    Failure,
    Question,
    Retry,
    State,
    Step,
    Workflow,
    agent,
    append,
    at_most,
    function,
    human,
    route,
    subflow,
    to_langgraph,
    workflow,
)
from workflow_engine.errors import AgentFailed, RunEnded, WorkflowChanged
from workflow_engine.ports.agents import AgentAnswer
from workflow_engine.record.usage import Usage

EXECUTORS = ["native", "langgraph"]
done: list[str] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    done.clear()


class Bill(State):
    order: str
    total: int | None = None
    ok: Literal["yes", "no"] | None = None
    paid: str = ""


class Shop(State):
    cart: str
    invoice: int | None = None
    receipt: str = ""
    sent: str = ""
    trouble: str = ""
    beside: int = 0


@function(writes="total")
def add(order: str, step: Step) -> int:
    done.append(f"add {order}")
    if order == "bad":
        raise ValueError("no such order")
    return len(order)


@function(writes="paid")
def pay(total: int) -> str:
    done.append(f"pay {total}")
    return f"paid {total}"


@function(writes="sent")
def send(invoice: int) -> str:
    done.append(f"send {invoice}")
    return f"sent for {invoice}"


@function(writes="trouble")
def apologise(failure: Failure) -> str:
    done.append("apologise")
    return f"{failure.kind}: {failure.message}"


BILLING = workflow("billing", state=Bill, edges=[START >> add >> pay >> END])
bill = subflow(BILLING, name="bill", reads={"order": "cart"}, writes={"invoice": "total", "receipt": "paid"})
ORDER = workflow("order", state=Shop, edges=[START >> bill >> send >> END])
CAUGHT = workflow("caught", state=Shop, edges=[START >> bill >> send >> END, bill.failed >> apologise >> END])


@human(writes="ok", within=timedelta(days=2))
def approve(total: int) -> Question[Literal["yes", "no"]]:
    return Question(f"pay {total}?")


ASKING = workflow(
    "asking",
    state=Bill,
    edges=[
        START >> add >> approve,
        approve["yes"] >> pay >> END,
        approve["no"] >> FAIL("refused"),
        approve.expired >> FAIL("nobody said"),
    ],
)
ask = subflow(ASKING, name="ask", reads={"order": "cart"}, writes={"invoice": "total", "receipt": "paid"})
ASKED = workflow("asked", state=Shop, edges=[START >> ask >> send >> END])
ASKED_CAUGHT = workflow("asked_caught", state=Shop, edges=[START >> ask >> send >> END, ask.failed >> apologise >> END])


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_a_subflow_is_a_step_whose_fields_go_in_and_come_out(opened: Any, executor: str) -> None:
    async with opened(ORDER, executor=executor) as engine:
        view = await engine.run(ORDER, cart="abc")
        assert view.status == "succeeded"
        assert (view.state.invoice, view.state.receipt, view.state.sent) == (3, "paid 3", "sent for 3")
        assert [(each.node, each.kind, each.run) for each in view.history.steps] == [
            ("bill", "subflow", f"{view.id}-bill-1"),
            ("send", "function", None),
        ]
        child = await engine.get(f"{view.id}-bill-1")
        assert (child.status, child.run.workflow, child.state) == (
            "succeeded",
            "billing",
            Bill(order="abc", total=3, paid="paid 3"),
        )
        assert [each.node for each in child.history.steps] == ["add", "pay"]
        assert child.run.within is not None
        assert (child.run.within.run, child.run.within.node, child.run.within.visit) == (view.id, "bill", 1)
        assert view.run.entered == {}


async def test_two_levels_deep_each_run_has_its_own_steps(opened: Any) -> None:
    inner = subflow(BILLING, name="inner", reads="order", writes=("total", "paid"))
    middle = workflow("middle", state=Bill, edges=[START >> inner >> END])
    outer = workflow(
        "outer",
        state=Shop,
        edges=[START >> subflow(middle, reads={"order": "cart"}, writes={"invoice": "total"}) >> send >> END],
    )
    async with opened(outer) as engine:
        view = await engine.run(outer, cart="ab")
        assert (view.status, view.state.sent, done) == ("succeeded", "sent for 2", ["add ab", "pay 2", "send 2"])
        deepest = await engine.get(f"{view.id}-middle-1-inner-1")
        assert deepest.run.within is not None
        assert deepest.run.within.workflows == ("outer", "middle")


async def test_in_a_loop_each_visit_is_a_run_of_its_own(opened: Any) -> None:
    class Loop(State):
        cart: str
        invoice: int | None = None
        n: int = 0

    @function(writes=("n", "cart"))
    def longer(n: int, cart: str) -> tuple[int, str]:
        return n + 1, cart + "x"

    @route
    def enough(n: int) -> Literal["yes", "no"]:
        return "no" if n < 9 else "yes"

    again = subflow(BILLING, name="again", reads={"order": "cart"}, writes={"invoice": "total"})
    loop = workflow(
        "loop",
        state=Loop,
        edges=[
            START >> again >> longer >> enough,
            enough["no"] >> at_most(2, again, then=FAIL("spent")),
            enough["yes"] >> END,
        ],
    )
    async with opened(loop) as engine:
        view = await engine.run(loop, cart="a")
        assert (view.status, view.reason, view.state.invoice) == ("failed", "spent", 3)
        runs = [each.run for each in view.history.of("again")]
        assert runs == [f"{view.id}-again-{visit}" for visit in (1, 2, 3)]
        assert done == ["add a", "pay 1", "add ax", "pay 2", "add axx", "pay 3"]


async def test_a_failure_within_is_the_steps_failure_and_resume_goes_on_where_it_failed(opened: Any) -> None:
    broken = True

    @function(name="pay", writes="paid")
    def pays(total: int, step: Step) -> str:
        done.append(step.key)
        if broken:
            raise ConnectionError("the bank is shut")
        return f"paid {total}"

    billing = workflow("billing", state=Bill, edges=[START >> add >> pays >> END])
    inner = subflow(billing, name="bill", reads={"order": "cart"}, writes={"invoice": "total"})
    order = workflow("order", state=Shop, edges=[START >> inner >> send >> END])
    async with opened(order) as engine:
        view = await engine.run(order, cart="abc")
        child = f"{view.id}-bill-1"
        assert view.status == "failed"
        assert view.error is not None
        assert (view.error.node, view.error.kind) == ("bill", "error")
        assert view.error.message == f"run {child} (billing) failed at pay: ConnectionError: the bank is shut"
        assert (await engine.get(child)).status == "failed"
        broken = False
        view = await engine.resume(view.id)
        assert (view.status, view.state.sent) == ("succeeded", "sent for 3")
        # the same visit and key, and what was done before is not done again
        assert done == ["add abc", f"{child}/pay/1", f"{child}/pay/1", "send 3"]


async def test_resuming_the_run_within_goes_on_with_the_one_around_it(opened: Any) -> None:
    async with opened(ORDER) as engine:
        view = await engine.run(ORDER, cart="bad")
        child = f"{view.id}-bill-1"
        assert (await engine.get(child)).status == "failed"
        again = await engine.resume(child)
        assert (again.id, again.status, done) == (view.id, "failed", ["add bad", "add bad"])


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_a_failure_within_can_be_caught(opened: Any, executor: str) -> None:
    async with opened(CAUGHT, executor=executor) as engine:
        view = await engine.run(CAUGHT, cart="bad")
        assert view.status == "succeeded"
        child = f"{view.id}-bill-1"
        assert view.state.trouble == f"error: run {child} (billing) failed at add: ValueError: no such order"
        with pytest.raises(RunEnded, match="which is over"):
            await engine.resume(child)


async def test_fail_within_is_its_failure_and_a_resume_begins_a_new_run(opened: Any) -> None:
    async with opened(ASKED) as engine:
        view = await engine.run(ASKED, cart="abc")
        await engine.answer(f"{view.id}-ask-1.q1", "no", by="ana")
        view = await engine.resume(view.id)
        assert view.error is not None
        assert (view.status, view.error.kind) == ("failed", "declared")
        assert view.error.message == f"run {view.id}-ask-1 (asking) ended at FAIL: refused"
        view = await engine.resume(view.id)
        assert view.status == "waiting"
        assert done == ["add abc", "add abc"]
        await engine.answer(f"{view.id}-ask-1r2.q1", "yes", by="ana")
        view = await engine.resume(view.id)
        assert (view.status, view.state.sent) == ("succeeded", "sent for 3")
        assert view.history.of("ask")[-1].run == f"{view.id}-ask-1r2"


async def test_a_retry_goes_on_with_the_run_that_failed(opened: Any) -> None:
    tries = 0

    @function(name="pay", writes="paid")
    def pays(total: int) -> str:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ConnectionError("shut")
        return "paid"

    billing = workflow("billing", state=Bill, edges=[START >> add >> pays >> END])
    inner = subflow(billing, name="bill", reads={"order": "cart"}, writes={"invoice": "total"}, retry=Retry(3))
    order = workflow("order", state=Shop, edges=[START >> inner >> send >> END])
    async with opened(order) as engine:
        view = await engine.run(order, cart="abc")
        assert (view.status, tries, done) == ("succeeded", 3, ["add abc", "send 3"])
        assert view.history.steps[0].attempts == 3


async def test_a_retry_of_one_that_reached_fail_begins_a_new_run(opened: Any) -> None:
    @route
    def lucky(total: int) -> Literal["yes", "no"]:
        return "yes" if len(done) > 1 else "no"

    billing = workflow(
        "billing", state=Bill, edges=[START >> add >> lucky, lucky["yes"] >> END, lucky["no"] >> FAIL("unlucky")]
    )
    inner = subflow(billing, name="bill", reads={"order": "cart"}, writes={"invoice": "total"}, retry=Retry(2))
    order = workflow("order", state=Shop, edges=[START >> inner >> send >> END])
    async with opened(order) as engine:
        view = await engine.run(order, cart="abc")
        assert (view.status, done) == ("succeeded", ["add abc", "add abc", "send 3"])
        assert view.history.steps[0].run == f"{view.id}-bill-1r2"


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_while_a_person_within_thinks_the_run_waits(opened: Any, executor: str) -> None:
    async with opened(ASKED, executor=executor) as engine:
        view = await engine.run(ASKED, cart="abc")
        child = f"{view.id}-ask-1"
        assert (view.status, view.history.latest("ask").run) == ("waiting", child)
        [standing] = await engine.inbox()
        assert standing.question.run == child
        assert (await engine.resume(view.id)).status == "waiting"
        await engine.answer(child, "yes", by="ana")
    other = "native" if executor == "langgraph" else "langgraph"
    async with opened(ASKED, executor=other) as engine:
        [view] = await engine.recover()
        assert (view.status, view.run.workflow, view.state.sent) == ("succeeded", "asked", "sent for 3")
        assert done == ["add abc", "pay 3", "send 3"]
        assert await engine.recover() == []


async def test_nobody_answering_within_fails_the_step_in_time(opened: Any, clock: Any) -> None:
    async with opened(ASKED_CAUGHT) as engine:
        view = await engine.run(ASKED_CAUGHT, cart="abc")
        clock.advance(timedelta(days=1).total_seconds())
        assert await engine.recover() == []
        clock.advance(timedelta(days=1).total_seconds())
        [view] = await engine.recover()
        assert view.state.trouble == f"declared: run {view.id}-ask-1 (asking) ended at FAIL: nobody said"


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_other_arms_go_on_while_one_within_waits(opened: Any, executor: str) -> None:
    gate = asyncio.Event()

    @function(writes="beside")
    async def beside(cart: str) -> int:
        await gate.wait()
        done.append("beside")
        return 1

    both = workflow("both", state=Shop, edges=[START >> (ask, beside) >> send >> END])
    async with opened(both, executor=executor) as engine:
        going = asyncio.create_task(engine.run(both, cart="abc"))
        while not (asked := await engine.inbox()):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await engine.answer(asked[0].question.id, "yes", by="ana")
        while "pay 3" not in done:  # noqa: ASYNC110 (the answer is taken up while the other arm is under way)
            await asyncio.sleep(0.001)
        assert "beside" not in done
        gate.set()
        view = await going
        assert (view.status, done) == ("succeeded", ["add abc", "pay 3", "beside", "send 3"])


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_a_failing_arm_lets_the_step_within_another_finish_and_begins_none(opened: Any, executor: str) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    @function(name="add", writes="total")
    async def adds(order: str) -> int:
        begun.set()
        await gate.wait()
        done.append("add")
        return 1

    @function(writes="beside")
    async def breaks(cart: str) -> int:
        await begun.wait()
        asyncio.get_running_loop().call_later(0.02, gate.set)
        if len(done) == 0:
            raise ValueError("broken")
        return 1

    billing = workflow("billing", state=Bill, edges=[START >> adds >> pay >> END])
    inner = subflow(billing, name="bill", reads={"order": "cart"}, writes={"invoice": "total"})
    both = workflow("both", state=Shop, edges=[START >> (inner, breaks) >> send >> END])
    async with opened(both, executor=executor) as engine:
        view = await engine.run(both, cart="abc")
        assert (view.status, view.error and view.error.node, done) == ("failed", "breaks", ["add"])
        child = await engine.get(f"{view.id}-bill-1")
        assert child.error is not None
        assert (child.status, child.error.message) == ("failed", "the run around it failed")
        assert await engine.recover() == []
        view = await engine.resume(view.id)
        assert (view.status, done) == ("succeeded", ["add", "pay 1", "send 1"])


async def test_cancelling_a_waiting_run_cancels_those_within_it(opened: Any) -> None:
    inner = subflow(ASKING, name="inner", reads="order", writes="total")
    middle = workflow("middle", state=Bill, edges=[START >> inner >> END])
    outer = workflow("outer", state=Shop, edges=[START >> subflow(middle, reads={"order": "cart"}) >> END])
    async with opened(outer) as engine:
        view = await engine.run(outer, cart="ab")
        assert len(await engine.inbox()) == 1
        assert (await engine.cancel(view.id, by="ana")).status == "cancelled"
        for each in ("-middle-1", "-middle-1-inner-1"):
            assert (await engine.get(view.id + each)).status == "cancelled"
        assert await engine.inbox() == []
        assert await engine.recover() == []


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_cancelling_a_driven_run_stops_and_cancels_those_within_it(opened: Any, executor: str) -> None:
    begun = asyncio.Event()

    @function(name="add", writes="total")
    async def adds(order: str) -> int:
        begun.set()
        await asyncio.Event().wait()
        return 1

    billing = workflow("billing", state=Bill, edges=[START >> adds >> END])
    inner = subflow(billing, name="bill", reads={"order": "cart"}, writes={"invoice": "total"})
    order = workflow("order", state=Shop, edges=[START >> inner >> END])
    async with opened(order, executor=executor) as engine:
        going = asyncio.create_task(engine.run(order, cart="abc"))
        await begun.wait()
        [listed] = await engine.runs(workflow="order")
        await engine.cancel(listed.run, by="ana")
        view = await going
        assert view.status == "cancelled"
        child = await engine.get(f"{view.id}-bill-1")
        assert (child.status, child.reason) == ("cancelled", "ana")


@pytest.mark.parametrize("flow", [ASKED, ASKED_CAUGHT])
async def test_cancelling_a_run_within_alone_fails_the_step_it_does(opened: Any, flow: Any) -> None:
    async with opened(flow) as engine:
        view = await engine.run(flow, cart="abc")
        await engine.cancel(f"{view.id}-ask-1", by="ana")
        [view] = await engine.recover()
        told = f"run {view.id}-ask-1 (asking) was cancelled by ana"
        if flow is ASKED:
            assert view.error is not None
            assert (view.status, view.error.kind, view.error.message) == ("failed", "cancelled", told)
            assert (await engine.resume(view.id)).status == "waiting"  # in a new run
        else:
            assert (view.status, view.state.trouble) == ("succeeded", f"cancelled: {told}")


async def test_a_time_out_stops_the_run_within_and_one_that_is_caught_ends_it(opened: Any) -> None:
    @function(name="add", writes="total")
    async def adds(order: str) -> int:
        await asyncio.Event().wait()
        return 1

    billing = workflow("billing", state=Bill, edges=[START >> adds >> END])
    inner = subflow(billing, name="bill", reads={"order": "cart"}, timeout=timedelta(milliseconds=30))
    order = workflow("order", state=Shop, edges=[START >> inner >> END, inner.failed >> apologise >> END])
    async with opened(order) as engine:
        view = await engine.run(order, cart="abc")
        assert view.state.trouble.startswith("timeout: bill took longer than 0.03 s")
        assert (await engine.get(f"{view.id}-bill-1")).status == "cancelled"


class Tree(State):
    left: int
    seen: Annotated[list[int], append] = []


@function(writes="seen")
def look(left: int) -> list[int]:
    return [left]


@function(writes="left")
def less(left: int) -> int:
    return left - 1


@route
def more(left: int) -> Literal["yes", "no"]:
    return "yes" if left > 0 else "no"


deeper = subflow(lambda: TREE, name="deeper", reads="left", writes="seen", depth=2)
TREE: Workflow[Tree] = workflow(
    "tree", state=Tree, edges=[START >> look >> less >> more, more["yes"] >> deeper >> END, more["no"] >> END]
)


async def test_a_workflow_within_itself_goes_as_deep_as_it_may(opened: Any) -> None:
    async with opened(TREE) as engine:
        view = await engine.run(TREE, left=3)
        assert (view.status, view.state.seen) == ("succeeded", [3, 2, 1])
        view = await engine.run(TREE, left=4)
        assert view.status == "failed"
        assert view.error is not None
        assert view.error.kind == "limit"
        assert view.error.message.endswith("tree lies within itself 2 times here, and no deeper")


async def test_inputs_that_do_not_fit_fail_the_step(opened: Any) -> None:
    class Small(State):
        order: Annotated[str, Field(max_length=2)]

    @function
    def nothing() -> None: ...

    small = workflow("small", state=Small, edges=[START >> nothing >> END])
    order = workflow("order", state=Shop, edges=[START >> subflow(small, reads={"order": "cart"}) >> END])
    async with opened(order) as engine:
        view = await engine.run(order, cart="abc")
        assert view.error is not None
        assert (view.status, view.error.kind) == ("failed", "validation")
        assert "order: String should have at most 2 characters" in view.error.message


async def test_a_fork_reads_earlier_runs_within_and_begins_later_ones_anew(opened: Any) -> None:
    async with opened(ORDER) as engine:
        first = await engine.run(ORDER, cart="abc")
        done.clear()
        after = await engine.fork(first.id, at=1)
        assert (after.status, done) == ("succeeded", ["send 3"])
        assert after.history.steps[0].run == f"{first.id}-bill-1"
        done.clear()
        before = await engine.fork(first.id, at=0, cart="wxyz")
        assert (before.status, done) == ("succeeded", ["add wxyz", "pay 4", "send 4"])
        assert before.history.steps[0].run == f"{before.id}-bill-1"


async def test_a_run_within_can_be_forked_into_one_of_its_own(opened: Any) -> None:
    async with opened(ORDER) as engine:
        first = await engine.run(ORDER, cart="abc")
        fork = await engine.fork(f"{first.id}-bill-1", at=1, total=9)
        assert (fork.status, fork.run.workflow, fork.state.paid, fork.run.within) == (
            "succeeded",
            "billing",
            "paid 9",
            None,
        )


async def test_draining_leaves_both_resumable(opened: Any) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    @function(name="add", writes="total")
    async def adds(order: str) -> int:
        begun.set()
        await gate.wait()
        return 3

    billing = workflow("billing", state=Bill, edges=[START >> adds >> pay >> END])
    inner = subflow(billing, name="bill", reads={"order": "cart"}, writes={"invoice": "total"})
    order = workflow("order", state=Shop, edges=[START >> inner >> send >> END])
    async with opened(order) as engine:
        going = asyncio.create_task(engine.run(order, cart="abc"))
        await begun.wait()
        engine.drain()
        gate.set()
        view = await going
        assert (view.status, view.reason, done) == ("running", "interrupted", [])
    async with opened(order) as engine:
        [view] = await engine.recover()
        assert (view.status, done) == ("succeeded", ["pay 3", "send 3"])


async def test_an_exported_graph_calls_the_graph_within() -> None:
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.types import Command

    graph: Any = to_langgraph(ASKED_CAUGHT).compile(checkpointer=InMemorySaver())
    for thread, word, expected in (
        ("1", "yes", {"sent": "sent for 3"}),
        ("2", "no", {"trouble": "error: asking reac"}),
    ):
        config = {"configurable": {"thread_id": thread}}
        asked = await graph.ainvoke({"cart": "abc"}, config)
        assert asked["__interrupt__"][0].value["message"] == "pay 3?"
        ended = await graph.ainvoke(Command(resume=word), config)
        assert {name: ended[name][:18] for name in expected} == expected


async def test_a_worker_goes_on_with_the_run_around_the_one_that_was_answered(opened: Any) -> None:
    async with opened(ASKED) as engine:
        run = await engine.start(ASKED, cart="abc")
        await engine.work(until="idle")
        assert (await engine.get(run)).status == "waiting"
        await engine.answer(run, "yes", by="ana")
        assert (await engine.get(run)).status == "queued"
        worked = await engine.work(until="idle")
        assert (worked.rested, worked.problems) == ({"succeeded": 1}, 0)
        assert (await engine.get(run)).state.sent == "sent for 3"


async def test_edited_code_within_is_no_obstacle_and_a_run_that_no_longer_fits_is_refused(opened: Any) -> None:
    def again(*edges: Any) -> Any:
        billing = workflow("asking", state=Bill, edges=edges)
        inner = subflow(billing, name="ask", reads={"order": "cart"}, writes={"invoice": "total", "receipt": "paid"})
        return workflow("asked", state=Shop, edges=[START >> inner >> send >> END])

    @function(name="pay", writes="paid")
    def dearer(total: int) -> str:
        return f"paid {total + 1}"

    ways = (approve["no"] >> FAIL("refused"), approve.expired >> FAIL("nobody said"))
    edited = again(START >> add >> approve, approve["yes"] >> dearer >> END, *ways)
    gone = again(START >> add >> pay >> END)
    async with opened(ASKED) as engine:
        view = await engine.run(ASKED, cart="abc")
        await engine.answer(view.id, "yes", by="ana")
    async with opened(gone) as engine:
        for run in (view.id, f"{view.id}-ask-1"):
            with pytest.raises(WorkflowChanged, match=f"asking changed and run {view.id}-ask-1 no longer fits it"):
                await engine.resume(run)
        assert (await engine.get(view.id)).run.status == "waiting"
    async with opened(edited) as engine:
        view = await engine.resume(view.id)
        assert (view.status, view.state.receipt) == ("succeeded", "paid 4")


async def test_what_a_run_within_costs_is_counted_once(opened: Any) -> None:
    class Model:
        asked = 0

        async def run(self, task: Any) -> AgentAnswer:
            Model.asked += 1
            if Model.asked == 2:
                failed = AgentFailed("no answer")
                failed.so_far = AgentAnswer(None, Usage(1, 10, 0, 0.5), ("m",))
                raise failed
            return AgentAnswer("words", Usage(1, 10, 5, 1.0), ("m",))

        async def close(self) -> None: ...

    @agent(writes="paid", instructions="Write.", retry=Retry(1))
    def write(order: str) -> str:
        return order

    twice = workflow("twice", state=Bill, edges=[START >> write >> write.named("again") >> END])
    inner = subflow(twice, name="inner", reads={"order": "cart"}, writes={"receipt": "paid"})
    order = workflow("order", state=Shop, edges=[START >> inner >> END])
    async with opened(order, agents=Model()) as engine:
        view = await engine.run(order, cart="abc")
        assert (view.status, view.usage) == ("failed", Usage(2, 20, 5, 1.5))
        view = await engine.resume(view.id)
        assert (view.status, view.usage, view.run.answered_by) == ("succeeded", Usage(3, 30, 10, 2.5), ("m",))
        assert (await engine.get(f"{view.id}-inner-1")).usage == view.usage
