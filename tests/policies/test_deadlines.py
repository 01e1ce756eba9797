"""A run's own time-out: from its creation, waiting included, whoever lives when it passes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from workflow_engine import END, FAIL, START, Failure, Question, Retry, State, function, human, workflow
from workflow_engine.cli.exits import Exit, exit_of_run
from workflow_engine.record.events import QuestionWithdrawn, RunFailed
from workflow_engine.record.fold import fold
from workflow_engine.testing import FakeClock, crash_after
from workflow_engine.testing.crash import Crashed

EXECUTORS = pytest.mark.parametrize("executor", ["native", "langgraph"])
SIX_HOURS = timedelta(hours=6)


class Job(State):
    n: int = 0
    word: str = ""


@human(writes="word")
def ask(n: int) -> Question[str]:
    return Question("Which word?")


def asking(timeout: timedelta | None = SIX_HOURS) -> Any:
    return workflow("asking", state=Job, edges=[START >> ask >> END], timeout=timeout)


def working(body: Any, timeout: timedelta | None = SIX_HOURS, **settings: Any) -> Any:
    work = function(name="work", writes="n", **settings)(body)
    return workflow("working", state=Job, edges=[START >> work >> END, work.failed >> FAIL("caught")], timeout=timeout)


class Forever:
    """A body that never ends, and lets the clock be set once it has begun."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.stopped = False

    async def work(self) -> int:
        self.clock.advance(self.seconds)
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped = True
        return 1


@EXECUTORS
async def test_a_step_under_way_is_stopped_and_the_run_fails(opened: Any, clock: FakeClock, executor: str) -> None:
    body = Forever(clock, 6 * 3600)
    flow = working(body.work)
    async with opened(flow, executor=executor) as engine:
        view = await engine.run(flow)
    assert body.stopped
    assert (view.status, view.error.kind, view.error.node) == ("failed", "deadline", "work")
    assert view.error.message.startswith("the run's time is up: 6:00:00 from its creation, waiting included")
    assert exit_of_run(view) is Exit.SPENT
    assert view.run.frontier.due == ("work",), "no edge is taken: the run stands where it stood"


@EXECUTORS
async def test_retries_end_with_the_run(opened: Any, clock: FakeClock, executor: str) -> None:
    async def breaks() -> int:
        raise OSError("down")

    flow = working(breaks, retry=Retry(99, first=timedelta(hours=4), factor=1, most=timedelta(days=1), jitter=False))
    async with opened(flow, executor=executor) as engine:
        view = await engine.run(flow)
    assert (view.error.kind, view.error.node, view.run.updated - view.run.created) == (
        "deadline",
        "work",
        timedelta(hours=8),
    )


@EXECUTORS
async def test_a_person_who_is_late_finds_no_question_and_the_run_failed(
    opened: Any, clock: FakeClock, executor: str
) -> None:
    flow = asking()
    async with opened(flow, executor=executor) as engine:
        view = await engine.run(flow)
        assert view.status == "waiting"
    clock.advance(6 * 3600 - 1)
    async with opened(flow, executor=executor) as engine:
        assert await engine.recover() == []
    clock.advance(1)
    async with opened(flow, executor=executor) as engine:  # nobody lived when the time passed: whoever looks next
        [view] = await engine.recover()
        assert (view.status, view.error.kind) == ("failed", "deadline")
        assert await engine.inbox() == []
        kinds = [type(each.event) for each in await engine.journal(view.id)]
        assert kinds[-2:] == [QuestionWithdrawn, RunFailed]
        assert await engine.recover() == []


async def test_a_run_that_failed_of_its_time_goes_on_under_a_longer_one(opened: Any, clock: FakeClock) -> None:
    async with opened(asking()) as engine:
        run = (await engine.run(asking())).id
        clock.advance(7 * 3600)
        assert [each.error.kind for each in await engine.recover()] == ["deadline"]
        assert (await engine.resume(run)).error.kind == "deadline", "nothing was changed"
    flow = asking(timedelta(hours=8))
    async with opened(flow) as engine:
        view = await engine.resume(run)
        assert view.status == "waiting"
        await engine.answer(run, "here")
        assert (await engine.resume(run)).values["word"] == "here"
        journal = [each.event for each in await engine.journal(run)]
    assert fold(journal) == (await opened_run(opened, run)), "the journal tells all of it"


async def opened_run(opened: Any, run: str) -> Any:
    async with opened() as engine:
        return (await engine.get(run)).run


async def test_a_crash_does_not_renew_the_time(opened: Any, ledger: Any, clock: FakeClock) -> None:
    flow = working(Forever(clock, 0).work)
    dying = crash_after(ledger, 1, when="after")
    async with opened(flow, ledger=dying) as engine:
        with pytest.raises(Crashed):
            await dying.until_crash(engine.run(flow))
    clock.advance(5 * 3600)
    flow = working(Forever(clock, 3600).work)
    async with opened(flow) as engine:
        [view] = await engine.recover()
    assert (view.error.kind, view.run.updated - view.run.created) == ("deadline", SIX_HOURS)


async def test_a_fork_has_a_time_of_its_own(opened: Any, clock: FakeClock) -> None:
    async with opened(asking()) as engine:
        run = (await engine.run(asking())).id
        clock.advance(7 * 3600)
        await engine.recover()
        fork = await engine.fork(run, at=0)
        assert fork.status == "waiting"
        assert fork.run.deadline == clock.now() + SIX_HOURS


