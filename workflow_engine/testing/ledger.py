"""What every ledger keeps, as sentences: the conformance suite of ports.ledger.Ledger.

Subclass it in a test module of your own, give it a store, and pytest (with pytest-asyncio in its auto mode) runs every
sentence on it:

    class TestMyLedger(LedgerContract):
        @pytest.fixture
        async def ledger(self) -> AsyncIterator[Ledger]:
            ledger = await open_my_ledger(...)
            yield ledger
            await ledger.close()

        @pytest.fixture
        async def elsewhere(self, ledger) -> AsyncIterator[Ledger]:
            ...  # the same store, opened once more, as another process would
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from workflow_engine.errors import (
    AlreadyAnswered,
    FenceLost,
    QuestionNotFound,
    RunEnded,
    RunNotFound,
    RunOwned,
    StoreError,
    WorkflowError,
)
from workflow_engine.ports.ledger import Fence, Ledger, Page
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.record.run import fold
from workflow_engine.testing.tale import Tale, append, sets


class LedgerContract:
    """Sentences about one ledger, some of them as seen through a second one on the same store."""

    @pytest.fixture
    async def ledger(self) -> Any:
        """The ledger under test, empty."""
        raise NotImplementedError("give the suite a ledger to test")

    @pytest.fixture
    async def elsewhere(self) -> Any:
        """The same store as another process sees it."""
        raise NotImplementedError("give the suite a second ledger on the same store")

    # ------------------------------------------------------------------------------------------- a run and its state

    async def test_a_created_run_is_read_as_it_was(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1", target="graphs/tale.py")
        await ledger.create(tale.begun(request="build ü 🙂", tries=0))
        for each in (ledger, elsewhere):
            found = await each.read(tale.id)
            assert found.run == tale.run
            assert {name: value.json() for name, value in found.state.items()} == {"request": "build ü 🙂", "tries": 0}

    async def test_an_id_is_used_once(self, ledger: Ledger) -> None:
        fence = await ledger.create(Tale("r1").begun())
        await ledger.release(fence)
        with pytest.raises(StoreError, match="r1"):
            await ledger.create(Tale("r1").begun())

    async def test_what_nobody_created_is_not_found(self, ledger: Ledger) -> None:
        nobody = RunId("nobody")
        for missing in (ledger.read, ledger.claim, ledger.journal, ledger.document, ledger.letters, ledger.questions):
            with pytest.raises(RunNotFound, match="nobody"):
                await missing(nobody)
        with pytest.raises(RunNotFound):
            await ledger.at(nobody, 1)
        with pytest.raises(RunNotFound):
            await ledger.send(Tale("nobody").cancel())
        assert not await ledger.owned(nobody)

    async def test_a_commit_is_read_by_others_once_it_is_awaited(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun(tries=0))
        await ledger.commit(fence, tale.stepped(*sets({"tries": 1})))
        found = await elsewhere.read(tale.id)
        assert found.run == tale.run
        assert found.state["tries"].json() == 1

    async def test_the_journal_folds_into_the_run(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        for _ in range(3):
            await ledger.commit(fence, tale.stepped())
        await ledger.commit(fence, tale.asked())
        told = await ledger.journal(tale.id)
        assert [each.seq for each in told] == list(range(1, 8))
        assert fold(each.event for each in told) == tale.run
        assert [each.seq for each in await ledger.journal(tale.id, after=5)] == [6, 7]
        assert await ledger.journal(tale.id, after=7) == []

    async def test_an_append_adds_and_a_set_forgets(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun(log=["a"]))
        await ledger.commit(fence, tale.stepped(append("log", "b", "c"), append("fresh", 1)))
        await ledger.commit(fence, tale.stepped(append("log", "d"), append("fresh", 2)))
        state = (await elsewhere.read(tale.id)).state
        assert (state["log"].json(), state["fresh"].json()) == (["a", "b", "c", "d"], [1, 2])
        await ledger.commit(fence, tale.stepped(*sets({"log": []})))
        await ledger.commit(fence, tale.stepped(append("log", "e")))
        assert (await elsewhere.read(tale.id)).state["log"].json() == ["e"]

    async def test_a_value_says_at_which_event_it_was_written(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun(log=["a"], kept=1))
        await ledger.commit(fence, tale.stepped(append("log", "b")))
        state = (await ledger.read(tale.id)).state
        assert (state["kept"].seq, state["log"].seq) == (2, 3)
        assert state["log"].before is not None
        assert state["log"].before.seq == 2

    async def test_one_batch_may_write_a_field_twice(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.stepped(*sets({"log": [1]}), append("log", 2), append("log", 3)))
        assert (await ledger.read(tale.id)).state["log"].json() == [1, 2, 3]

    async def test_the_state_as_of_any_event_can_be_read(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun(tries=0))
        for number in (1, 2, 3):
            await ledger.commit(fence, tale.stepped(*sets({"tries": number}), append("log", number)))
        seen = [{name: value.json() for name, value in (await ledger.at(tale.id, seq)).items()} for seq in range(7)]
        assert seen == [
            {},
            {"tries": 0},
            {"tries": 0},
            {"tries": 1, "log": [1]},
            {"tries": 2, "log": [1, 2]},
            {"tries": 3, "log": [1, 2, 3]},
            {"tries": 3, "log": [1, 2, 3]},
        ]

    async def test_a_batch_is_one_moment(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.asked())
        letter = tale.answer("yes")
        assert letter.answer is not None
        await ledger.send(letter)
        await ledger.commit(fence, tale.answered(letter.answer, [letter.id]))
        # Events 5 and 6 are one batch: who sees the first sees what the second wrote.
        assert "ruling" not in await ledger.at(tale.id, 4)
        assert (await ledger.at(tale.id, 5))["ruling"].json() == "yes"

    async def test_large_values_come_back_whole(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        text = "ü" * 600_000
        await ledger.create(tale.begun(text=text))
        assert (await elsewhere.read(tale.id)).state["text"].json() == text

    async def test_the_document_is_kept_until_another_comes(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun({"name": "tale", "version": 1}))
        await ledger.commit(fence, tale.stepped())
        assert await elsewhere.document(tale.id) == {"name": "tale", "version": 1}
        changed = tale.stepped()
        await ledger.commit(fence, type(changed)(changed.run, changed.events, document={"name": "tale", "version": 2}))
        assert await elsewhere.document(tale.id) == {"name": "tale", "version": 2}

    # ------------------------------------------------------------------------------------------- the order of commits

    async def test_commits_keep_the_order_of_their_calls(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        commits = [ledger.commit(fence, tale.stepped(append("log", number))) for number in range(100)]
        await asyncio.gather(*commits)
        assert (await elsewhere.read(tale.id)).state["log"].json() == list(range(100))

    async def test_a_commit_that_is_done_has_those_before_it_done(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        commits = [ledger.commit(fence, tale.stepped()) for _ in range(20)]
        await commits[-1]
        assert (await elsewhere.read(tale.id)).run == tale.run

    async def test_runs_that_commit_together_keep_apart(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tales = [Tale(f"r{number}") for number in range(20)]

        async def told(tale: Tale) -> None:
            fence = await ledger.create(tale.begun(name=tale.id))
            for number in range(5):
                await ledger.commit(fence, tale.stepped(append("log", f"{tale.id} {number}")))
            await ledger.release(fence)

        await asyncio.gather(*(told(tale) for tale in tales))
        for tale in tales:
            found = await elsewhere.read(tale.id)
            assert found.run == tale.run
            assert found.state["log"].json() == [f"{tale.id} {number}" for number in range(5)]

    async def test_a_release_waits_for_what_was_committed(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        for _ in range(10):
            ledger.commit(fence, tale.stepped())
        await ledger.release(fence)
        _, found = await elsewhere.claim(tale.id)
        assert found.run == tale.run

    async def test_closing_finishes_what_was_committed(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        for _ in range(10):
            ledger.commit(fence, tale.stepped())
        await ledger.close()
        assert (await elsewhere.read(tale.id)).run == tale.run

    async def test_a_caller_that_stops_waiting_changes_nothing(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())

        async def committing() -> None:
            await ledger.commit(fence, tale.stepped())

        task = asyncio.create_task(committing())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await ledger.commit(fence, tale.stepped())
        assert (await elsewhere.read(tale.id)).run == tale.run

    async def test_a_record_changed_after_its_commit_is_not_changed_in_the_store(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        document = {"name": "tale"}
        fence = await ledger.create(tale.begun(document))
        document["name"] = "another"
        assert await ledger.document(tale.id) == {"name": "tale"}
        await ledger.release(fence)

    # ------------------------------------------------------------------------------------------- one owner

    async def test_a_creator_owns_its_run(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        await ledger.create(tale.begun())
        for each in (ledger, elsewhere):
            assert await each.owned(tale.id)
            with pytest.raises(RunOwned, match="r1"):
                await each.claim(tale.id)

    async def test_a_released_run_can_be_claimed(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        first = await ledger.create(tale.begun(tries=0))
        await ledger.release(first)
        assert not await ledger.owned(tale.id)
        second, found = await elsewhere.claim(tale.id)
        assert (second.run, found.run, found.state["tries"].json()) == (tale.id, tale.run, 0)
        assert second.epoch > first.epoch
        assert await ledger.owned(tale.id)
        await elsewhere.commit(second, tale.stepped(*sets({"tries": 1})))
        await elsewhere.release(second)
        third, found = await ledger.claim(tale.id)
        assert third.epoch > second.epoch
        assert found.state["tries"].json() == 1

    async def test_of_many_claims_one_wins(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        await ledger.release(await ledger.create(tale.begun()))
        claims = [each.claim(tale.id) for _ in range(10) for each in (ledger, elsewhere)]
        outcomes = await asyncio.gather(*claims, return_exceptions=True)
        losers = [each for each in outcomes if isinstance(each, BaseException)]
        assert len(losers) == 19
        assert all(isinstance(each, RunOwned) for each in losers)

    async def test_asking_whether_a_run_is_owned_disturbs_nobody(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        await ledger.release(await ledger.create(tale.begun()))
        claim = asyncio.ensure_future(ledger.claim(tale.id))
        await asyncio.gather(claim, *(elsewhere.owned(tale.id) for _ in range(50)))
        fence, _ = claim.result()
        await ledger.commit(fence, tale.stepped())
        assert await elsewhere.owned(tale.id)

    async def test_a_released_fence_writes_nothing(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        before = tale.run
        await ledger.release(fence)
        with pytest.raises(FenceLost, match="r1"):
            await ledger.commit(fence, tale.stepped())
        assert (await ledger.read(tale.id)).run == before

    async def test_an_older_fence_writes_nothing(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        old = await ledger.create(tale.begun())
        await ledger.release(old)
        new, found = await ledger.claim(tale.id)
        with pytest.raises(FenceLost):
            await ledger.commit(old, Tale.of(found.run).stepped())
        # It was not the new owner's commit that failed.
        await ledger.commit(new, tale.stepped())
        assert (await ledger.read(tale.id)).run == tale.run

    async def test_a_fence_is_good_for_its_own_run(self, ledger: Ledger) -> None:
        one, two = Tale("r1"), Tale("r2")
        fence = await ledger.create(one.begun())
        await ledger.create(two.begun())
        before = two.run
        with pytest.raises(FenceLost):
            await ledger.commit(fence, two.stepped())
        assert (await ledger.read(two.id)).run == before

    async def test_an_invented_fence_writes_nothing(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        for epoch in (0, fence.epoch + 1):
            with pytest.raises(FenceLost):
                await ledger.commit(Fence(tale.id, epoch), Tale.of((await ledger.read(tale.id)).run).stepped())

    async def test_releasing_twice_is_allowed_and_takes_nothing_from_the_next_owner(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        old = await ledger.create(tale.begun())
        await ledger.release(old)
        await ledger.release(old)
        new, _ = await ledger.claim(tale.id)
        await ledger.release(old)
        assert await ledger.owned(tale.id)
        await ledger.commit(new, tale.stepped())

    async def test_a_commit_that_skips_events_is_refused(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        before = tale.run
        tale.stepped()
        with pytest.raises(FenceLost):
            await ledger.commit(fence, tale.stepped())
        assert (await ledger.read(tale.id)).run == before

    async def test_after_one_failure_every_later_commit_fails(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        good = ledger.commit(fence, tale.stepped())
        stands = tale.run
        missing = tale.stepped()
        later = [ledger.commit(fence, tale.stepped()) for _ in range(3)]
        nothing = ledger.commit(fence, tale.took())
        await good
        for each in (*later, nothing, ledger.commit(fence, missing), ledger.commit(fence, tale.took())):
            with pytest.raises(FenceLost):
                await each
        assert (await ledger.read(tale.id)).run == stands

    async def test_after_a_failure_the_run_can_be_claimed_again(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        tale.stepped()
        with pytest.raises(FenceLost):
            await ledger.commit(fence, tale.stepped())
        await ledger.release(fence)
        again, found = await ledger.claim(tale.id)
        told = Tale.of(found.run)
        await ledger.commit(again, told.claimed(again.epoch))
        assert (await ledger.read(tale.id)).run == told.run

    async def test_a_value_json_cannot_carry_fails_alone_and_leaves_nothing(self, ledger: Ledger) -> None:
        tale, other = Tale("r1"), Tale("r2")
        fence, theirs = await ledger.create(tale.begun()), await ledger.create(other.begun())
        before = tale.run
        bad = ledger.commit(fence, tale.asked(title="\ud800"))
        good = ledger.commit(theirs, other.stepped())
        after = ledger.commit(fence, tale.took())
        await good
        with pytest.raises(StoreError, match="JSON"):
            await bad
        with pytest.raises(FenceLost):
            await after
        assert (await ledger.read(tale.id)).run == before
        assert await ledger.questions(tale.id) == []

    # ------------------------------------------------------------------------------------------- lists

    async def test_runs_are_listed_newest_first_in_pages(self, ledger: Ledger, elsewhere: Ledger) -> None:
        for number in range(7):
            await ledger.create(Tale(f"r{number}").begun())
        first = await elsewhere.runs(Page(limit=3))
        second = await elsewhere.runs(Page(limit=3, before=first[-1].run))
        third = await elsewhere.runs(Page(limit=3, before=second[-1].run))
        assert [each.run for each in (*first, *second, *third)] == [f"r{number}" for number in reversed(range(7))]
        assert await elsewhere.runs(Page(before=third[-1].run)) == []
        with pytest.raises(RunNotFound):
            await elsewhere.runs(Page(before=RunId("nobody")))

    async def test_a_listed_run_says_where_it_stands(self, ledger: Ledger) -> None:
        tale = Tale("r1", target="graphs/tale.py")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.stepped())
        await ledger.commit(fence, tale.asked())
        (listed,) = await ledger.runs(Page())
        run = tale.run
        assert run is not None
        assert (listed.run, listed.workflow, listed.status, listed.reason) == ("r1", "tale", "waiting", "person")
        assert (listed.created, listed.updated, listed.steps) == (run.created, run.updated, 2)
        assert (listed.letters, listed.target) == (False, "graphs/tale.py")
        await ledger.send(tale.answer())
        assert [each.letters for each in await ledger.runs(Page())] == [True]

    async def test_runs_are_listed_by_workflow_status_and_prefix(self, ledger: Ledger) -> None:
        for name, workflow in (("aa1", "ship"), ("aa2", "night"), ("ab1", "ship")):
            tale = Tale(name, workflow=workflow)
            fence = await ledger.create(tale.begun())
            if name != "aa1":
                await ledger.commit(fence, tale.asked())

        async def listed(page: Page) -> list[str]:
            return [each.run for each in await ledger.runs(page)]

        assert await listed(Page(workflow="ship")) == ["ab1", "aa1"]
        assert await listed(Page(status="waiting")) == ["ab1", "aa2"]
        assert await listed(Page(workflow="ship", status="waiting")) == ["ab1"]
        assert await listed(Page(prefix="aa")) == ["aa2", "aa1"]
        assert await listed(Page(workflow="ship", before=RunId("ab1"))) == ["aa1"]
        assert await listed(Page(status="damaged")) == []

    async def test_a_run_is_found_by_the_beginning_of_its_id(self, ledger: Ledger) -> None:
        assert await ledger.find("@last") == []
        for name in ("abc", "abd", "abe", "abf", "b", "B", "é"):
            await ledger.create(Tale(name).begun())
        assert await ledger.find("abd") == ["abd"]
        assert await ledger.find("b") == ["b"]
        assert await ledger.find("é") == ["é"]
        assert len(await ledger.find("ab")) == 3
        assert await ledger.find("abcd") == []
        assert await ledger.find("a%") == []
        assert await ledger.find("a_") == []
        assert await ledger.find("@last") == ["é"]

    async def test_unfinished_are_the_runs_that_could_go_on_by_themselves(self, ledger: Ledger) -> None:
        ended = {"over": Tale.succeeded, "broken": Tale.failed, "off": Tale.cancelled}
        for name in ("first", "rests", "mail", *ended, "last"):
            tale = Tale(name)
            fence = await ledger.create(tale.begun())
            if name in ended:
                await ledger.commit(fence, ended[name](tale))
            if name in ("rests", "mail"):
                await ledger.commit(fence, tale.asked())
            if name == "mail":
                await ledger.send(tale.answer())
        assert await ledger.unfinished() == ["first", "mail", "last"]

    # ------------------------------------------------------------------------------------------- questions and letters

    async def test_a_question_stands_in_the_inbox_as_it_was_asked(self, ledger: Ledger, elsewhere: Ledger) -> None:
        for name in ("r1", "r2"):
            tale = Tale(name)
            fence = await ledger.create(tale.begun())
            batch = tale.asked(title=f"{name}: go on?")
            await ledger.commit(fence, batch)
            one = await elsewhere.question(QuestionId(f"{name}.q1"))
            assert one.question == batch.events[-1].question
            assert (one.status, one.answer) == ("open", None)
        assert [each.question.id for each in await elsewhere.questions()] == ["r1.q1", "r2.q1"]

    async def test_an_answer_is_durable_before_it_is_taken(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = await self._waiting(ledger)
        letter = tale.answer({"choice": "yes", "hint": "ü"})
        await elsewhere.send(letter)
        assert await ledger.letters(tale.id) == [letter]
        assert await ledger.boxes() == [tale.id]
        assert await ledger.questions() == []
        standing = await ledger.question(QuestionId("r1.q1"))
        assert (standing.status, standing.answer) == ("answered", letter.answer)
        assert [each.status for each in await ledger.questions(tale.id)] == ["answered"]

    async def test_an_answer_is_taken_with_the_events_it_leads_to(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.asked())
        letter = tale.answer()
        assert letter.answer is not None
        await ledger.send(letter)
        await ledger.commit(fence, tale.answered(letter.answer, [letter.id]))
        assert await ledger.letters(tale.id) == []
        assert await ledger.boxes() == []
        standing = await ledger.question(QuestionId("r1.q1"))
        assert (standing.status, standing.answer) == ("answered", letter.answer)
        with pytest.raises(AlreadyAnswered):
            await ledger.send(tale.answer("no"))

    async def test_a_refused_commit_takes_no_letters(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.asked())
        letter = tale.answer()
        await ledger.send(letter)
        tale.expired()
        with pytest.raises(FenceLost):
            await ledger.commit(fence, tale.stepped(taken=[letter.id]))
        assert await ledger.letters(tale.id) == [letter]

    async def test_a_second_answer_loses(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = await self._waiting(ledger)
        await ledger.send(tale.answer("yes"))
        for each in (ledger, elsewhere):
            with pytest.raises(AlreadyAnswered, match=r"r1\.q1"):
                await each.send(tale.answer("no", by="bob"))
        assert [each.answer and each.answer.value for each in await ledger.letters(tale.id)] == ["yes"]

    async def test_of_fifty_answers_at_once_one_wins(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = await self._waiting(ledger)
        sending = [(ledger, elsewhere)[number % 2].send(tale.answer(number)) for number in range(50)]
        outcomes = await asyncio.gather(*sending, return_exceptions=True)
        assert outcomes.count(None) == 1
        assert sum(isinstance(each, AlreadyAnswered) for each in outcomes) == 49
        (letter,) = await ledger.letters(tale.id)
        assert letter.answer is not None
        assert letter.answer.value == outcomes.index(None)

    async def test_an_answer_and_a_claim_at_once_lose_nothing(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = await self._waiting(ledger)
        (fence, found), _ = await asyncio.gather(elsewhere.claim(tale.id), ledger.send(tale.answer()))
        assert found.run == tale.run
        assert len(await elsewhere.letters(tale.id)) == 1
        await elsewhere.commit(fence, tale.claimed(fence.epoch))

    async def test_an_answer_and_an_expiry_at_once_leave_one_truth(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.asked())
        letter = tale.answer()
        commit = asyncio.ensure_future(ledger.commit(fence, tale.expired()))
        outcome, _ = await asyncio.gather(elsewhere.send(letter), commit, return_exceptions=True)
        assert outcome is None or isinstance(outcome, QuestionNotFound)
        assert (await ledger.question(QuestionId("r1.q1"))).status == "expired"

    async def test_a_question_that_is_over_takes_no_answer(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.asked())
        await ledger.commit(fence, tale.expired())
        with pytest.raises(QuestionNotFound, match="expired"):
            await ledger.send(tale.answer())
        assert (await ledger.question(QuestionId("r1.q1"))).status == "expired"
        assert await ledger.questions() == []

    async def test_a_question_nobody_asked_takes_no_answer(self, ledger: Ledger) -> None:
        tale, other = await self._waiting(ledger), Tale("r2")
        await ledger.create(other.begun())
        with pytest.raises(QuestionNotFound, match="q9"):
            await ledger.send(tale.answer(question=QuestionId("r1.q9")))
        with pytest.raises(QuestionNotFound, match=r"r1\.q1"):
            await ledger.send(other.answer(question=QuestionId("r1.q1")))
        with pytest.raises(QuestionNotFound):
            await ledger.question(QuestionId("r1.q9"))
        assert await ledger.boxes() == []

    async def test_a_cancelled_run_asks_nothing_any_more(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.asked())
        await ledger.commit(fence, tale.cancelled())
        assert await ledger.questions() == []
        assert (await ledger.question(QuestionId("r1.q1"))).status == "withdrawn"
        with pytest.raises(RunEnded):
            await ledger.send(tale.answer())

    async def test_an_ended_run_is_not_cancelled(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.succeeded())
        with pytest.raises(RunEnded, match="r1"):
            await ledger.send(tale.cancel())

    async def test_a_failed_run_can_be_cancelled(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.failed())
        await ledger.send(tale.cancel())
        assert [each.kind for each in await ledger.letters(tale.id)] == ["cancel"]

    async def test_the_same_letter_twice_is_one(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        await ledger.create(tale.begun())
        await ledger.send(tale.cancel())
        await ledger.send(tale.cancel())
        assert len(await ledger.letters(tale.id)) == 1

    async def test_letters_are_read_in_the_order_they_came(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        sent = [tale.cancel(f"letter {9 - number}") for number in range(5)]
        for letter in sent:
            await elsewhere.send(letter)
        assert await ledger.letters(tale.id) == sent
        await ledger.commit(fence, tale.took(sent[1].id, sent[3].id))
        assert await ledger.letters(tale.id) == [sent[0], sent[2], sent[4]]

    async def test_letters_are_taken_by_their_own_run(self, ledger: Ledger) -> None:
        one, two = Tale("r1"), Tale("r2")
        await ledger.create(one.begun())
        theirs = await ledger.create(two.begun())
        await ledger.send(one.cancel())
        await ledger.commit(theirs, two.took(one.cancel().id))
        assert len(await ledger.letters(one.id)) == 1

    # ------------------------------------------------------------------------------------------- changes

    async def test_a_change_is_noticed_and_rest_is_not(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        seen = await elsewhere.changed(0)
        assert await elsewhere.changed(seen) == seen
        fence = await ledger.create(tale.begun())
        acts: list[Callable[[], Awaitable[None]]] = [
            lambda: ledger.commit(fence, tale.stepped()),
            lambda: ledger.send(tale.cancel()),
            lambda: ledger.commit(fence, tale.took(tale.cancel().id)),
        ]
        for act in acts:
            mine, theirs = await ledger.changed(0), await elsewhere.changed(0)
            assert (await ledger.changed(mine), await elsewhere.changed(theirs)) == (mine, theirs)
            await act()
            assert await ledger.changed(mine) != mine
            assert await elsewhere.changed(theirs) != theirs

    async def test_errors_say_what_to_do(self, ledger: Ledger) -> None:
        tale = await self._waiting(ledger)
        await ledger.send(tale.answer())
        wrong: list[Callable[[], Awaitable[object]]] = [
            lambda: ledger.read(RunId("nobody")),
            lambda: ledger.question(QuestionId("r1.q9")),
            lambda: ledger.send(tale.answer()),
            lambda: ledger.create(Tale("r1").begun()),
        ]
        for act in wrong:
            with pytest.raises(WorkflowError) as caught:
                await act()
            assert caught.value.cure

    async def _waiting(self, ledger: Ledger) -> Tale:
        """A run that waits for an answer, owned by nobody."""
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.asked())
        await ledger.release(fence)
        return tale


__all__ = ["LedgerContract"]
