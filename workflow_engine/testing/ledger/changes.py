"""A change is noticed; a refusal says what to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from workflow_engine.errors import WorkflowError
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.testing.tale import Tale, waiting


class ChangesContract:
    """Sentences of `LedgerContract`."""

    async def test_a_change_is_noticed_and_rest_is_not(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        seen = await elsewhere.changed(0)
        assert await elsewhere.changed(seen) == seen
        fence = await ledger.create(tale.begun())
        acts: list[Callable[[], Awaitable[object]]] = [
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

    async def test_a_fact_and_a_letter_stir_their_run_and_no_other(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale, other = Tale("r1"), Tale("r2")
        theirs = await ledger.create(other.begun())
        fence = await ledger.create(tale.begun())
        acts: list[tuple[RunId, Callable[[], Awaitable[object]]]] = [
            (tale.id, lambda: ledger.commit(fence, tale.stepped())),
            (other.id, lambda: ledger.send(other.cancel())),
            (tale.id, lambda: ledger.commit(fence, tale.asked())),
            (tale.id, lambda: ledger.send(tale.answer())),
            (other.id, lambda: ledger.commit(theirs, other.cancelled([other.cancel().id]))),
        ]
        for run, act in acts:
            before, _ = await elsewhere.stirred(-1)
            await act()
            for seen in (ledger, elsewhere):
                now, runs = await seen.stirred(before)
                assert now > before
                assert list(runs) == [run]
                assert await seen.stirred(now) == (now, []), "what was seen is not told again"

    async def test_what_stirred_since_any_number_is_told_each_run_once(self, ledger: Ledger, elsewhere: Ledger) -> None:
        quiet = Tale("quiet")
        await ledger.create(quiet.begun())
        begin, none = await elsewhere.stirred(-1)
        assert list(none) == [], "from now on, whatever was before"
        tales = [Tale(f"r{number}") for number in range(4)]
        fences = [await ledger.create(each.begun()) for each in tales]
        middle, _ = await elsewhere.stirred(-1)
        for tale, fence in list(zip(tales, fences, strict=True))[:2]:
            await ledger.commit(fence, tale.stepped())
            await ledger.commit(fence, tale.asked())
            await ledger.send(tale.answer())
        for since, runs in ((begin, ["r0", "r1", "r2", "r3"]), (middle, ["r0", "r1"])):
            _, told = await elsewhere.stirred(since)
            assert sorted(told) == runs
        assert list((await elsewhere.stirred(-1))[1]) == []

    async def test_what_was_refused_stirs_nothing(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = await waiting(ledger)
        await ledger.send(tale.answer())
        before, _ = await elsewhere.stirred(-1)
        for act in (lambda: ledger.send(tale.answer("no")), lambda: ledger.create(Tale("r1").begun())):
            with pytest.raises(WorkflowError):
                await act()
        await elsewhere.read(tale.id)
        assert await elsewhere.stirred(before) == (before, [])

    async def test_errors_say_what_to_do(self, ledger: Ledger) -> None:
        tale = await waiting(ledger)
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
