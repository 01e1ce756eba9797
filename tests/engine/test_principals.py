"""Who may answer: assignees, candidates, excluded people, and choices that several must make. Races, deaths."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from workflow_engine import END, FAIL, START, Engine, Principal, Question, State, function, human, workflow
from workflow_engine.errors import AlreadyAnswered, AnswerRejected, Conflict, NotAllowed, QuestionNotFound, UsageError
from workflow_engine.record import events as e
from workflow_engine.record.inbox import Letter
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.crash import Crashed, crash_after


class Release(BaseModel):
    choice: Literal["release", "hold"]
    percent: int = 100


class Case(State):
    author: str = "ann"
    release: Release | None = None


@human(
    writes="release",
    to="alice",
    candidates=("bob", "group:release"),
    approvals={"release": 2},
    within=timedelta(days=2),
    default="hold",
)
def approve(author: str) -> Question[Release]:
    return Question("Release it?", not_by=author)


FOUR_EYES = workflow(
    "four_eyes", state=Case, edges=[START >> approve, approve["release"] >> END, approve["hold"] >> FAIL("held")]
)


@human(writes="release", candidates=("bob", "carol"))
def ask(author: str) -> Question[Release]:
    return Question("Release it?", to=None if author == "ann" else author)


PLAIN = workflow("plain", state=Case, edges=[START >> ask, ask["release"] >> END, ask["hold"] >> FAIL("held")])


def proved(name: str, *groups: str) -> Principal:
    return Principal(name, authenticated=True, groups=groups)


@pytest.fixture(params=["memory", "sqlite"])
async def engine(request: Any, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Engine]:
    ledger = MemoryLedger() if request.param == "memory" else await open_ledger(tmp_path / "runs.sqlite")
    async with Engine.connect(ledger=ledger, clock=clock, workflows=[FOUR_EYES, PLAIN]) as engine:
        yield engine


async def test_two_people_who_prove_who_they_are_release(engine: Engine) -> None:
    run = (await engine.run(FOUR_EYES)).id
    first = await engine.answer(run, "release", by=proved("alice"))
    assert (first.status, [(each.by, each.choice) for each in first.approved]) == ("open", [("alice", "release")])
    view = await engine.resume(run, verb="answer")
    assert view.status == "waiting"
    [standing] = await engine.inbox()
    assert [each.by for each in standing.approved] == ["alice"]
    second = await engine.answer(run, "release", by=proved("dora", "release"))
    assert second.status == "answered"
    with pytest.raises(AlreadyAnswered):
        await engine.answer(run, "hold", by=proved("bob"))
    view = await engine.resume(run, verb="answer")
    assert view.status == "succeeded"
    latest = view.history.latest("approve")
    assert latest is not None
    assert latest.words == "release (by alice and dora)"
    assert view.questions[0].answer is not None
    assert view.questions[0].answer.authenticated


async def test_two_words_that_nobody_took_yet_release_as_well(engine: Engine) -> None:
    run = (await engine.run(FOUR_EYES)).id
    await engine.answer(run, "release", by=proved("alice"))
    await engine.answer(run, "release", by=proved("bob"))
    assert await engine.inbox() == []
    assert (await engine.resume(run, verb="answer")).status == "succeeded"


async def test_one_rejection_ends_it_even_after_an_approval_by_the_same_person(engine: Engine) -> None:
    run = (await engine.run(FOUR_EYES)).id
    await engine.answer(run, "release", by=proved("alice"))
    held = await engine.answer(run, "hold", by=proved("alice"))
    assert held.status == "answered"
    assert (await engine.resume(run, verb="answer")).reason == "held"


async def test_one_person_is_not_two(engine: Engine) -> None:
    run = (await engine.run(FOUR_EYES)).id
    await engine.answer(run, "release", by=proved("alice"))
    with pytest.raises(AlreadyAnswered, match="alice answered"):
        await engine.answer(run, "release", by=proved("alice"))
    await engine.resume(run, verb="answer")
    with pytest.raises(AlreadyAnswered, match="alice answered"):
        await engine.answer(run, "release", by=proved(" alice "))
    assert len(await engine.inbox()) == 1


async def test_a_name_is_no_proof(engine: Engine) -> None:
    run = (await engine.run(FOUR_EYES)).id
    for by in ("alice", Principal("alice")):
        with pytest.raises(NotAllowed, match="nothing proves who alice is"):
            await engine.answer(run, "release", by=by)
    with pytest.raises(NotAllowed):
        await engine.answer(run, "hold", by="alice")


async def test_the_author_does_not_approve_and_others_are_told_who_may(engine: Engine) -> None:
    run = (await engine.run(FOUR_EYES, author="bob")).id
    with pytest.raises(NotAllowed, match="bob must not answer") as refused:
        await engine.answer(run, "release", by=proved("bob"))
    assert refused.value.cure == "ask alice or group:release"
    with pytest.raises(NotAllowed, match="asked of alice, bob, group:release, and not of eve"):
        await engine.answer(run, "release", by=proved("eve"))
    with pytest.raises(NotAllowed, match="bob must not answer"):
        await engine.reassign(run, to="bob", by=proved("alice"))


async def test_different_answers_do_not_add_up(engine: Engine) -> None:
    run = (await engine.run(FOUR_EYES)).id
    await engine.answer(run, {"choice": "release", "percent": 10}, by=proved("alice"))
    with pytest.raises(AnswerRejected, match="alice gave 'release' with other values"):
        await engine.answer(run, {"choice": "release", "percent": 100}, by=proved("bob"))
    await engine.answer(run, "release", by=proved("bob"))  # a bare choice seconds what alice said
    view = await engine.resume(run, verb="answer")
    assert view.state.release == Release(choice="release", percent=10)


async def test_of_two_last_words_at_one_moment_one_counts_and_the_other_is_told(engine: Engine) -> None:
    run = (await engine.run(FOUR_EYES)).id
    await engine.answer(run, "release", by=proved("alice"))
    said = await asyncio.gather(
        engine.answer(run, "release", by=proved("bob")),
        engine.answer(run, "hold", by=proved("carol", "release")),
        engine.answer(run, "release", by=proved("dora", "release")),
        return_exceptions=True,
    )
    assert sum(not isinstance(each, Exception) for each in said) == 1
    assert sum(isinstance(each, AlreadyAnswered) for each in said) == 2
    view = await engine.resume(run, verb="answer")
    assert view.status == ("failed" if not isinstance(said[1], Exception) else "succeeded")


async def test_fifty_first_words_of_one_person_are_one(engine: Engine) -> None:
    run = (await engine.run(FOUR_EYES)).id
    said = await asyncio.gather(
        *(engine.answer(run, "release", by=proved("alice")) for _ in range(50)), return_exceptions=True
    )
    assert sum(isinstance(each, AlreadyAnswered) for each in said) == 49
    [standing] = await engine.inbox()
    assert len(standing.approved) == 1


async def test_an_approval_dies_with_its_question(engine: Engine, clock: FakeClock) -> None:
    run = (await engine.run(FOUR_EYES)).id
    await engine.answer(run, "release", by=proved("alice"))
    clock.advance(timedelta(days=2).total_seconds())
    with pytest.raises(QuestionNotFound, match="expired"):
        await engine.answer(run, "release", by=proved("bob"))
    [view] = await engine.recover()
    assert view.reason == "held"


async def test_a_replayed_letter_counts_for_nothing(engine: Engine) -> None:
    run = (await engine.run(FOUR_EYES)).id
    ledger = engine._shop.ledger
    await engine.answer(run, "release", by=proved("alice"))
    assert await ledger.letters(run) == []
    [fact] = [each.event for each in await ledger.journal(run) if isinstance(each.event, e.QuestionApproved)]
    name = f"{fact.question}:alice"
    letter = Letter(name, run, "approval", "alice", fact.at, fact.answer, handed=0)
    with pytest.raises(AlreadyAnswered):
        await ledger.send(letter)
    again = (await engine.run(FOUR_EYES)).id  # in another run nobody asked this question
    with pytest.raises(QuestionNotFound):
        await ledger.send(replace(letter, run=again))
    assert [len(each.approved) for each in await engine.inbox()] == [1, 0]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("write", range(1, 9))
async def test_a_death_between_the_words_loses_none_that_was_told(write: int, when: Any, clock: FakeClock) -> None:
    kept = MemoryLedger()
    async with Engine.connect(ledger=kept, clock=clock, workflows=[FOUR_EYES]) as engine:
        run = (await engine.run(FOUR_EYES)).id
    told: list[str] = []
    dying = crash_after(kept, write, when=when)

    async def people() -> None:
        async with Engine.connect(ledger=dying, clock=clock, workflows=[FOUR_EYES]) as engine:
            for name in ("alice", "bob"):
                await engine.answer(run, "release", by=proved(name))
                told.append(name)
                await engine.resume(run, verb="answer")

    with suppress(Crashed):
        await dying.until_crash(people())
    async with Engine.connect(ledger=kept, clock=clock, workflows=[FOUR_EYES]) as engine:
        await engine.recover()
        view = await engine.get(run)
        said = {each.by for question in view.open_questions for each in question.approved}
        if view.status == "succeeded":
            assert told in (["alice"], ["alice", "bob"])  # the second may be there though nobody was told
        else:
            assert set(told) <= said
            for name in {"alice", "bob"} - said:
                await engine.answer(run, "release", by=proved(name))
            assert (await engine.resume(run, verb="answer")).status == "succeeded"


async def test_a_question_given_to_another_is_answered_by_them_alone(engine: Engine) -> None:
    run = (await engine.run(PLAIN, author="alice")).id
    with pytest.raises(NotAllowed, match="asked of alice, bob, carol, and not of dave"):
        await engine.answer(run, "release", by="dave")
    standing = await engine.reassign(run, to="dave", by="alice")
    assert standing.to == "dave"
    with pytest.raises(NotAllowed, match="and not of alice"):
        await engine.answer(run, "release", by="alice")
    assert [each.question.run for each in await engine.inbox(to="dave")] == [run]
    assert await engine.inbox(to="alice") == []
    await engine.answer(run, "release", by="dave")
    with pytest.raises(AlreadyAnswered):
        await engine.reassign(run, to="bob", by="dave")
    view = await engine.resume(run, verb="answer")
    assert view.status == "succeeded"
    journal = [each.event for each in await engine._shop.ledger.journal(run)]
    [handed] = [each for each in journal if isinstance(each, e.QuestionReassigned)]
    assert (handed.before, handed.to, handed.by) == ("alice", "dave", "alice")


async def test_an_answer_that_looked_before_it_was_given_away_is_refused(engine: Engine) -> None:
    run = (await engine.run(PLAIN, author="alice")).id
    said = await asyncio.gather(
        engine.answer(run, "release", by="alice"), engine.reassign(run, to="dave", by="alice"), return_exceptions=True
    )
    [lost] = [each for each in said if isinstance(each, Exception)]
    assert isinstance(lost, Conflict)
    standing = (await engine.get(run)).questions[0]
    assert (standing.answer is None) == (standing.to == "dave")


async def test_a_candidate_claims_and_the_next_is_told_who_has_it(engine: Engine) -> None:
    run = (await engine.run(PLAIN)).id
    assert [len(await engine.inbox(to=each)) for each in ("bob", "carol", "eve")] == [1, 1, 0]
    said = await asyncio.gather(engine.claim(run, by="bob"), engine.claim(run, by="carol"), return_exceptions=True)
    [lost] = [each for each in said if isinstance(each, Exception)]
    assert isinstance(lost, Conflict)
    [standing] = await engine.inbox()
    assert standing.to in ("bob", "carol")
    assert (await engine.claim(run, by=standing.to)).to == standing.to
    with pytest.raises(NotAllowed):
        await engine.claim(run, by="eve")
    with pytest.raises(Conflict, match="has question"):
        await engine.claim(run, by={"bob": "carol", "carol": "bob"}[standing.to])


async def test_a_run_that_is_driven_takes_a_reassignment_up_by_itself(clock: FakeClock) -> None:
    go = asyncio.Event()

    @function
    async def long() -> None:
        await go.wait()

    flow = workflow("flow", state=Case, edges=[START >> (ask, long) >> END])
    ledger = MemoryLedger()
    async with Engine.connect(ledger=ledger, clock=clock, workflows=[flow]) as engine:
        running = asyncio.ensure_future(engine.run(flow))
        async with asyncio.timeout(5):
            while not (asked := await engine.inbox()):  # noqa: ASYNC110 (what drives it has no event of ours)
                await asyncio.sleep(0.01)
            [standing] = asked
            said = await asyncio.gather(
                *(engine.reassign(standing.question.id, to=name, by="bob") for name in ("dave", "erin")),
                return_exceptions=True,
            )
            lost = [each for each in said if isinstance(each, Conflict)]  # or the second came once the first was taken
            while handed(await ledger.journal(standing.question.run)) + len(lost) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            to = (await engine.inbox())[0].to
            assert to in ("dave", "erin")
            await engine.answer(standing.question.id, "release", by=to)
            go.set()
            assert (await running).status == "succeeded"


async def test_a_letter_that_gives_a_question_away_counts_for_one_moment_only(engine: Engine) -> None:
    run = (await engine.run(PLAIN, author="alice")).id
    await engine.reassign(run, to="dave", by="alice")
    [standing] = await engine.inbox()
    asked, now = standing.question.id, datetime.now(UTC)
    old = Letter(f"{asked}.to1", run, "reassign", "alice", now, handed=0, question=asked, to="alice")
    with pytest.raises(Conflict, match="just reassigned to dave"):
        await engine._shop.ledger.send(old)


async def test_who_is_enrolled_is_believed_by_their_token_alone(engine: Engine) -> None:
    token = await engine.enrol("bob", groups=["release"])
    run = (await engine.run(PLAIN)).id
    with pytest.raises(NotAllowed, match="nothing proves that this is bob"):
        await engine.answer(run, "release", by="bob")
    with pytest.raises(NotAllowed, match="nothing proves"):
        await engine.claim(run, by=" bob")
    who = await engine.bearer(token)
    assert who == proved("bob", "release")
    await engine.answer(run, "release", by=who)
    with pytest.raises(NotAllowed, match="nobody who is enrolled"):
        await engine.bearer(token + "x")
    newer = await engine.enrol("bob")
    with pytest.raises(NotAllowed):
        await engine.bearer(token)
    assert await engine.bearer(newer) == proved("bob")
    await engine.dismiss("bob")
    with pytest.raises(NotAllowed):
        await engine.bearer(newer)
    assert await engine.enrolled() == []
    with pytest.raises(UsageError, match="nobody called 'bob'"):
        await engine.dismiss("bob")


async def test_what_is_no_name_is_not_enrolled(engine: Engine) -> None:
    for name in ("", " ", "group:release"):
        with pytest.raises(UsageError, match="no person's name"):
            await engine.enrol(name)
    assert token_is_kept_nowhere(await engine.enrol("ü🙂"), await engine.enrolled())


def handed(journal: Any) -> int:
    return sum(isinstance(each.event, e.QuestionReassigned) for each in journal)


def token_is_kept_nowhere(token: str, people: list[Any]) -> bool:
    return all(token not in repr(each) for each in people)
