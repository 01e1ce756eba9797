"""Commits keep their order, and nobody sees half of one."""

from __future__ import annotations

import asyncio

from workflow_engine.ports.ledger import Ledger
from workflow_engine.testing.tale import Tale, append


class OrderContract:
    """Sentences of `LedgerContract`."""

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
