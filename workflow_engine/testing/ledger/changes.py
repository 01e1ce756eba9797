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
