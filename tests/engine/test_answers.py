"""Answers of every type: what was said is data, and only a declared choice says where the run goes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel

from workflow_engine import END, START, Question, State, append, function, human, workflow
from workflow_engine.errors import AlreadyAnswered, AnswerRejected


class Talk(State):
    said: str = ""
    count: int = 0
    sure: bool = False
    lines: Annotated[list[str], append] = []
    way: str = "no way yet"


@function(writes="way")
async def plainly() -> str:
    return "plain"


@function(writes="way")
async def badly() -> str:
    return "bad"


@pytest.mark.parametrize("word", ["failed", "expired", "retry", ""])
async def test_free_text_never_chooses_a_way_out(opened: Any, word: str) -> None:
    @human(writes="said", within=timedelta(days=1))
    def say() -> Question[str]:
        return Question("Say something")

    talk = workflow(
        "talk",
        state=Talk,
        edges=[START >> say >> plainly >> END, say.failed >> badly >> END, say.expired >> badly],
    )
    async with opened(talk) as engine:
        run = (await engine.run(talk)).id
        await engine.answer(run, word)
        view = await engine.resume(run)
    assert view.status == "succeeded"
    assert (view.state.said, view.state.way) == (word, "plain")
    assert view.history.steps[0].outcome is None


async def test_a_long_answer_is_not_repeated_in_the_steps(opened: Any) -> None:
    @human(writes="said")
    def say() -> Question[str]:
        return Question("Say something")

    talk = workflow("talk", state=Talk, edges=[START >> say >> END])
    async with opened(talk) as engine:
        run = (await engine.run(talk)).id
        await engine.answer(run, "long " * 1000, by="ana")
        view = await engine.resume(run)
    assert len(view.state.said) == 5000
    assert view.history.steps[0].words == "answered (by ana)"


def unlucky(number: int) -> int:
    return {1: 1, 2: 2}[number]  # raises KeyError, which is no ValueError, for anything else


async def test_an_answer_its_type_chokes_on_is_asked_again(opened: Any) -> None:
    class Counted(State):
        count: Annotated[int, AfterValidator(unlucky)] = 1

    @human(writes="count")
    def how_many() -> Question[int]:
        return Question("How many?")

    counted = workflow("counted", state=Counted, edges=[START >> how_many >> END])
    async with opened(counted) as engine:
        run = (await engine.run(counted)).id
        await engine.answer(run, 3)
        view = await engine.resume(run)
        assert view.status == "waiting"
        [again] = view.open_questions
        assert "KeyError: 3" in again.question.message
        await engine.answer(run, 2)
        view = await engine.resume(run)
    assert (view.status, view.state.count) == ("succeeded", 2)


@pytest.mark.parametrize(
    ("field", "kind", "answer", "stored"),
    [
        ("sure", bool, False, False),
        ("count", int, 7, 7),
        ("lines", list[str], ["a", "b"], ["a", "b"]),
        ("said", Literal["yes", "no"], "no", "no"),
        (None, type(None), None, None),
        (None, bool, True, None),
    ],
)
async def test_an_answer_may_have_any_plain_type(
    opened: Any, field: str | None, kind: Any, answer: Any, stored: Any
) -> None:
    def body() -> Any:
        return Question("What?")

    body.__annotations__["return"] = Question[kind]
    ask = human(writes=field, name="ask")(body)
    words = ask.outcomes
    edges = [START >> ask, *(ask[word] >> END for word in words)] if words else [START >> ask >> END]
    asking = workflow("asking", state=Talk, edges=edges)
    async with opened(asking) as engine:
        run = (await engine.run(asking)).id
        await engine.answer(run, answer)
        view = await engine.resume(run)
    assert view.status == "succeeded"
    assert view.values == ({} if field is None else {field: stored})


class Verdict(BaseModel):
    choice: Literal["yes", "no"]
    at: datetime


async def test_an_answer_may_be_the_model_that_was_asked_for(opened: Any) -> None:
    class Judged(State):
        verdict: Verdict | None = None

    def body() -> Any:
        return Question("Well?")

    body.__annotations__["return"] = Question[Verdict]
    judge = human(writes="verdict", name="judge")(body)
    given = Verdict(choice="yes", at=datetime(2026, 1, 1, tzinfo=UTC))
    judged = workflow("judged", state=Judged, edges=[START >> judge, judge["yes"] >> END, judge["no"] >> END])
    async with opened(judged) as engine:
        run = (await engine.run(judged)).id
        await engine.answer(run, given)
        view = await engine.resume(run)
    assert view.state.verdict == given


@pytest.mark.parametrize("value", [object(), float("nan"), "\ud800", "long " * 250_000, {1j: 2}])
async def test_an_answer_that_is_no_plain_json_is_refused_and_the_question_stays_open(opened: Any, value: Any) -> None:
    @human(writes="said")
    def say() -> Question[str]:
        return Question("Say something")

    talk = workflow("talk", state=Talk, edges=[START >> say >> END])
    async with opened(talk) as engine:
        run = (await engine.run(talk)).id
        with pytest.raises(AnswerRejected):
            await engine.answer(run, value)
        assert len(await engine.inbox(run)) == 1


async def test_a_second_answer_by_the_run_is_told_that_it_comes_second(opened: Any) -> None:
    @human(writes="said")
    def say() -> Question[str]:
        return Question("Say something")

    talk = workflow("talk", state=Talk, edges=[START >> say >> END])
    async with opened(talk) as engine:
        run = (await engine.run(talk)).id
        await engine.answer(run, "first", by="ana")
        with pytest.raises(AlreadyAnswered, match="was answered by ana"):
            await engine.answer(run, "second")
