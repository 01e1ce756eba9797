"""Runs from their inputs to their end: what bodies get, what they may return, how failures go on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Literal

import pytest

from workflow_engine import (
    END,
    FAIL,
    START,
    Failure,
    InvalidWorkflow,
    Question,
    Retry,
    State,
    Step,
    append,
    at_most,
    function,
    human,
    route,
    total,
    workflow,
)
from workflow_engine.errors import InputError, RunEnded, RunNotFound, UsageError
from workflow_engine.ports.listener import Began, Said


class Numbers(State):
    n: int
    doubled: int = 0
    seen: Annotated[list[str], append] = []
    sum: Annotated[int, total] = 0
    failure_seen: str = ""


@function(writes="doubled")
def double(n: int) -> int:
    return 2 * n


@function(writes="seen")
async def note(doubled: int) -> list[str]:
    return [f"doubled is {doubled}"]


async def test_a_run_writes_what_its_nodes_return(opened: Any) -> None:
    chain = workflow("chain", state=Numbers, edges=[START >> double >> note >> END])
    async with opened(chain) as engine:
        view = await engine.run(chain, n=21)
    assert view.status == "succeeded"
    assert view.state == Numbers(n=21, doubled=42, seen=["doubled is 42"])
    assert [(each.step, each.node, each.visit) for each in view.history.steps] == [(1, "double", 1), (2, "note", 1)]


async def test_a_body_reads_copies_of_its_own(opened: Any) -> None:
    class Basket(State):
        things: list[str]
        count: int = 0

    @function(writes="count")
    async def spoil(things: list[str]) -> int:
        things.append("spoilt")
        return len(things)

    spoiling = workflow("spoiling", state=Basket, edges=[START >> spoil >> spoil.named("again") >> END])
    async with opened(spoiling) as engine:
        view = await engine.run(spoiling, things=["a"])
    assert view.values == {"things": ["a"], "count": 2}


async def test_a_default_is_fresh_for_every_read(opened: Any) -> None:
    @function(writes="n")
    async def spoil(seen: list[str]) -> int:
        seen.append("spoilt")
        return len(seen)

    spoiling = workflow("spoiling", state=Numbers, edges=[START >> spoil >> spoil.named("again") >> END])
    async with opened(spoiling) as engine:
        view = await engine.run(spoiling, n=0)
    assert view.state.n == 1


async def test_reducers_join_writes(opened: Any) -> None:
    @function(writes=("seen", "sum"))
    async def both(n: int) -> tuple[list[str], int]:
        return [str(n)], n

    twice = workflow("twice", state=Numbers, edges=[START >> both >> both.named("more") >> END])
    async with opened(twice) as engine:
        view = await engine.run(twice, n=3)
    assert view.state.seen == ["3", "3"]
    assert view.state.sum == 6


async def test_a_spent_loop_goes_on_by_its_then(opened: Any) -> None:
    @function(writes="sum")
    async def add(n: int) -> int:
        return 1

    @route
    def verdict(sum: int) -> Literal["enough", "more"]:
        return "enough" if sum > 100 else "more"

    loop = workflow(
        "loop",
        state=Numbers,
        edges=[
            START >> add >> verdict,
            verdict["enough"] >> END,
            verdict["more"] >> at_most(3, add, then=FAIL("never enough")),
        ],
    )
    async with opened(loop) as engine:
        view = await engine.run(loop, n=0)
        assert (view.status, view.run.reason) == ("failed", "never enough")
        assert view.state.sum == 4, "the first visit plus three"
        with pytest.raises(RunEnded, match="nowhere to go on"):
            await engine.resume(view.id)


class Ruled(State):
    n: int
    left: int = 0
    right: int = 0
    ruling: Literal["yes", "no"] | None = None
    joined: Annotated[list[str], append] = []


@function(writes="left")
async def left_one(n: int) -> int:
    return n + 1


@function(writes="joined")
async def left_two(left: int) -> list[str]:
    return [f"left {left}"]


@human(writes="ruling")
def ask(n: int) -> Question[Literal["yes", "no"]]:
    return Question(f"is {n} good?")


@function(writes="joined")
async def join(left: int) -> list[str]:
    return ["joined"]


FORKED = workflow(
    "forked",
    state=Ruled,
    edges=[
        START >> (left_one >> left_two, ask) >> join >> END,
    ],
)


async def test_arms_advance_while_a_person_thinks_and_the_join_runs_once(opened: Any) -> None:
    async with opened(FORKED) as engine:
        view = await engine.run(FORKED, n=1)
        assert (view.status, view.run.reason) == ("waiting", "person")
        assert view.state.joined == ["left 2"], "both nodes of the other arm finished before the answer came"
        await engine.answer(view.id, "yes", by="ana")
        assert (await engine.get(view.id)).status == "queued"
        view = await engine.resume(view.id)
    assert view.status == "succeeded"
    assert view.state.joined == ["left 2", "joined"]
    assert [each.node for each in view.history.of("join")] == ["join"]


async def test_an_answer_wakes_a_run_whose_other_arm_is_at_work(opened: Any) -> None:
    go_on, done = asyncio.Event(), asyncio.Event()

    @function(writes="left")
    async def slow(n: int) -> int:
        await go_on.wait()
        return n

    @function(writes="right")
    async def after_answer(ruling: Literal["yes", "no"]) -> int:
        done.set()
        return 1

    both = workflow("both", state=Ruled, edges=[START >> (slow, ask >> after_answer) >> join >> END])
    asked = asyncio.Event()

    class Ear:
        def hear(self, run: Any, event: Any) -> None:
            if event.__class__.__name__ == "QuestionAsked":
                asked.set()

    async with opened(both, listeners=[Ear()]) as engine:
        running = asyncio.create_task(engine.run(both, n=1))
        await asked.wait()
        [waiting] = await engine.inbox()
        await engine.answer(waiting.question.id, "yes")
        await asyncio.wait_for(done.wait(), 20)
        go_on.set()
        assert (await running).status == "succeeded"


# Failures


def failing(times: int, error: type[Exception] = ConnectionError) -> Any:
    left = [times]

    async def flaky(n: int) -> int:
        if left[0]:
            left[0] -= 1
            raise error("not yet")
        return n

    return flaky


async def test_retries_wait_as_the_policy_says_and_are_one_step(opened: Any, clock: Any) -> None:
    flaky = function(
        name="flaky", writes="doubled", retry=Retry(3, on=ConnectionError, first=timedelta(seconds=10), jitter=False)
    )(failing(2))
    flow = workflow("flow", state=Numbers, edges=[START >> flaky >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow, n=5)
        events = [each.event.type for each in await engine.journal(view.id)]
    assert view.state.doubled == 5
    assert clock.slept == [10, 20]
    assert [each.attempts for each in view.history.steps] == [3]
    assert events.count("AttemptFailed") == 2


async def test_an_error_the_policy_does_not_name_is_not_tried_again(opened: Any, clock: Any) -> None:
    flaky = function(name="flaky", writes="doubled", retry=Retry(3, on=ConnectionError))(failing(1, KeyError))
    flow = workflow("flow", state=Numbers, edges=[START >> flaky >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow, n=5)
    assert view.status == "failed"
    assert view.run.error is not None
    assert view.run.error.message == "KeyError: 'not yet'"
    assert "flaky" in view.run.error.trace, "the user's own line is kept"
    assert clock.slept == []


async def test_a_failed_run_is_resumed_at_its_failed_step_after_its_body_was_mended(opened: Any) -> None:
    calls: list[str] = []

    @function(writes="doubled")
    async def first(n: int) -> int:
        calls.append("first")
        return n

    @function(writes="sum")
    async def second(doubled: int) -> int:
        raise ValueError("broken")

    flow = workflow("flow", state=Numbers, edges=[START >> first >> second >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow, n=5)
        assert (view.status, view.run.frontier.due) == ("failed", ("second",))

    async def mended(doubled: int) -> int:
        calls.append("mended")
        return doubled

    better = replace(flow, nodes={**flow.nodes, "second": replace(flow.nodes["second"], body=mended)})
    async with opened(better) as engine:
        view = await engine.resume("@last")
        journal = [each.event for each in await engine.journal(view.id)]
    assert (view.status, view.values["sum"]) == ("succeeded", 5)
    assert calls == ["first", "mended"]
    assert [(each.node, each.visit) for each in view.history.steps] == [("first", 1), ("second", 1), ("second", 1)]
    assert [each.nodes for each in journal if each.type == "CodeChanged"] == [("second",)]


async def test_a_failure_edge_catches_and_says_what_failed(opened: Any) -> None:
    @function(writes="doubled")
    async def breaks(n: int) -> int:
        raise ValueError("broken")

    @function(writes="failure_seen")
    async def mend(failure: Failure) -> str:
        return f"{failure.node} {failure.kind}: {failure.message}"

    flow = workflow("flow", state=Numbers, edges=[START >> breaks >> END, breaks.failed >> mend >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow, n=5)
    assert view.status == "succeeded"
    assert view.values == {"n": 5, "failure_seen": "breaks error: ValueError: broken"}


async def test_siblings_of_a_failed_step_finish_and_start_nothing_more(opened: Any) -> None:
    ready = asyncio.Event()

    @function(writes="right")
    async def breaks(n: int) -> int:
        ready.set()
        raise ValueError("broken")

    @function(writes="left")
    async def sibling(n: int) -> int:
        await ready.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        return 7

    flow = workflow("flow", state=Ruled, edges=[START >> (sibling >> left_two, breaks, ask) >> join >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow, n=5)
        assert view.status == "failed"
        assert view.values == {"n": 5, "left": 7}
        assert set(view.run.frontier.due) == {"left_two", "breaks", "ask"}
        assert [each.question.node for each in await engine.inbox()] == ["ask"], "open questions stay"


async def test_a_time_limit_ends_an_attempt(opened: Any) -> None:
    @function(writes="doubled", timeout=timedelta(microseconds=1))
    async def hangs(n: int) -> int:
        await asyncio.Event().wait()
        return n

    flow = workflow("flow", state=Numbers, edges=[START >> hangs >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow, n=5)
    assert view.run.error is not None
    assert view.run.error.kind == "timeout"
    assert "longer than" in view.run.error.message


async def test_a_route_that_raises_fails_the_step_before_it(opened: Any) -> None:
    @route
    def verdict(n: int) -> Literal["a", "b"]:
        raise ZeroDivisionError

    flow = workflow("flow", state=Numbers, edges=[START >> double >> verdict, verdict["a"] >> END, verdict["b"] >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow, n=5)
    assert view.run.error is not None
    assert (view.run.error.node, view.run.error.kind) == ("double", "route")
    assert "doubled" not in view.values, "what it wrote is not there, as it did not finish"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (float("nan"), "it holds NaN or infinity"),
        ("text", "valid number"),
        (None, "valid number"),
        (2**70, "64 bits"),
    ],
)
async def test_a_value_the_field_cannot_hold_is_the_nodes_error(opened: Any, value: Any, says: str) -> None:
    class Measured(State):
        x: float | int = 0.0

    @function(writes="x")
    async def measure() -> float:
        return value  # type: ignore[no-any-return]

    flow = workflow("flow", state=Measured, edges=[START >> measure >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow)
    assert view.run.error is not None
    assert view.run.error.kind == "validation"
    assert "measure wrote 'x'" in view.run.error.message
    assert says in view.run.error.message


async def test_a_tuple_of_the_wrong_length_is_the_nodes_error(opened: Any) -> None:
    @function(writes=("doubled", "n"))
    async def three(n: int) -> tuple[int, int]:
        return 1, 2, 3  # type: ignore[return-value]

    flow = workflow("flow", state=Numbers, edges=[START >> three >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow, n=1)
    assert view.run.error is not None
    assert view.run.error.message == "three returned a tuple of 3"


# Inputs


async def test_every_mistake_in_the_inputs_is_named_at_once(opened: Any) -> None:
    class Wide(State):
        name: str
        age: int

    @function
    async def nothing(name: str) -> None: ...

    flow = workflow("flow", state=Wide, edges=[START >> nothing >> END])
    async with opened(flow) as engine:
        with pytest.raises(InputError) as caught:
            await engine.run(flow, nmae="x", age="old")
        assert await engine.runs() == [], "nothing was stored"
    assert "nmae: no such field; did you mean 'name'?" in caught.value.what
    assert "age: Input should be a valid integer" in caught.value.what
    assert "name: missing" in caught.value.what
    assert caught.value.cure == "it takes name: str, age: int"


async def test_a_workflow_with_findings_does_not_run(opened: Any) -> None:
    @route
    def verdict(n: int) -> Literal["a", "b"]:
        return "a"

    flow = workflow("flow", state=Numbers, edges=[START >> double >> verdict, verdict["a"] >> END])
    async with opened() as engine:
        with pytest.raises(InvalidWorkflow, match="outcome 'b' has no edge"):
            await engine.run(flow, n=1)


async def test_a_route_right_after_start_decides_when_the_run_is_created(opened: Any) -> None:
    @route
    def size(n: int) -> Literal["big", "small"]:
        return "big" if n > 9 else "small"

    flow = workflow("flow", state=Numbers, edges=[START >> size, size["big"] >> double >> END, size["small"] >> END])
    async with opened(flow) as engine:
        assert (await engine.run(flow, n=10)).values == {"n": 10, "doubled": 20}
        assert (await engine.run(flow, n=1)).values == {"n": 1}


# Surroundings


async def test_resources_are_opened_once_and_closed_with_the_engine(opened: Any) -> None:
    from contextlib import asynccontextmanager

    happened: list[str] = []

    class Pool:
        pass

    @asynccontextmanager
    async def open_pool():  # type: ignore[no-untyped-def]
        happened.append("open")
        yield Pool()
        happened.append("close")

    async def use(n: int, pool: Any) -> int:
        assert isinstance(pool, Pool)
        return n

    use.__annotations__["pool"] = Pool
    node = function(writes="doubled")(use)
    flow = workflow(
        "flow", state=Numbers, edges=[START >> node >> node.named("again") >> END], resources={Pool: open_pool}
    )
    async with opened(flow) as engine:
        assert (await engine.run(flow, n=1)).status == "succeeded"
        assert happened == ["open"]
    assert happened == ["open", "close"]


async def test_a_step_has_a_workspace_of_its_own_that_is_gone_afterwards(opened: Any) -> None:
    folders: list[Any] = []

    @function(writes="doubled")
    def work(n: int, step: Step) -> int:
        assert list(step.workspace.iterdir()) == []
        (step.workspace / "file").write_text("x")
        folders.append(step.workspace)
        assert step.key.endswith("/work/1") or step.key.endswith("/again/1")
        return n

    flow = workflow("flow", state=Numbers, edges=[START >> work >> work.named("again") >> END])
    async with opened(flow) as engine:
        assert (await engine.run(flow, n=1)).status == "succeeded"
    assert len(set(folders)) == 2
    assert not any(folder.exists() for folder in folders)


async def test_a_listener_that_raises_disturbs_nothing_and_others_hear_everything(opened: Any, caplog: Any) -> None:
    heard: list[Any] = []

    class Broken:
        def hear(self, run: Any, event: Any) -> None:
            raise RuntimeError("deaf")

    class Ear:
        def hear(self, run: Any, event: Any) -> None:
            heard.append(event)

    @function(writes="doubled")
    async def work(n: int, step: Step) -> int:
        step.progress("half\nway")
        return n

    flow = workflow("flow", state=Numbers, edges=[START >> work >> END])
    async with opened(flow, listeners=[Broken(), Ear()]) as engine:
        view = await engine.run(flow, n=1)
    assert [type(each).__name__ for each in heard] == ["RunCreated", "RunClaimed", "Began", "Said", "StepFinished"]
    assert heard[2] == Began("work", "function", 1, 1)
    assert heard[3] == Said("work", 1, "half way")
    assert view.history.steps[0].words == "half way"


async def test_drain_finishes_the_step_under_way_and_leaves_the_run_resumable(opened: Any) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    @function(writes="doubled")
    async def first(n: int) -> int:
        started.set()
        await go_on.wait()
        return n

    flow = workflow("flow", state=Numbers, edges=[START >> first >> note >> END])
    async with opened(flow) as engine:
        running = asyncio.create_task(engine.run(flow, n=1))
        await started.wait()
        engine.drain()
        go_on.set()
        view = await running
        assert (view.status, view.interrupted, view.run.frontier.due) == ("running", True, ("note",))
    async with opened(flow) as engine:
        assert [each.status for each in await engine.recover()] == ["succeeded"]


async def test_unknown_runs_and_executors_are_named(opened: Any) -> None:
    async with opened() as engine:
        with pytest.raises(RunNotFound, match="no run begins with 'zzz'"):
            await engine.get("zzz")
        with pytest.raises(RunNotFound, match="there is no run yet"):
            await engine.get("@last")
    with pytest.raises(UsageError, match="no executor 'fast'"):
        async with opened(executor="fast"):
            pass


async def test_a_body_in_a_process_of_its_own_is_killed_when_its_time_is_up(opened: Any) -> None:
    from tests.engine import outside

    async with opened(outside.FLOW) as engine:
        view = await engine.run(outside.FLOW, n=20)
        assert view.status == "succeeded"
        assert view.values["there"] != view.values["here"], "it ran in another process"
        view = await engine.run(outside.FLOW, n=-1)
        assert view.run.error is not None
        assert view.run.error.kind == "timeout"
        view = await engine.run(outside.FLOW, n=0)
        assert view.run.error is not None
        assert view.run.error.message == "ZeroDivisionError: integer division or modulo by zero"


async def test_the_state_after_each_step_can_be_read(opened: Any) -> None:
    @function(writes="doubled")
    def twice(doubled: int) -> int:
        return max(1, 2 * doubled)

    again = at_most(2, twice, then=END)
    flow = workflow("flow", state=Numbers, edges=[START >> twice, twice >> again])
    async with opened(flow) as engine:
        run = (await engine.run(flow, n=1)).id
        assert [(await engine.state_at(run, step))["doubled"] for step in (1, 2, 3)] == [1, 2, 4]
        assert (await engine.state_at("@last", 1))["n"] == 1
        assert await engine.state_at(run, 0) == {"n": 1}
        for step in (4, -1):
            with pytest.raises(UsageError, match=f"no step {step}"):
                await engine.state_at(run, step)
