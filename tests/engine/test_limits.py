"""Limits: what is too large or too long is refused with a clear word, nothing of it is stored, and the run goes on."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import pytest

from workflow_engine import (
    END,
    FAIL,
    START,
    Failure,
    Question,
    RunLimits,
    State,
    append,
    at_most,
    function,
    human,
    route,
    union,
    workflow,
)
from workflow_engine.errors import AnswerRejected, InputError, UsageError
from workflow_engine.record.events import StepFinished

EXECUTORS = pytest.mark.parametrize("executor", ["native", "langgraph"])


class Pile(State):
    size: int
    pile: str = ""
    log: Annotated[list[str], append] = []
    seen: Annotated[dict[str, int], union] = {}
    why: str = ""


@function(writes="pile")
async def heap(size: int) -> str:
    return "é" * size


@function(writes="why")
async def explain(failure: Failure | None) -> str:
    return f"{failure.kind}: {failure.message}" if failure else ""


heaps = workflow("heaps", state=Pile, edges=[START >> heap >> END])
caught = workflow("caught", state=Pile, edges=[START >> heap >> END, heap.failed >> explain >> END])


@EXECUTORS
async def test_a_write_that_is_too_large_is_the_steps_failure_and_nothing_of_it_is_stored(
    opened: Any, executor: str
) -> None:
    async with opened(heaps, executor=executor) as engine:
        view = await engine.run(heaps, size=500_000)  # two bytes each: 1,000,002 with the quotes
        assert view.status == "failed"
        assert (view.error.kind, view.error.node) == ("limit", "heap")
        assert "heap wrote 'pile': 1,000,002 bytes of JSON, and one write holds at most 1,000,000" in view.error.message
        assert view.values == {"size": 500_000}
        assert (await engine.run(heaps, size=499_999)).status == "succeeded"
    async with opened(heaps, executor=executor, limits=RunLimits(write=1_000_002)) as engine:
        view = await engine.resume(view.id)
        assert (view.status, len(view.values["pile"])) == ("succeeded", 500_000)


async def test_a_failure_edge_catches_what_passed_a_limit(opened: Any) -> None:
    async with opened(caught, limits=RunLimits(write=100)) as engine:
        view = await engine.run(caught, size=100)
    assert view.status == "succeeded"
    assert view.values["why"].startswith("limit: heap wrote 'pile': 202 bytes")
    assert "pile" not in view.values


@function(writes="log")
async def grow(size: int) -> list[str]:
    return ["x" * size]


@route
def enough(log: list[str]) -> Literal["more", "enough"]:
    return "enough" if len(log) >= 6 else "more"


growing = workflow(
    "growing",
    state=Pile,
    edges=[
        START >> grow >> enough,
        enough["more"] >> at_most(9, grow, then=FAIL("too often")),
        enough["enough"] >> END,
    ],
)


@EXECUTORS
async def test_a_state_that_grows_too_large_fails_its_step_and_goes_on_under_a_higher_limit(
    opened: Any, executor: str
) -> None:
    async with opened(growing, executor=executor, limits=RunLimits(state=460)) as engine:
        view = await engine.run(growing, size=100)  # 3 for the input, then 104, and 103 with each comma
        assert view.status == "failed"
        assert view.error.kind == "limit"
        assert (
            "the state would hold 519 bytes of JSON ('log' alone 516), and it holds at most 460" in view.error.message
        )
        assert len(view.values["log"]) == 4
        again = await engine.resume(view.id)
        assert (again.status, len(again.values["log"])) == ("failed", 4)
    async with opened(growing, executor=executor, limits=RunLimits(state=700)) as engine:
        view = await engine.resume(view.id)
    assert (view.status, len(view.values["log"])) == ("succeeded", 6)


@function(writes="pile")
async def shrink(pile: str) -> str:
    return pile[: len(pile) // 2]


shrinking = workflow("shrinking", state=Pile, edges=[START >> shrink >> END])


async def test_a_state_beyond_a_lower_limit_may_shrink(opened: Any) -> None:
    @function(writes="size")
    async def stop(size: int) -> int:
        raise OSError("not now")

    before = workflow("shrinking", state=Pile, edges=[START >> stop >> shrink >> END])
    async with opened(before) as engine:
        run = (await engine.run(before, size=1, pile="x" * 1000)).id

    @function(name="stop", writes="size")
    async def mended(size: int) -> int:
        return size

    after = workflow("shrinking", state=Pile, edges=[START >> mended >> shrink >> END])
    async with opened(after, limits=RunLimits(state=100)) as engine:
        view = await engine.resume(run)
    assert (view.status, len(view.values["pile"])) == ("succeeded", 500)


async def test_what_a_reducer_makes_of_a_write_is_a_write_too(opened: Any) -> None:
    @function(writes="seen")
    async def see(seen: dict[str, int]) -> dict[str, int]:
        return {f"n{len(seen)}": 1}

    @route
    def again(seen: dict[str, int]) -> Literal["more", "enough"]:
        return "enough" if len(seen) >= 9 else "more"

    seeing = workflow(
        "seeing",
        state=Pile,
        edges=[START >> see >> again, again["more"] >> at_most(9, see, then=FAIL("odd")), again["enough"] >> END],
    )
    async with opened(seeing, limits=RunLimits(write=40)) as engine:
        view = await engine.run(seeing, size=1)
    assert view.error.kind == "limit"
    assert "see wrote 'seen', reduced: 43 bytes" in view.error.message  # {"n0":1,…}: 7 an entry, 1 more
    assert len(view.values["seen"]) == 5


async def test_inputs_that_are_too_large_are_refused_before_anything_is_stored(opened: Any) -> None:
    async with opened(heaps, limits=RunLimits(write=100, state=150)) as engine:
        with pytest.raises(InputError) as caught:
            await engine.run(heaps, size=1, pile="x" * 99, why="y" * 90)
        assert "pile: 101 bytes of JSON, and one write holds at most 100" in caught.value.what
        with pytest.raises(InputError, match=r"together: the state would hold 185 bytes .*holds at most 150"):
            await engine.run(heaps, size=1, pile="x" * 90, why="y" * 90)
        assert await engine.runs() == []


class Asked(State):
    text: str = ""
    notes: Annotated[list[str], append] = []


@human(writes="text")
def ask(text: str) -> Question[str]:
    return Question("What?")


@human(writes="notes")
def note(text: str) -> Question[list[str]]:
    return Question("Which?", evidence=[f"{n} " * 20_000 for n in range(60)])


asking = workflow("asking", state=Asked, edges=[START >> ask >> note >> END])


async def test_an_answer_that_is_too_large_is_refused_at_the_door_and_the_run_still_waits(opened: Any) -> None:
    limits = RunLimits(write=100, state=150)
    async with opened(asking, limits=limits) as engine:
        run = (await engine.run(asking, text="t" * 90)).id
    async with opened(limits=limits) as engine:  # whoever answers needs no code
        with pytest.raises(AnswerRejected, match="has 101 bytes of JSON, and one write holds at most 100"):
            await engine.answer(run, "x" * 99)
        await engine.answer(run, "x" * 80)
    async with opened(asking, limits=limits) as engine:
        await engine.resume(run)
        with pytest.raises(AnswerRejected, match=r"is too much: the state would hold 16\d bytes of JSON"):
            await engine.answer(run, ["y" * 80])
        assert (await engine.get(run)).status == "waiting"
        await engine.answer(run, ["y" * 40])
        view = await engine.resume(run)
    assert view.status == "succeeded"


async def test_an_answer_there_is_no_room_for_when_it_is_taken_up_is_asked_again(opened: Any) -> None:
    # As where a sibling writes between the answer and its owner's look: here the owner knows a lower limit.
    async with opened(asking) as engine:
        run = (await engine.run(asking)).id
        await engine.answer(run, "x" * 80)
    async with opened(asking, limits=RunLimits(state=50)) as engine:
        view = await engine.resume(run)
        [standing] = view.open_questions
        assert (view.status, view.values) == ("waiting", {})
        assert "The answer given before did not fit: ask wrote too much: the state would hold" in (
            standing.question.message
        )
        await engine.answer(run, "x" * 20)
        assert (await engine.resume(run)).values == {"text": "x" * 20}


async def test_a_questions_evidence_is_bounded(opened: Any) -> None:
    async with opened(asking) as engine:
        run = (await engine.run(asking)).id
        await engine.answer(run, "x")
        await engine.resume(run)
        [standing] = await engine.inbox()
    evidence = standing.question.evidence
    assert len(evidence) == 41
    assert evidence[-1] == "... 20 more pieces left out ..."
    assert all(len(piece) < 21_000 for piece in evidence)


async def test_one_text_of_evidence_is_one_piece(opened: Any) -> None:
    @human(writes="text")
    def ask(text: str) -> Question[str]:
        return Question("What?", evidence="a slip")

    slip = workflow("slip", state=Asked, edges=[START >> ask >> END])
    async with opened(slip) as engine:
        await engine.run(slip)
        [standing] = await engine.inbox()
    assert standing.question.evidence == ("a slip",)


async def test_a_failures_message_is_bounded(opened: Any) -> None:
    @function
    async def shout(size: int) -> None:
        raise OSError("x" * 10_000_000)

    loud = workflow("loud", state=Pile, edges=[START >> shout >> END])
    async with opened(loud) as engine:
        view = await engine.run(loud, size=1)
    assert len(view.error.message) == 4000


async def test_a_name_is_one_short_line_of_text(opened: Any) -> None:
    async with opened(asking) as engine:
        run = (await engine.run(asking)).id
        with pytest.raises(UsageError, match="by= has 201 characters"):
            await engine.answer(run, "x", by="n" * 201)
        with pytest.raises(UsageError, match="by= is of type int"):
            await engine.cancel(run, by=7)
        standing = await engine.answer(run, "x", by=" ana\nlyst \ud800")
        assert standing.answer.by == "ana lyst ?"


class Turn(State):
    turns: int = 0


@function(writes="turns")
async def turn(turns: int) -> int:
    return turns + 1


@route
def done(turns: int) -> Literal["more", "done"]:
    return "done" if turns >= 8 else "more"


turning = workflow(
    "turning",
    state=Turn,
    edges=[START >> turn >> done, done["more"] >> at_most(100, turn, then=FAIL("odd")), done["done"] >> END],
)


@EXECUTORS
async def test_a_run_fails_at_its_step_limit_and_goes_on_under_a_higher_one(opened: Any, executor: str) -> None:
    async with opened(turning, executor=executor, limits=RunLimits(steps=3)) as engine:
        view = await engine.run(turning)
        assert (view.status, view.values["turns"], view.run.steps) == ("failed", 3, 3)
        assert (view.error.kind, view.error.node) == ("limit", "turn")
        assert "has taken 3 steps, and a run takes at most 3" in view.error.message
        again = await engine.resume(view.id)
        assert (again.status, again.run.steps) == ("failed", 3)
    async with opened(turning, executor=executor, limits=RunLimits(steps=8)) as engine:
        view = await engine.resume(view.id)
        assert (view.status, view.values["turns"], view.run.steps) == ("succeeded", 8, 8)
        finished = [each for each in await engine.journal(view.id) if isinstance(each.event, StepFinished)]
        assert [each.event.visit for each in finished] == list(range(1, 9))


async def test_the_last_step_within_the_limit_may_end_the_run(opened: Any) -> None:
    async with opened(turning, limits=RunLimits(steps=8)) as engine:
        assert (await engine.run(turning)).status == "succeeded"


class Wide(State):
    a: int = 0
    b: int = 0
    c: int = 0


async def _one() -> int:
    await asyncio.sleep(0)
    return 1


wide = workflow(
    "wide",
    state=Wide,
    edges=[START >> tuple(function(name=f"do_{each}", writes=each)(_one) for each in "abc") >> END],
)


@EXECUTORS
@pytest.mark.parametrize("most", [1, 2])
async def test_siblings_do_not_pass_the_step_limit_together(opened: Any, executor: str, most: int) -> None:
    async with opened(wide, executor=executor, limits=RunLimits(steps=most)) as engine:
        view = await engine.run(wide)
        assert (view.status, view.error.kind, view.run.steps) == ("failed", "limit", most)
    async with opened(wide, executor=executor, limits=RunLimits(steps=3)) as engine:
        view = await engine.resume(view.id)
        assert (view.status, view.values) == ("succeeded", {"a": 1, "b": 1, "c": 1})


async def test_an_answer_is_taken_up_at_the_step_limit_too_and_the_run_fails_after_it(opened: Any) -> None:
    async with opened(asking, limits=RunLimits(steps=1)) as engine:
        run = (await engine.run(asking)).id
        await engine.answer(run, "given")
        view = await engine.resume(run)
        assert (view.status, view.error.kind, view.values["text"]) == ("failed", "limit", "given")
    async with opened(asking, limits=RunLimits(steps=2)) as engine:
        assert (await engine.resume(run)).status == "waiting"
        await engine.answer(run, ["x"])
        assert (await engine.resume(run)).status == "succeeded"


@pytest.mark.parametrize("limits", [{"steps": 0}, {"write": -1}, {"state": "4 MB"}, {"steps": True}, {"steps": 1.5}])
def test_a_limit_is_a_whole_number_above_nothing(limits: Any) -> None:
    with pytest.raises(UsageError, match="is no whole number above 0"):
        RunLimits(**limits)


async def test_limits_of_a_sandbox_are_no_limits_of_a_run(opened: Any) -> None:
    from workflow_engine import Limits

    with pytest.raises(UsageError, match=r"are no limits of a run\n  limits=RunLimits"):
        async with opened(heaps, limits=Limits()):
            pass