async def test_a_run_without_a_time_out_has_no_deadline(opened: Any, clock: FakeClock) -> None:
    async with opened(asking(None)) as engine:
        view = await engine.run(asking(None))
        clock.advance(10 * 365 * 86400)
        assert await engine.recover() == []
        assert view.run.deadline is None


async def test_a_time_out_is_no_change_of_shape(opened: Any) -> None:
    assert asking(None).shape == asking().shape


async def test_a_cancel_that_came_first_wins(opened: Any, clock: FakeClock) -> None:
    async with opened(asking()) as engine:
        run = (await engine.run(asking())).id
        clock.advance(7 * 3600)
        assert (await engine.cancel(run, by="ana")).status == "cancelled"
        assert await engine.recover() == []


async def test_what_was_due_before_the_deadline_came_first_whoever_looks_when(opened: Any, clock: FakeClock) -> None:
    @human(writes="word", within=timedelta(hours=1))
    def soon(n: int) -> Question[str]:
        return Question("Which word?")

    flow = workflow(
        "soon", state=Job, edges=[START >> soon >> END, soon.expired >> FAIL("nobody answered")], timeout=SIX_HOURS
    )
    async with opened(flow) as engine:
        await engine.run(flow)
        clock.advance(9 * 3600)
        [view] = await engine.recover()
    assert (view.error.kind, view.error.message) == ("declared", "nobody answered")


async def test_what_would_have_been_due_after_the_deadline_never_was(opened: Any, clock: FakeClock) -> None:
    @function(writes="n")
    async def slow(n: int) -> int:
        clock.advance(3 * 3600)
        return 1

    @human(writes="word", within=timedelta(hours=5))
    def later(n: int) -> Question[str]:
        return Question("Which word?")

    edges = [START >> slow >> later >> END, later.expired >> FAIL("nobody answered")]
    flow = workflow("later", state=Job, edges=edges, timeout=SIX_HOURS)
    async with opened(flow) as engine:
        await engine.run(flow)
        clock.advance(9 * 3600)
        [view] = await engine.recover()
    assert view.error.kind == "deadline"


# Led on


@function(writes="word")
async def tell(failure: Failure | None) -> str:
    return f"{failure.node}: {failure.kind}" if failure else ""


def led(body: Any, **settings: Any) -> Any:
    work = function(name="work", writes="n")(body)
    edges = [START >> work >> ask >> END, work.failed >> tell >> END, ask.failed >> tell]
    return workflow("led", state=Job, edges=edges, timeout=SIX_HOURS, on_timeout="route", **settings)


@EXECUTORS
async def test_where_the_workflow_says_so_a_late_run_goes_on_by_the_failure_edges(
    opened: Any, clock: FakeClock, executor: str
) -> None:
    body = Forever(clock, 7 * 3600)
    async with opened(led(body.work), executor=executor) as engine:
        view = await engine.run(led(body.work))
        assert (view.status, view.values["word"], body.stopped) == ("succeeded", "work: deadline", True)
        assert fold([each.event for each in await engine.journal(view.id)]) == view.run


@EXECUTORS
async def test_a_late_person_is_left_by_the_failure_edge_and_the_run_has_no_deadline_from_then_on(
    opened: Any, clock: FakeClock, executor: str
) -> None:
    async def quick() -> int:
        return 1

    @human(writes="word")
    def again(n: int) -> Question[str]:
        return Question("It is late. Which word?")

    work = function(name="work", writes="n")(quick)
    edges = [START >> work >> ask >> END, work.failed >> again >> END, ask.failed >> again]
    flow = workflow("escalated", state=Job, edges=edges, timeout=SIX_HOURS, on_timeout="route")
    async with opened(flow, executor=executor) as engine:
        run = (await engine.run(flow)).id
        clock.advance(7 * 3600)
        [view] = await engine.recover()
        assert (view.status, view.run.frontier.due, view.run.deadline) == ("waiting", ("again",), None)
        assert [each.question.node for each in await engine.inbox()] == ["again"]
        clock.advance(90 * 86400)
        assert await engine.recover() == []
        await engine.answer(run, "late")
        view = await engine.resume(run)
        assert (view.status, view.values["word"], view.run.deadline) == ("succeeded", "late", None)


async def test_a_late_run_fails_as_a_whole_where_one_node_has_no_way_out(opened: Any, clock: FakeClock) -> None:
    body = Forever(clock, 7 * 3600)
    one = function(name="one", writes="n")(body.work)

    @human(writes="word")
    def other() -> Question[str]:
        return Question("Which word?")

    @function
    async def after() -> None: ...

    edges = [START >> (one >> after, other) >> END, one.failed >> after]
    flow = workflow("forked", state=Job, edges=edges, timeout=SIX_HOURS, on_timeout="route")
    async with opened(flow) as engine:
        view = await engine.run(flow)
    assert (view.status, view.error.kind) == ("failed", "deadline")
    assert set(view.run.frontier.due) == {"one", "other"}


async def test_a_crash_while_it_is_led_on_leads_it_on_once(opened: Any, ledger: Any, clock: FakeClock) -> None:
    flow = led(Forever(clock, 7 * 3600).work)
    for writes in range(1, 4):
        dying = crash_after(ledger, writes, when="after")
        async with opened(flow, ledger=dying) as engine:
            with pytest.raises(Crashed):
                await dying.until_crash(engine.run(flow))
        async with opened(flow) as engine:
            for view in await engine.recover():
                assert (view.status, view.values["word"]) == ("succeeded", "work: deadline")
            assert {each.status for each in await engine.runs()} == {"succeeded"}
