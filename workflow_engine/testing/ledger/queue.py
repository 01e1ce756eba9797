"""Runs left to a worker stand in the queue, oldest first, until somebody claims them and says so."""

from __future__ import annotations

from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.ids import RunId
from workflow_engine.testing.tale import Tale


async def left(ledger: Ledger, run: str, workflow: str = "tale") -> Tale:
    """A run that stands in the queue, in nobody's hands."""
    tale = Tale(run, workflow=workflow, target="graphs/tale.py")
    await ledger.release(await ledger.create(tale.queued()))
    return tale


class QueueContract:
    """Sentences of `LedgerContract`."""

    async def test_the_queue_holds_runs_that_nobody_took_oldest_first(self, ledger: Ledger, elsewhere: Ledger) -> None:
        assert await elsewhere.queued(["tale"], 10) == []
        await ledger.create(Tale("begun").begun())
        for name in ("z", "b", "m"):
            await left(ledger, name)
        found = await elsewhere.queued(["tale"], 10)
        assert [(each.run, each.workflow, each.target) for each in found] == [
            (name, "tale", "graphs/tale.py") for name in ("z", "b", "m")
        ]
        assert sorted({each.place for each in found}) == [each.place for each in found]

    async def test_the_queue_is_read_in_pages_and_across_workflows(self, ledger: Ledger, elsewhere: Ledger) -> None:
        for number in range(9):
            await left(ledger, f"r{number}", ("ship", "night", "tidy")[number % 3])
        both = ["tidy", "ship"]
        first = await elsewhere.queued(both, 4)
        second = await elsewhere.queued(both, 4, first[-1].place)
        assert [each.run for each in (*first, *second)] == ["r0", "r2", "r3", "r5", "r6", "r8"]
        assert await elsewhere.queued(both, 4, second[-1].place) == []
        assert await elsewhere.queued([], 4) == []
        assert [each.run for each in await elsewhere.queued(["ship", "ship", "none"], 9)] == ["r0", "r3", "r6"]
        assert await elsewhere.queues() == ["night", "ship", "tidy"]

    async def test_a_run_leaves_the_queue_with_the_commit_of_who_took_it(
        self, ledger: Ledger, elsewhere: Ledger
    ) -> None:
        tale = await left(ledger, "r1")
        fence, found = await elsewhere.claim(tale.id)
        assert found.run == tale.run
        assert [each.run for each in await ledger.queued(["tale"], 1)] == ["r1"]
        await elsewhere.commit(fence, tale.claimed(fence.epoch))
        assert await ledger.queued(["tale"], 1) == []
        assert await ledger.queues() == []
        await elsewhere.commit(fence, tale.succeeded())
        assert await ledger.queued(["tale"], 1) == []

    async def test_a_queued_run_is_not_one_that_a_death_left_behind(self, ledger: Ledger) -> None:
        await left(ledger, "r1")
        assert await ledger.unfinished() == []
        assert (await ledger.read(RunId("r1"))).run.status == "queued"
