"""Retry by class of error, a time for all attempts that a crash does not renew, and attempts that fall silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from workflow_engine import END, START, Failure, Retry, State, Step, function, workflow
from workflow_engine.record.events import AttemptFailed
from workflow_engine.runtime.clock import SystemClock
from workflow_engine.spec.policies import GiveUp, Wait, attempts_of, rule_for, within_of
from workflow_engine.testing import FakeClock, crash_after
from workflow_engine.testing.crash import Crashed

EXECUTORS = pytest.mark.parametrize("executor", ["native", "langgraph"])


class RateLimited(ConnectionError):
    """Narrower than what the second rule names."""


class Job(State):
    n: int = 0
    told: str = ""


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@pytest.mark.parametrize(
    ("attempt", "spent", "decision"),
    [
        (1, 0, Wait(seconds(10))),
        (1, 49, Wait(seconds(10))),
        (1, 50, GiveUp("the time for all attempts is spent")),  # it would begin when nothing is left
        (2, 30, Wait(seconds(20))),
        (2, 41, GiveUp("the time for all attempts is spent")),
        (9, 0, GiveUp("attempts are spent")),
    ],
)
def test_what_would_begin_after_the_time_for_all_attempts_is_given_up_at_once(
    attempt: int, spent: float, decision: object
) -> None:
    policy = Retry(9, first=seconds(10), jitter=False, within=seconds(60))
    assert policy.after(attempt, OSError(), 0.5, seconds(spent)) == decision


def test_the_first_rule_that_names_an_error_decides() -> None:
    limited, broken = Retry(5, on=RateLimited), Retry(2, on=ConnectionError)
    assert rule_for((limited, broken), RateLimited()) is limited
    assert rule_for((limited, broken), ConnectionError()) is broken
    assert rule_for((limited, broken), KeyError()) is None
    assert attempts_of((limited, broken)) == 6


def test_all_attempts_have_the_longest_time_of_the_rules_and_none_where_one_sets_none() -> None:
    assert within_of((Retry(2, within=seconds(5)), Retry(2, within=seconds(9)))) == seconds(9)
    assert within_of((Retry(2, within=seconds(5)), Retry(2))) is None


def failing(errors: list[BaseException], **settings: Any) -> Any:
    left = list(errors)

    @function(name="work", writes="n", **settings)
    async def work() -> int:
        if left:
            raise left.pop(0)
        return 1

    return work


def flow(work: Any) -> Any:
    return workflow("flow", state=Job, edges=[START >> work >> END])


RULES = (
    Retry(4, on=RateLimited, first=seconds(40), factor=1, jitter=False),
    Retry(2, on=ConnectionError, first=seconds(1), jitter=False),
)


@EXECUTORS
async def test_each_class_of_error_is_answered_by_its_own_rule(opened: Any, clock: FakeClock, executor: str) -> None:
    work = failing([RateLimited(), ConnectionError(), RateLimited(), RateLimited()], retry=RULES)
    async with opened(flow(work), executor=executor) as engine:
        view = await engine.run(flow(work))
    assert (view.status, view.history.steps[0].attempts) == ("succeeded", 5)
    assert clock.slept == [40, 1, 40, 40]


async def test_a_rule_is_spent_by_its_own_errors_only(opened: Any) -> None:
    work = failing([RateLimited("a"), ConnectionError("b"), RateLimited("c"), ConnectionError("d")], retry=RULES)
    async with opened(flow(work)) as engine:
        view = await engine.run(flow(work))
    assert view.error.message == "ConnectionError: d"
    assert view.error.attempts == 4


async def test_an_error_no_rule_names_is_not_tried_again(opened: Any, clock: FakeClock) -> None:
    work = failing([KeyError("x")], retry=RULES)
    async with opened(flow(work)) as engine:
        assert (await engine.run(flow(work))).error.message == "KeyError: 'x'"
    assert clock.slept == []


WITHIN = Retry(99, first=seconds(25), factor=1, jitter=False, within=seconds(60))


async def test_no_attempt_begins_after_the_time_for_all_of_them(opened: Any) -> None:
    work = failing([OSError("down")] * 99, retry=WITHIN)
    async with opened(flow(work)) as engine:
        view = await engine.run(flow(work))
        waits = [each.event.wait for each in await engine.journal(view.id) if isinstance(each.event, AttemptFailed)]
    assert (view.error.message, view.error.attempts) == ("OSError: down", 3)
    assert waits == [25, 25]


@EXECUTORS
async def test_an_attempt_that_takes_all_the_time_there_is_is_stopped(opened: Any, executor: str) -> None:
    # What is stopped is real work, in real time: a clock that jumps has no part in it.
    @function(name="work", writes="n", retry=Retry(9, within=seconds(0.05)))
    async def work() -> int:
        await asyncio.Event().wait()
        return 1

    async with opened(flow(work), executor=executor, clock=SystemClock()) as engine:
        view = await engine.run(flow(work))
    assert (view.error.kind, view.error.message) == ("deadline", "work had 0.05 s for all its attempts")
    assert view.error.attempts == 1


async def crashed_in_its_second_try(ledger: Any, opened: Any, work: Any) -> None:
    dying = crash_after(ledger, 2, when="after")  # the run is created, then the first try is known to have failed
    async with opened(flow(work), ledger=dying) as engine:
        with pytest.raises(Crashed):
            await dying.until_crash(engine.run(flow(work)))


async def test_the_time_for_all_attempts_goes_on_after_a_crash(opened: Any, ledger: Any, clock: FakeClock) -> None:
    work = failing([OSError("down")] * 99, retry=WITHIN)
    await crashed_in_its_second_try(ledger, opened, work)
    clock.advance(30)
    async with opened(flow(work)) as engine:
        [view] = await engine.recover()
    # 30 s are gone: one more try at once, one after 25 s, and the third would begin too late.
    assert (view.status, view.error.attempts) == ("failed", 2)


async def test_a_step_whose_time_ran_out_while_nobody_lived_is_not_tried_again(
    opened: Any, ledger: Any, clock: FakeClock
) -> None:
    work = failing([OSError("down")] * 2, retry=WITHIN)
    await crashed_in_its_second_try(ledger, opened, work)
    clock.advance(3600)
    async with opened(flow(work)) as engine:
        [view] = await engine.recover()
        assert (view.status, view.error.kind) == ("failed", "deadline")
        # Somebody who asks for it gives the step its whole time once more.
        again = await engine.resume(view.id)
    assert (again.status, again.values["n"]) == ("succeeded", 1)


# Silence


def saying(clock: FakeClock, pauses: list[float], say: Callable[[Step], None], **settings: Any) -> Any:
    @function(name="work", writes="n", idle=seconds(30), **settings)
    async def work(step: Step) -> int:
        for pause in pauses:
            await clock.sleep(pause)
            say(step)
        return 1

    return work


@EXECUTORS
@pytest.mark.parametrize("say", [lambda step: step.progress("on"), lambda step: step.log("on")])
async def test_an_attempt_that_is_heard_of_goes_on_as_long_as_it_likes(
    opened: Any, clock: FakeClock, executor: str, say: Any
) -> None:
    work = saying(clock, [29] * 20, say)
    async with opened(flow(work), executor=executor) as engine:
        assert (await engine.run(flow(work))).status == "succeeded"


async def test_an_attempt_that_falls_silent_is_stopped_and_retried_like_any_other(
    opened: Any, clock: FakeClock
) -> None:
    began: list[Any] = []

    @function(name="work", writes="n", idle=seconds(30), retry=Retry(2, first=seconds(1), jitter=False))
    async def work(step: Step) -> int:
        began.append(clock.now())
        await clock.sleep(10)
        step.progress("half")
        await asyncio.Event().wait()
        return 1

    async with opened(flow(work)) as engine:
        view = await engine.run(flow(work))
    assert (view.error.kind, view.error.attempts) == ("timeout", 2)
    assert view.error.message == "work was not heard of for 30 s"
    assert 41 <= (began[1] - began[0]).total_seconds() <= 45, "10 s of work, 30 s and at most an eighth, 1 s of wait"


async def test_a_failure_edge_reads_that_the_time_was_spent(opened: Any) -> None:
    @function(writes="told")
    async def tell(failure: Failure | None) -> str:
        return failure.kind if failure else ""

    @function(name="work", writes="n", idle=seconds(5))
    async def silent() -> int:
        await asyncio.Event().wait()
        return 1

    caught = workflow("caught", state=Job, edges=[START >> silent >> END, silent.failed >> tell >> END])
    async with opened(caught) as engine:
        assert (await engine.run(caught)).values["told"] == "timeout"
