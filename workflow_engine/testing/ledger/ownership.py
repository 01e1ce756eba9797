"""A run has one owner, and only its owner writes."""

from __future__ import annotations

import asyncio

import pytest

from workflow_engine.errors import FenceLost, RunOwned, StoreError
from workflow_engine.ports.ledger import Fence, Ledger
from workflow_engine.testing.tale import Tale, sets


class OwnershipContract:
    """Sentences of `LedgerContract`."""

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
