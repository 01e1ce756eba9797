"""Questions stand until they have their one answer; letters wait until they are taken."""

from __future__ import annotations

import asyncio

import pytest

from workflow_engine.errors import AlreadyAnswered, FenceLost, QuestionNotFound, RunEnded, RunNotFound
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.testing.tale import Tale, waiting


class InboxContract:
    """Sentences of `LedgerContract`."""

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
        tale = await waiting(ledger)
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

    async def test_a_run_is_read_whole_as_it_is_read_in_parts(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.asked())
        await ledger.create(Tale("r2").begun())
        for sent in (False, True):
            if sent:
                await ledger.send(tale.answer())
            kept = await elsewhere.whole(tale.id)
            snapshot = await elsewhere.read(tale.id)
            assert (kept.run, kept.state) == (snapshot.run, snapshot.state)
            assert list(kept.journal) == list(await elsewhere.journal(tale.id))
            assert kept.questions == await elsewhere.questions(tale.id)
            assert kept.letters == await elsewhere.letters(tale.id)
            assert (len(kept.journal), len(kept.questions), len(kept.letters)) == (snapshot.run.seq, 1, sent)
        with pytest.raises(RunNotFound):
            await elsewhere.whole(RunId("r3"))

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
        tale = await waiting(ledger)
        await ledger.send(tale.answer("yes"))
        for each in (ledger, elsewhere):
            with pytest.raises(AlreadyAnswered, match=r"r1\.q1"):
                await each.send(tale.answer("no", by="bob"))
        assert [each.answer and each.answer.value for each in await ledger.letters(tale.id)] == ["yes"]

    async def test_of_fifty_answers_at_once_one_wins(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = await waiting(ledger)
        sending = [(ledger, elsewhere)[number % 2].send(tale.answer(number)) for number in range(50)]
        outcomes = await asyncio.gather(*sending, return_exceptions=True)
        assert outcomes.count(True) == 1
        assert sum(isinstance(each, AlreadyAnswered) for each in outcomes) == 49
        (letter,) = await ledger.letters(tale.id)
        assert letter.answer is not None
        assert letter.answer.value == outcomes.index(True)

    async def test_an_answer_and_a_claim_at_once_lose_nothing(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = await waiting(ledger)
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
        assert outcome is True or isinstance(outcome, QuestionNotFound)
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
        tale, other = await waiting(ledger), Tale("r2")
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
