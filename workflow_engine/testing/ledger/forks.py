"""A fork begins with its parent's values, and from then on neither sees what the other writes."""

from __future__ import annotations

from typing import Any

import pytest

from workflow_engine.errors import RunNotFound, StoreError
from workflow_engine.ports.ledger import Fence, Ledger, Page
from workflow_engine.record.fold import fold
from workflow_engine.record.ids import RunId
from workflow_engine.testing.tale import Tale, append, sets


async def parent(ledger: Ledger) -> tuple[Tale, Fence]:
    """A run of seven events: its list grows from the first to the third step, and its text stays."""
    tale = Tale("parent")
    fence = await ledger.create(tale.begun(log=["a"], text="ü" * 100, tries=0))
    for number, letter in enumerate("bcd", 1):
        await ledger.commit(fence, tale.stepped(append("log", letter), *sets({"tries": number})))
    return tale, fence


async def values(ledger: Ledger, run: str, seq: int | None = None) -> dict[str, Any]:
    """A run's state as plain JSON, now or as of an event."""
    state = (await ledger.read(RunId(run))).state if seq is None else await ledger.at(RunId(run), seq)
    return {name: value.json() for name, value in state.items()}


class ForksContract:
    """Sentences of `LedgerContract`."""

    async def test_a_fork_begins_with_what_its_parent_had_then(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale, _ = await parent(ledger)
        fork = Tale("fork")
        await ledger.create(fork.forked(tale, 4, ["log", "text"], tries=9))
        expected = {"log": ["a", "b", "c"], "text": "ü" * 100, "tries": 9}
        for each in (ledger, elsewhere):
            found = await each.read(fork.id)
            assert found.run == fork.run == fold(event.event for event in await each.journal(fork.id))
            assert {name: value.json() for name, value in found.state.items()} == expected
            assert {value.seq for value in found.state.values()} == {2}
        assert await values(elsewhere, "fork", 0) == {}
        assert await values(elsewhere, "fork", 1) == expected
        assert [each.run for each in await elsewhere.runs(Page())] == ["fork", "parent"]

    async def test_a_fork_and_its_parent_do_not_see_each_other(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale, fence = await parent(ledger)
        fork = Tale("fork")
        forked = await ledger.create(fork.forked(tale, 4, ["log", "text", "tries"]))
        await ledger.commit(fence, tale.stepped(append("log", "theirs"), *sets({"text": "theirs"})))
        await ledger.commit(forked, fork.stepped(append("log", "mine"), *sets({"tries": 7})))
        await ledger.commit(fence, tale.stepped(append("log", "theirs"), *sets({"tries": 5})))
        await ledger.commit(forked, fork.stepped(append("log", "mine")))
        assert await values(elsewhere, "fork") == {"log": [*"abc", "mine", "mine"], "text": "ü" * 100, "tries": 7}
        assert await values(elsewhere, "parent") == {"log": [*"abcd", "theirs", "theirs"], "text": "theirs", "tries": 5}
        assert await values(elsewhere, "fork", 3) == {"log": [*"abc", "mine"], "text": "ü" * 100, "tries": 7}
        assert await values(elsewhere, "fork", 2) == {"log": [*"abc"], "text": "ü" * 100, "tries": 2}

    async def test_a_fork_of_a_fork_has_the_values_of_both(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale, _ = await parent(ledger)
        fork, third = Tale("fork"), Tale("third")
        forked = await ledger.create(fork.forked(tale, 4, ["log", "text", "tries"]))
        await ledger.commit(forked, fork.stepped(append("log", "mine")))
        await ledger.create(third.forked(fork, 3, ["log", "text", "tries"]))
        assert await values(elsewhere, "third") == {"log": [*"abc", "mine"], "text": "ü" * 100, "tries": 2}
        last = third
        for number in range(5):
            tale, last = last, Tale(f"last{number}")
            fence = await ledger.create(last.forked(tale, 2 + bool(number), ["log", "text", "tries"]))
            await ledger.commit(fence, last.stepped(append("log", number)))
        assert (await values(elsewhere, "last4"))["log"] == [*"abc", "mine", 0, 1, 2, 3, 4]
        assert (await values(elsewhere, "last4"))["text"] == "ü" * 100

    async def test_a_fork_is_claimed_and_goes_on_like_any_run(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale, _ = await parent(ledger)
        fork = Tale("fork")
        await ledger.release(await ledger.create(fork.forked(tale, 4, ["log", "text"])))
        fence, found = await elsewhere.claim(fork.id)
        assert found.run == fork.run
        assert found.state["log"].json() == [*"abc"]
        await elsewhere.commit(fence, fork.stepped(*sets({"log": []})))
        await elsewhere.commit(fence, fork.stepped(append("log", "z")))
        assert (await values(ledger, "fork"))["log"] == ["z"]

    async def test_what_is_not_there_is_not_forked(self, ledger: Ledger) -> None:
        tale, _ = await parent(ledger)
        nobody = Tale("nobody")
        nobody.begun()
        with pytest.raises(RunNotFound, match="nobody"):
            await ledger.create(Tale("fork").forked(nobody, 1, ["log"]))
        with pytest.raises(StoreError):
            await ledger.create(Tale("fork").forked(tale, 4, ["log", "nothing"]))
        with pytest.raises(RunNotFound):
            await ledger.read(RunId("fork"))
        assert [each.run for each in await ledger.runs(Page())] == ["parent"]

    async def test_a_fork_leaves_its_parent_as_it_was(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale, fence = await parent(ledger)
        before = (await elsewhere.read(tale.id), await elsewhere.journal(tale.id))
        await ledger.create(Tale("fork").forked(tale, 4, ["log", "text", "tries"]))
        assert (await elsewhere.read(tale.id), await elsewhere.journal(tale.id)) == before
        await ledger.commit(fence, tale.stepped())  # it is still owned as before
