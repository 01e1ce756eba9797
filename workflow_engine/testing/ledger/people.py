"""Several people answer one question, or somebody else does: each word stands, and one answer is accepted."""

from __future__ import annotations

import asyncio

import pytest

from workflow_engine.errors import AlreadyAnswered, Conflict, QuestionNotFound
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.ids import QuestionId
from workflow_engine.record.people import Person
from workflow_engine.testing.tale import Tale

ASKED = QuestionId("r1.q1")


async def needing(ledger: Ledger, count: int) -> Tale:
    """A run that waits for so many people to say yes, owned by nobody."""
    tale = Tale("r1")
    fence = await ledger.create(tale.begun())
    await ledger.commit(fence, tale.asked(approvals={"yes": count}, to="ann"))
    await ledger.release(fence)
    return tale


class PeopleContract:
    """Sentences of `LedgerContract`."""

    async def test_each_word_stands_until_enough_people_gave_it(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = await needing(ledger, 2)
        await ledger.send(tale.approval(by="ann"))
        standing = await elsewhere.question(ASKED)
        assert (standing.status, [each.by for each in standing.approved]) == ("open", ["ann"])
        assert [each.question.id for each in await elsewhere.questions()] == [ASKED]
        with pytest.raises(AlreadyAnswered, match="ann"):
            await elsewhere.send(tale.approval(by="ann"))
        await elsewhere.send(tale.approval(by="bob"))
        standing = await ledger.question(ASKED)
        assert standing.answer is not None
        assert (standing.status, standing.answer.by) == ("answered", "bob")
        for late in (tale.approval(by="eve"), tale.answer("no", by="eve")):
            with pytest.raises(AlreadyAnswered):
                await ledger.send(late)
        assert len(await ledger.letters(tale.id)) == 2

    async def test_a_word_that_was_taken_up_counts_on(self, ledger: Ledger) -> None:
        tale = await needing(ledger, 2)
        letter = tale.approval(by="ann")
        await ledger.send(letter)
        fence, _ = await ledger.claim(tale.id)
        await ledger.commit(fence, tale.claimed(fence.epoch))
        await ledger.commit(fence, tale.approved(letter))
        assert await ledger.letters(tale.id) == []
        assert [each.by for each in (await ledger.question(ASKED)).approved] == ["ann"]
        with pytest.raises(AlreadyAnswered, match="ann"):
            await ledger.send(tale.approval(by="ann"))
        last = tale.approval(by="bob")
        await ledger.send(last)
        assert last.answer is not None
        await ledger.commit(fence, tale.answered(last.answer, [last.id]))
        standing = await ledger.question(ASKED)
        assert (standing.status, standing.answer) == ("answered", last.answer)

    async def test_different_answers_do_not_add_up(self, ledger: Ledger) -> None:
        tale = await needing(ledger, 2)
        await ledger.send(tale.approval({"choice": "yes", "sum": 1}, by="ann"))
        await ledger.send(tale.approval({"choice": "yes", "sum": 2}, by="bob"))
        assert (await ledger.question(ASKED)).status == "open"
        await ledger.send(tale.approval({"sum": 2, "choice": "yes"}, by="eve"))
        assert (await ledger.question(ASKED)).status == "answered"

    async def test_one_answer_ends_what_needs_several_for_another(self, ledger: Ledger) -> None:
        tale = await needing(ledger, 2)
        await ledger.send(tale.approval(by="ann"))
        await ledger.send(tale.answer("no", by="bob"))
        with pytest.raises(AlreadyAnswered):
            await ledger.send(tale.approval(by="eve"))
        standing = await ledger.question(ASKED)
        assert standing.answer is not None
        assert standing.answer.value == "no"

    async def test_fifty_people_at_one_moment_are_two_and_the_rest_are_told(
        self, ledger: Ledger, elsewhere: Ledger
    ) -> None:
        tale = await needing(ledger, 2)
        letters = [tale.approval(by=f"person {number}") for number in range(50)]
        sending = [(ledger, elsewhere)[at % 2].send(letter) for at, letter in enumerate(letters)]
        said = await asyncio.gather(*sending, return_exceptions=True)
        assert sum(isinstance(each, AlreadyAnswered) for each in said) == 48
        assert len(await ledger.letters(tale.id)) == 2
        assert (await ledger.question(ASKED)).status == "answered"

    async def test_a_question_is_somebody_elses_from_the_moment_it_was_given_away(
        self, ledger: Ledger, elsewhere: Ledger
    ) -> None:
        tale = await needing(ledger, 2)
        letter = tale.handing("dave")
        assert await ledger.send(letter)
        standing = await elsewhere.question(ASKED)
        assert standing.known is not None
        assert (standing.to, standing.known.handed) == ("dave", 1)
        for early in (tale.approval(by="ann", handed=0), tale.handing("eve", handed=0)):
            with pytest.raises(Conflict, match="just reassigned to dave"):
                await elsewhere.send(early)
        fence, _ = await ledger.claim(tale.id)
        await ledger.commit(fence, tale.claimed(fence.epoch))
        await ledger.commit(fence, tale.handed(letter))
        assert (await elsewhere.question(ASKED)).to == "dave"
        assert await elsewhere.send(tale.approval(by="dave", handed=1))

    async def test_a_question_that_is_over_is_given_to_nobody(self, ledger: Ledger) -> None:
        tale = await needing(ledger, 2)
        fence, _ = await ledger.claim(tale.id)
        await ledger.commit(fence, tale.claimed(fence.epoch))
        letter = tale.handing("dave")
        await ledger.commit(fence, tale.expired())
        with pytest.raises(QuestionNotFound):
            await ledger.send(letter)

    async def test_people_are_known_until_they_are_dismissed(self, ledger: Ledger, elsewhere: Ledger) -> None:
        one, two = Person("zoë", "d1", ("release",)), Person("ann", "d2")
        await ledger.enrol(one)
        await elsewhere.enrol(two)
        assert await elsewhere.people() == [two, one]
        await elsewhere.enrol(Person("zoë", "d3"))
        assert await ledger.people() == [two, Person("zoë", "d3")]
        assert await ledger.dismiss("zoë")
        assert not await ledger.dismiss("zoë")
        assert await elsewhere.people() == [two]
