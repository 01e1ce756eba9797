"""Forks: a new run that begins where another stood, with edits, and leaves that step anew."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel

from tests.engine.conftest import KeptLedger, Open
from workflow_engine import (
    END,
    FAIL,
    START,
    Engine,
    Failure,
    Question,
    State,
    Step,
    append,
    at_most,
    function,
    human,
    route,
    workflow,
)
from workflow_engine.errors import InputError, RunNotFound, UsageError, WorkflowChanged
from workflow_engine.record.events import RunForked
from workflow_engine.record.fold import fold
from workflow_engine.testing.crash import Crashed, crash_after


class Ruling(BaseModel):
    choice: Literal["retry", "abandon"]
    hint: str = ""


class Case(State):
    n: int
    log: Annotated[list[str], append] = []
    tries: int = 0
    ruling: Ruling | None = None


@function(writes=("tries", "log"))
async def attempt(n: int, tries: int, step: Step) -> tuple[int, list[str]]:
    return tries + 1, [f"{step.visit}: {step.key}"]


@route
def verdict(n: int, tries: int) -> Literal["done", "again"]:
    return "done" if tries >= n else "again"


@human(writes="ruling", within=timedelta(days=2))
def review(tries: int) -> Question[Ruling]:
    return Question(f"tried {tries} times", title="Go on?")


CASE = workflow(
    "case",
    state=Case,
    edges=[
        START >> attempt >> verdict,
        verdict["done"] >> END,
        verdict["again"] >> at_most(2, attempt, then=review),
        review["retry"] >> attempt,
        review["abandon"] >> FAIL("abandoned"),
        review.expired >> FAIL("nobody answered"),
    ],
)


def nodes(view: Any) -> list[str]:
    return [f"{each.step} {each.node}:{each.visit} {each.status}" for each in view.history.steps]


async def told(engine: Engine, run: str) -> list[Any]:
    return [each.event for each in await engine.journal(run)]


async def test_a_fork_goes_on_from_a_step_with_edits(opened: Open) -> None:
    async with opened(CASE) as engine:
        parent = await engine.run(CASE, n=2)
        before = (await engine.get(parent.id), await engine.journal(parent.id))
        fork = await engine.fork(parent.id, at=1, n=3)
        assert (fork.status, fork.values["tries"], fork.values["n"]) == ("succeeded", 3, 3)
        assert nodes(fork) == ["1 attempt:1 finished", "2 attempt:2 finished", "3 attempt:3 finished"]
        assert fork.run.parent == (parent.id, 1)
        assert fork.document()["parent"] == {"run": parent.id, "step": 1}
        assert "parent" not in parent.document()
        assert (await engine.get(parent.id), await engine.journal(parent.id)) == before


async def test_a_fork_without_edits_does_again_what_came_after(opened: Open) -> None:
    async with opened(CASE) as engine:
        parent = await engine.run(CASE, n=3)
        fork = await engine.fork(parent.id, at=2)
        assert nodes(fork) == nodes(parent)
        assert {**fork.values, "log": []} == {**parent.values, "log": []}
        assert [each["step"] for each in fork.document()["steps"]] == [1, 2, 3]


async def test_a_routes_word_is_decided_anew_for_the_step_that_is_left(opened: Open) -> None:
    async with opened(CASE) as engine:
        parent = await engine.run(CASE, n=2)
        fork = await engine.fork(parent.id, {"n": 1}, at=1)
        assert (fork.status, nodes(fork)) == ("succeeded", ["1 attempt:1 finished"])
        assert fork.history.steps[0].routes == (("verdict", "done"),)
        assert fork.history.steps[0].words == "edited: n"
        assert parent.history.steps[0].routes == (("verdict", "again"),)
        assert [type(each) for each in await told(engine, fork.id)] == [RunForked]


async def test_a_fork_has_keys_and_questions_of_its_own(opened: Open) -> None:
    async with opened(CASE) as engine:
        parent = await engine.run(CASE, n=9)
        assert parent.open_questions[0].question.id == f"{parent.id}.q1"
        fork = await engine.fork(parent.id, at=2)
        assert fork.open_questions[0].question.id == f"{fork.id}.q1"
        assert [each.rpartition(": ")[2].partition("/")[0] for each in fork.values["log"]] == [
            parent.id,
            parent.id,
            fork.id,
        ]
        await engine.answer(fork.id, "abandon")
        assert (await engine.resume(fork.id)).reason == "abandoned"
        assert (await engine.get(parent.id)).status == "waiting"


async def test_a_loops_count_goes_on_in_a_fork(opened: Open) -> None:
    async with opened(CASE) as engine:
        parent = await engine.run(CASE, n=9)
        for step, visits in ((1, 3), (2, 3), (3, 3)):
            fork = await engine.fork(parent.id, at=step)
            assert fork.run.frontier.visits["attempt"] == visits
            assert fork.status == "waiting"


async def test_without_a_step_the_last_one_is_left_anew(opened: Open) -> None:
    async with opened(CASE) as engine:
        parent = await engine.run(CASE, n=2)
        fork = await engine.fork(parent.id, tries=1)
        assert fork.run.parent == (parent.id, 2)
        assert (fork.status, fork.values["tries"], fork.run.steps) == ("succeeded", 2, 3)


async def test_a_fork_at_start_has_other_inputs(opened: Open) -> None:
    async with opened(CASE) as engine:
        parent = await engine.run(CASE, n=1)
        fork = await engine.fork(parent.id, at=0, n=3)
        assert (fork.values["tries"], len(fork.values["log"])) == (3, 3)
        assert nodes(fork) == [f"{each} attempt:{each} finished" for each in (1, 2, 3)]
        assert await engine.state_at(fork.id, 0) == {"n": 3}
        assert fork.history.begun_via == parent.history.begun_via
        again = await engine.fork(fork.id, at=0)
        assert again.run.parent == (fork.id, 0)
        assert again.values["n"] == 3


async def test_a_fork_of_a_fork_knows_all_that_came_before(opened: Open) -> None:
    async with opened(CASE) as engine:
        first = await engine.run(CASE, n=4)
        second = await engine.fork(first.id, at=2, n=5)
        third = await engine.fork(second.id, at=3, n=3)
        assert nodes(third) == [f"{each} attempt:{each} finished" for each in (1, 2, 3)]
        assert third.run.parent == (second.id, 3)
        # A step of the parent's prefix is found in the run that took it.
        fourth = await engine.fork(third.id, at=1, n=2)
        assert fourth.run.parent == (first.id, 1)
        assert nodes(fourth) == [f"{each} attempt:{each} finished" for each in (1, 2)]
        # The very step a fork began at is the fork's own, with its edits.
        fifth = await engine.fork(second.id, at=2)
        assert fifth.run.parent == (second.id, 2)
        assert fifth.values["n"] == 5


async def test_the_state_at_each_step_reads_through_to_the_parent(opened: Open) -> None:
    async with opened(CASE) as engine:
        parent = await engine.run(CASE, n=3)
        fork = await engine.fork(parent.id, at=2, n=5, tries=4)
        seen = [await engine.state_at(fork.id, step) for step in range(fork.run.steps + 1)]
        assert [(each["n"], each.get("tries", 0), len(each.get("log", []))) for each in seen] == [
            (3, 0, 0),
            (3, 1, 1),
            (5, 4, 2),
            (5, 5, 3),
        ]
        with pytest.raises(UsageError, match="has no step 4"):
            await engine.state_at(fork.id, 4)


async def test_an_edited_answer_leads_where_it_says(opened: Open) -> None:
    async with opened(CASE) as engine:
        run = await engine.run(CASE, n=4)
        await engine.answer(run.id, {"choice": "abandon"}, by="ann")
        parent = await engine.resume(run.id)
        assert (parent.reason, parent.run.steps) == ("abandoned", 4)
        fork = await engine.fork(parent.id, at=4, ruling=Ruling(choice="retry", hint="slowly"))
        assert (fork.status, fork.values["tries"]) == ("succeeded", 4)
        assert fork.history.steps[3].outcome == "retry"
        assert [each.question.run for each in fork.questions] == []
        again = await engine.fork(fork.id, {"ruling": {"choice": "abandon"}}, at=4)
        assert again.reason == "abandoned"
        same = await engine.fork(parent.id, at=4)  # not edited: the answer stands
        assert same.reason == "abandoned"


async def test_an_answer_that_leads_nowhere_is_refused(opened: Open) -> None:
    async with opened(CASE) as engine:
        run = await engine.run(CASE, n=4)
        await engine.answer(run.id, {"choice": "abandon"})
        await engine.resume(run.id)
        with pytest.raises(InputError, match="the answer of review cannot be null"):
            await engine.fork(run.id, at=4, ruling=None)


async def test_a_question_that_expired_can_be_answered_in_a_fork(opened: Open, clock: Any) -> None:
    async with opened(CASE) as engine:
        run = await engine.run(CASE, n=4)
        clock.advance(timedelta(days=3).total_seconds())
        parent = await engine.resume(run.id)
        assert parent.reason == "nobody answered"
        assert (await engine.fork(run.id, at=4)).reason == "nobody answered"
        fork = await engine.fork(run.id, at=4, ruling={"choice": "retry"})
        assert fork.status == "succeeded"


async def test_edits_are_checked_like_inputs(opened: Open) -> None:
    async with opened(CASE) as engine:
        parent = await engine.run(CASE, n=2)
        count = len(await engine.runs())
        with pytest.raises(InputError) as caught:
            await engine.fork(parent.id, {"tires": 3, "n": "many", "log": ["x" * 1_000_001]}, at=1)
        assert "tires: no such field; did you mean 'tries'?" in str(caught.value)
        assert "n: Input should be a valid integer" in str(caught.value)
        assert "log: 1,000,005 bytes of JSON, and one write holds at most 1,000,000" in str(caught.value)
        with pytest.raises(UsageError, match=r"run \S+ has no step 3\n .*numbered 1 to 2; 0 is START"):
            await engine.fork(parent.id, at=3)
        with pytest.raises(UsageError, match="has no step -1"):
            await engine.fork(parent.id, at=-1)
        with pytest.raises(RunNotFound):
            await engine.fork("nobody")
        assert len(await engine.runs()) == count


# ------------------------------------------------------------------------------------------------ failures


class Risk(State):
    x: int = 0
    seen: str = ""
    mended: bool = False


@function(writes="x")
async def risky(x: int, mended: bool) -> int:
    if not mended:
        raise ValueError("no luck")
    return x + 1


@function(writes="seen")
async def rescue(failure: Failure) -> str:
    return failure.message


async def test_a_step_that_failed_with_nothing_to_catch_it_cannot_be_left(opened: Open) -> None:
    flow = workflow("flow", state=Risk, edges=[START >> risky >> END])
    async with opened(flow) as engine:
        parent = await engine.run(flow)
        assert parent.status == "failed"
        with pytest.raises(UsageError, match=r"step 1 .* failed with nothing to catch it.*\n.*fork at step 0, START"):
            await engine.fork(parent.id, at=1)
        fork = await engine.fork(parent.id, mended=True)
        assert (fork.status, fork.values["x"], fork.run.parent) == ("succeeded", 1, (parent.id, 0))


async def test_a_caught_failure_is_left_by_its_edge_again_unless_its_field_is_edited(opened: Open) -> None:
    flow = workflow("flow", state=Risk, edges=[START >> risky >> END, risky.failed >> rescue >> END])
    async with opened(flow) as engine:
        parent = await engine.run(flow)
        assert parent.values["seen"] == "ValueError: no luck"
        fork = await engine.fork(parent.id, at=1, mended=True)
        assert (fork.values["seen"], fork.history.steps[0].status) == ("ValueError: no luck", "failed")
        other = await engine.fork(parent.id, at=1, x=7)
        assert (other.status, other.values["x"], other.values.get("seen")) == ("succeeded", 7, None)
        assert other.history.steps[0].status == "finished"
        third = await engine.fork(fork.id, at=1)
        assert third.values["seen"] == "ValueError: no luck"


async def test_what_is_not_written_by_the_edits_either_is_told(opened: Open) -> None:
    class Pair(State):
        a: int | None = None
        b: int | None = None
        c: int = 0

    @function(writes=("a", "b"))
    async def both() -> tuple[int, int]:
        raise ValueError("no")

    @function(writes="c")
    async def add(a: int, b: int) -> int:
        return a + b

    flow = workflow("flow", state=Pair, edges=[START >> both >> add >> END, both.failed >> FAIL("no")])
    async with opened(flow) as engine:
        parent = await engine.run(flow)
        assert (await engine.fork(parent.id, at=1, a=1, b=2)).values["c"] == 3
        with pytest.raises(InputError, match="W609"):
            await engine.fork(parent.id, at=1, a=1)


# ------------------------------------------------------------------------------------------------ arms


class Arms(State):
    left: str = ""
    right: str = ""
    both: str = ""
    wanted: str = "x"


def arms() -> tuple[Any, list[str]]:
    done: list[str] = []

    @function(writes="left")
    async def one(wanted: str) -> str:
        done.append("one")
        return wanted

    @function(writes="left")
    async def two(left: str) -> str:
        done.append("two")
        return left * 2

    @human(writes="right")
    def ask() -> Question[str]:
        return Question("What?")

    @function(writes="both")
    async def united(left: str, right: str) -> str:
        done.append("united")
        return f"{left} {right}"

    return workflow("arms", state=Arms, edges=[START >> (one >> two, ask) >> united >> END]), done


async def test_only_the_arm_of_the_step_moves_and_the_others_begin_anew(opened: Open) -> None:
    flow, done = arms()
    async with opened(flow) as engine:
        parent = await engine.run(flow)
        assert parent.status == "waiting"
        fork = await engine.fork(parent.id, at=1, left="edited")
        assert (fork.status, fork.values["left"]) == ("waiting", "editededited")
        assert [each.question.id for each in fork.open_questions] == [f"{fork.id}.q1"]
        assert done == ["one", "two", "two"]
        await engine.answer(fork.id, "forked")
        assert (await engine.resume(fork.id)).values["both"] == "editededited forked"
        await engine.answer(parent.id, "parent")
        assert (await engine.resume(parent.id)).values["both"] == "xx parent"
        late = await engine.fork(parent.id, at=3, right="late")  # the person's step: the other arm has arrived
        assert (late.status, late.values["both"]) == ("succeeded", "xx late")


# ------------------------------------------------------------------------------------------------ code


async def test_the_code_must_be_here(opened: Open) -> None:
    async with opened(CASE) as engine:
        parent = await engine.run(CASE, n=1)
    async with opened() as engine:
        with pytest.raises(UsageError, match=f"workflow fork {parent.id} FILE.py"):
            await engine.fork(parent.id)


async def test_a_changed_workflow_is_refused_where_the_step_does_not_fit(opened: Open) -> None:
    async with opened(CASE) as engine:
        parent = await engine.run(CASE, n=2)

    @function(writes="log")
    async def note() -> list[str]:
        return ["new"]

    longer = workflow(
        "case",
        state=Case,
        edges=[
            START >> attempt >> verdict,
            verdict["done"] >> note >> END,
            verdict["again"] >> at_most(2, attempt, then=FAIL("spent")),
        ],
    )
    renamed = workflow(
        "case",
        state=Case,
        edges=[START >> attempt.named("tried") >> verdict, verdict["done"] >> END, verdict["again"] >> FAIL("no")],
    )
    async with opened(longer) as engine:
        fork = await engine.fork(parent.id, at=2)
        assert fork.values["log"][-1] == "new"
        assert fork.run.shape == longer.shape
    async with opened(renamed) as engine:
        with pytest.raises(WorkflowChanged, match="step 1 was of attempt, which is gone in case"):
            await engine.fork(parent.id, at=1)
        assert (await engine.fork(parent.id, at=0)).status == "failed"


async def test_a_position_that_is_gone_is_refused_with_the_differences(opened: Open) -> None:
    flow, _ = arms()
    async with opened(flow) as engine:
        parent = await engine.run(flow)
    one, two, united = (flow.nodes[name] for name in ("one", "two", "united"))
    single = workflow("arms", state=Arms, edges=[START >> one >> two >> united >> END])
    async with opened(single) as engine:
        with pytest.raises(WorkflowChanged, match=r"does not fit it\n.*W60") as caught:
            await engine.fork(parent.id, at=1)
        assert "fork it at an earlier step" in str(caught.value)


# ------------------------------------------------------------------------------------------------ others


async def test_a_run_that_another_process_drives_can_be_forked(ledger: KeptLedger, opened: Open) -> None:
    async with opened(CASE) as engine:
        parent = await engine.run(CASE, n=9)
        fence, _ = await ledger.claim(parent.id)
        fork = await engine.fork(parent.id, at=2, n=3)
        assert fork.status == "succeeded"
        assert await ledger.owned(parent.id)
        await ledger.release(fence)


async def test_a_cancelled_run_can_be_forked(opened: Open) -> None:
    async with opened(CASE) as engine:
        parent = await engine.run(CASE, n=9)
        await engine.cancel(parent.id)
        assert (await engine.fork(parent.id, at=3, n=3)).status == "succeeded"


async def test_a_fork_outlives_its_parent_and_says_what_is_missing(ledger: KeptLedger, opened: Open) -> None:
    async with opened(CASE) as engine:
        parent = await engine.run(CASE, n=3)
        fork = await engine.fork(parent.id, at=2, tries=1, n=2)
        third = await engine.fork(fork.id, at=3, tries=2)
        del ledger._boxes[parent.id]
        left = await engine.get(fork.id)
        assert (nodes(left), left.history.missing) == ([f"{each} attempt:{each} finished" for each in (2, 3)], 1)
        assert (await engine.get(third.id)).history.missing == 1
        assert nodes(await engine.get(third.id)) == nodes(left)
        assert (await engine.state_at(third.id, 2))["tries"] == 1
        with pytest.raises(UsageError, match=f"step 1 was taken by run {parent.id}, which can no longer be read"):
            await engine.state_at(fork.id, 1)
        assert (await engine.fork(third.id, at=2)).status == "succeeded"


async def test_the_journal_of_a_fork_alone_folds_into_it(opened: Open) -> None:
    async with opened(CASE) as engine:
        parent = await engine.run(CASE, n=4)
        for step in range(4):
            fork = await engine.fork(parent.id, at=step, n=5)
            assert fold(await told(engine, fork.id)) == fork.run


async def test_usage_and_who_answered_are_the_forks_own(opened: Open) -> None:
    async with opened(CASE) as engine:
        parent = await engine.run(CASE, n=4)
        fork = await engine.fork(parent.id, at=2)
        assert (fork.run.usage.requests, fork.run.answered_by, fork.run.asked) == (0, (), 1)


async def test_a_fork_on_sqlite_reads_as_it_does_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    async with Engine.connect(path, workflows=[CASE]) as engine:
        parent = await engine.run(CASE, n=3)
        fork = await engine.fork(parent.id, at=2, n=5)
        third = await engine.fork(fork.id, at=3, n=4)
    async with Engine.connect(path) as engine:
        view = await engine.get(third.id)
        assert view.document() == {**third.document()}
        assert (view.values["n"], view.values["tries"], len(view.values["log"])) == (4, 3, 3)
        assert [each.run for each in await engine.runs()] == [third.id, fork.id, parent.id]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_in_the_moment_of_forking_leaves_no_fork_or_a_whole_one(
    ledger: KeptLedger, opened: Open, when: Literal["before", "after"]
) -> None:
    async with opened(CASE) as engine:
        parent = await engine.run(CASE, n=2)
    dying = crash_after(ledger, 1, when=when)
    async with opened(CASE, ledger=dying) as engine:
        with pytest.raises(Crashed):
            await dying.until_crash(engine.fork(parent.id, at=1, n=3))
    async with opened(CASE) as engine:
        left = [each.run for each in await engine.runs() if each.run != parent.id]
        assert len(left) == (when == "after")
        for view in await engine.recover():
            assert (view.id, view.status, view.values["tries"], view.run.parent) == (
                left[0],
                "succeeded",
                3,
                (parent.id, 1),
            )
        assert (await engine.get(parent.id)).document() == parent.document()


async def test_many_forks_at_once_of_a_run_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    async with Engine.connect(path, workflows=[CASE]) as one, Engine.connect(path, workflows=[CASE]) as other:
        parent = await one.run(CASE, n=4)
        await one.answer(parent.id, {"choice": "retry"})
        forks = [(one, other)[number % 2].fork(parent.id, at=number % 3, n=3, tries=0) for number in range(12)]
        views = await asyncio.gather(one.resume(parent.id), *forks)
        assert views[0].values["tries"] == 4
        assert {(view.status, view.values["n"]) for view in views[1:]} == {("succeeded", 3), ("waiting", 3)}
        assert len({view.id for view in views}) == 13
