"""What is stored is read as it was."""

from __future__ import annotations

import pytest

from workflow_engine.errors import RunNotFound, StoreError
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.fold import fold
from workflow_engine.record.ids import RunId
from workflow_engine.record.values import Write
from workflow_engine.testing.tale import Tale, append, sets


class StateContract:
    """Sentences of `LedgerContract`."""

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

    async def test_a_field_that_is_dropped_is_gone_until_it_is_set_again(
        self, ledger: Ledger, elsewhere: Ledger
    ) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun(log=["a"], kept=1))
        await ledger.commit(fence, tale.stepped(append("log", "b"), Write("kept", "drop", "null")))
        await ledger.commit(fence, tale.stepped(Write("log", "drop", "null")))
        assert dict((await elsewhere.read(tale.id)).state) == {}
        assert {name: value.json() for name, value in (await ledger.at(tale.id, 3)).items()} == {"log": ["a", "b"]}
        await ledger.commit(fence, tale.stepped(append("log", "c"), append("kept", 2)))
        await ledger.commit(fence, tale.stepped(append("log", "d")))
        state = (await elsewhere.read(tale.id)).state
        assert (state["log"].json(), state["kept"].json()) == (["c", "d"], [2])

    async def test_what_was_written_is_read_in_order(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun(log=["a"]))
        await ledger.commit(fence, tale.stepped(append("log", "b"), *sets({"tries": 1})))
        await ledger.commit(fence, tale.stepped(*sets({"tries": 2})))
        await ledger.commit(fence, tale.stepped(append("log", "c")))
        told = await elsewhere.written(tale.id, 2, 4)
        assert sorted((first, write.field, write.op, write.text.replace(" ", "")) for first, write in told) == [
            (3, "log", "append", '["b"]'),
            (3, "tries", "set", "1"),
            (4, "tries", "set", "2"),
        ]
        assert [first for first, _ in told] == [3, 3, 4]
        assert len(await elsewhere.written(tale.id, 0, 100)) == 5
        assert await elsewhere.written(tale.id, 100, 200) == []

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
