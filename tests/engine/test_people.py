"""People: questions, answers, expiry, cancellation. What is wrong changes nothing, what is late loses cleanly."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from workflow_engine import END, FAIL, START, Question, State, function, human, workflow
from workflow_engine.errors import (
    AlreadyAnswered,
    AnswerRejected,
    Conflict,
    QuestionNotFound,
    RunEnded,
    RunOwned,
    UsageError,
    WorkflowChanged,
)


class Ruling(BaseModel):
    choice: Literal["retry", "abandon"]
    hint: str = ""
    weight: Annotated[int, Field(ge=0)] = 1


class Case(State):
    n: int
    tries: int = 0
    ruling: Ruling | None = None


@function(writes="tries")
async def attempt(tries: int) -> int:
    return tries + 1


@human(writes="ruling", within=timedelta(days=2))
def review(n: int, tries: int) -> Question[Ruling]:
    return Question(f"tried {tries} times", evidence=[f"n is {n}"], title="Go on?")


CASE = workflow(
    "case",
    state=Case,
    edges=[
        START >> attempt >> review,
        review["retry"] >> attempt,
        review["abandon"] >> FAIL("abandoned"),
        review.expired >> FAIL("nobody answered"),
    ],
)


async def test_a_question_can_be_read_and_answered_without_any_code(opened: Any, clock: Any) -> None:
    async with opened(CASE) as engine:
        run = (await engine.run(CASE, n=7)).id
    async with opened() as engine:
        [standing] = await engine.inbox()
        asked = standing.question
        assert (asked.title, asked.message, asked.evidence) == ("Go on?", "tried 1 times", ("n is 7",))
        assert asked.choices == ("retry", "abandon")
        assert asked.due == clock.now() + timedelta(days=2)
        assert [(each.node, each.visit) for each in asked.tried] == [("attempt", 1)]
        assert set(asked.schema["properties"]) == {"choice", "hint", "weight"}
        await engine.answer(run, {"choice": "retry", "hint": "harder"}, by="ana", through="test")
        assert await engine.inbox() == []
        view = await engine.get(run)
        assert view.status == "queued"
        with pytest.raises(UsageError, match="the code of workflow 'case' is not here"):
            await engine.resume(run)
    async with opened(CASE) as engine:
        view = await engine.resume(run)
        assert view.status == "waiting"
        assert view.state.ruling == Ruling(choice="retry", hint="harder")
        assert view.state.tries == 2
        assert [each.status for each in view.questions] == ["answered", "open"]
        answer = view.questions[0].answer
        assert answer is not None
        assert (answer.by, answer.through) == ("ana", "test")


async def test_a_bare_word_is_an_answer_where_it_is_a_choice(opened: Any) -> None:
    async with opened(CASE) as engine:
        run = (await engine.run(CASE, n=7)).id
        await engine.answer(run, "abandon", by="ana")
        view = await engine.resume(run)
    assert (view.status, view.run.reason) == ("failed", "abandoned")
    assert view.state.ruling == Ruling(choice="abandon")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("maybe", "'maybe' is not of type 'object'"),
        ({"choice": "maybe"}, "choice: 'maybe' is not one of"),
        ({"hint": "x"}, "'choice' is a required property"),
        ({"choice": "retry", "hnit": "x"}, "'hnit' was unexpected"),
        ({"choice": "retry", "weight": -1}, "weight: -1 is less than the minimum"),
        (None, "None is not of type 'object'"),
    ],
)
async def test_a_wrong_answer_leaves_the_run_waiting(opened: Any, value: Any, says: str) -> None:
    async with opened(CASE) as engine:
        run = (await engine.run(CASE, n=7)).id
        with pytest.raises(AnswerRejected) as caught:
            await engine.answer(run, value)
        assert says in caught.value.what
        view = await engine.get(run)
        assert (view.status, len(await engine.inbox())) == ("waiting", 1)


async def test_the_second_answer_loses_and_fifty_at_once_have_one_winner(opened: Any) -> None:
    async with opened(CASE) as engine:
        run = (await engine.run(CASE, n=7)).id
        [standing] = await engine.inbox()
        answers = [
            engine.answer(standing.question.id, {"choice": "retry", "hint": str(each)}, by=str(each))
            for each in range(50)
        ]
        results = await asyncio.gather(*answers, return_exceptions=True)
        won = [each for each in results if not isinstance(each, BaseException)]
        assert len(won) == 1
        assert all(isinstance(each, AlreadyAnswered) for each in results if isinstance(each, BaseException))
        view = await engine.resume(run)
        assert view.state.ruling is not None
        assert won[0].answer is not None
        assert view.state.ruling.hint == won[0].answer.by
        with pytest.raises(AlreadyAnswered):
            await engine.answer(standing.question.id, "retry")


async def test_a_run_that_asks_nothing_says_so(opened: Any) -> None:
    simple = workflow("simple", state=Case, edges=[START >> attempt >> END])
    async with opened(simple) as engine:
        run = (await engine.run(simple, n=1)).id
        with pytest.raises(QuestionNotFound, match=f"run {run} asks nothing: its status is succeeded"):
            await engine.answer(run, "retry")
        with pytest.raises(QuestionNotFound):
            await engine.answer(f"{run}.q9", "retry")


async def test_a_question_nobody_answers_expires_at_the_next_resume(opened: Any, clock: Any) -> None:
    async with opened(CASE) as engine:
        run = (await engine.run(CASE, n=7)).id
        clock.advance(timedelta(days=1).total_seconds())
        assert (await engine.resume(run)).status == "waiting"
        clock.advance(timedelta(days=1).total_seconds())
        with pytest.raises(QuestionNotFound, match="expired"):
            await engine.answer(run, "retry")
        view = await engine.resume(run)
    assert (view.status, view.run.reason) == ("failed", "nobody answered")
    assert [each.status for each in view.questions] == ["expired"]
    assert view.state.ruling is None


async def test_recover_goes_on_with_a_run_whose_question_expired(opened: Any, clock: Any) -> None:
    async with opened(CASE) as engine:
        await engine.run(CASE, n=7)
        assert await engine.recover() == []
        clock.advance(timedelta(days=2).total_seconds())
        assert [each.reason for each in await engine.recover()] == ["nobody answered"]


async def test_a_question_expires_while_another_arm_is_at_work(opened: Any, clock: Any) -> None:
    asked, over = asyncio.Event(), asyncio.Event()

    @function
    async def other_arm(n: int) -> None:
        await over.wait()

    @function
    async def note(n: int) -> None:
        over.set()

    class Ear:
        def hear(self, run: Any, event: Any) -> None:
            if type(event).__name__ == "QuestionAsked":
                asked.set()

    rows = [START >> attempt >> (review, other_arm), review.expired >> note, review["retry"] >> note]
    both = workflow("both", state=Case, edges=[*rows, review["abandon"] >> note, (note, other_arm) >> END])
    async with opened(both, listeners=[Ear()]) as engine:
        running = asyncio.create_task(engine.run(both, n=7))
        await asked.wait()
        clock.advance(timedelta(days=2).total_seconds())
        view = await asyncio.wait_for(running, 20)
    assert view.status == "succeeded"
    assert [each.outcome for each in view.history.of("review")] == ["expired"]


async def test_an_answer_given_in_time_counts_even_if_taken_late(opened: Any, clock: Any) -> None:
    async with opened(CASE) as engine:
        run = (await engine.run(CASE, n=7)).id
        await engine.answer(run, "abandon")
        clock.advance(timedelta(days=9).total_seconds())
        view = await engine.resume(run)
    assert view.run.reason == "abandoned"


async def test_resuming_a_waiting_run_changes_nothing(opened: Any) -> None:
    async with opened(CASE) as engine:
        run = (await engine.run(CASE, n=7)).id
        before = await engine.inbox()
        view = await engine.resume(run)
        assert view.status == "waiting"
        assert await engine.inbox() == before


async def test_cancel_ends_a_waiting_run_and_withdraws_its_question(opened: Any) -> None:
    async with opened(CASE) as engine:
        run = (await engine.run(CASE, n=7)).id
    async with opened() as engine:
        view = await engine.cancel(run, by="ana")
        assert (view.status, view.run.reason) == ("cancelled", "ana")
        assert await engine.inbox() == []
        with pytest.raises(RunEnded):
            await engine.cancel(run)
        with pytest.raises(Conflict, match="withdrawn"):
            await engine.answer(f"{run}.q1", "retry")
    async with opened(CASE) as engine:
        with pytest.raises(RunEnded):
            await engine.resume(run)


async def test_cancel_reaches_the_step_under_way(opened: Any) -> None:
    started, stopped = asyncio.Event(), asyncio.Event()

    @function(writes="tries")
    async def hangs(n: int) -> int:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return n

    flow = workflow("flow", state=Case, edges=[START >> hangs >> END])
    async with opened(flow) as engine:
        running = asyncio.create_task(engine.run(flow, n=1))
        await started.wait()
        with pytest.raises(RunOwned):
            await engine.resume("@last")
        await engine.cancel("@last", by="bo")
        view = await running
    assert stopped.is_set()
    assert (view.status, view.run.reason) == ("cancelled", "bo")


async def test_a_workflow_whose_shape_no_longer_fits_is_refused_and_loses_nothing(opened: Any) -> None:
    @function(writes="tries")
    async def renamed(tries: int) -> int:
        return tries

    @human(writes="ruling", within=timedelta(days=2))
    def judge(n: int) -> Question[Ruling]:
        return Question("?")

    changed = workflow(
        "case",
        state=Case,
        edges=[
            START >> renamed >> judge,
            judge["retry"] >> renamed,
            judge["abandon"] >> FAIL("abandoned"),
            judge.expired >> FAIL("nobody answered"),
        ],
    )
    async with opened(CASE) as engine:
        run = (await engine.run(CASE, n=7)).id
        await engine.answer(run, "abandon")
    async with opened(changed) as engine:
        with pytest.raises(WorkflowChanged, match="review"):
            await engine.resume(run)
    async with opened(CASE) as engine:
        assert (await engine.resume(run)).run.reason == "abandoned"
