"""The one writer: what waits shares a transaction, what fails fails alone, and a COMMIT in doubt is looked up."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.stores.conftest import Opened, Started
from workflow_engine.errors import AlreadyAnswered, FenceLost, StoreDamaged, StoreError
from workflow_engine.ports.ledger import Fence
from workflow_engine.stores.sqlite import SqliteLedger
from workflow_engine.testing.tale import Tale, append, sets

Beneath = Callable[..., list[Any]]


async def created(ledger: SqliteLedger, count: int) -> list[tuple[Tale, Fence]]:
    tales = [Tale(f"r{number}") for number in range(count)]
    fences = await asyncio.gather(*(ledger.create(tale.begun()) for tale in tales))
    return list(zip(tales, fences, strict=True))


# ------------------------------------------------------------------------------------------------ sharing


async def test_a_step_alone_is_one_transaction(opened: Opened) -> None:
    ledger = await opened()
    ((tale, fence),) = await created(ledger, 1)
    before = ledger.transactions
    for number in range(10):
        await ledger.commit(fence, tale.stepped(append("log", number)))
    assert ledger.transactions - before == 10


async def test_a_hundred_runs_that_commit_at_once_share_a_transaction(opened: Opened) -> None:
    ledger = await opened()
    runs = await created(ledger, 100)
    before = ledger.transactions
    await asyncio.gather(*(ledger.commit(fence, tale.stepped()) for tale, fence in runs))
    assert ledger.transactions - before == 1


async def test_what_is_queued_during_a_transaction_shares_the_next(opened: Opened) -> None:
    ledger = await opened()
    runs = await created(ledger, 20)
    before = ledger.transactions

    async def driven(tale: Tale, fence: Fence) -> None:
        for number in range(10):
            await ledger.commit(fence, tale.stepped(append("log", number)))

    await asyncio.gather(*(driven(*each) for each in runs))
    # Each waits for its own commit before the next, so ten shared ones are the least; a straggler may need a few more.
    assert ledger.transactions - before <= 20


async def test_batches_of_one_run_share_too(opened: Opened) -> None:
    ledger = await opened()
    ((tale, fence),) = await created(ledger, 1)
    before = ledger.transactions
    await asyncio.gather(*(ledger.commit(fence, tale.stepped(append("log", number))) for number in range(50)))
    assert ledger.transactions - before == 1


async def test_reading_begins_no_writing_transaction(opened: Opened) -> None:
    ledger = await opened()
    ((tale, _),) = await created(ledger, 1)
    before = ledger.transactions
    await ledger.read(tale.id)
    await ledger.journal(tale.id)
    await ledger.changed(0)
    assert ledger.transactions == before


# ------------------------------------------------------------------------------------------------ failing alone


async def test_a_refused_batch_fails_alone(opened: Opened) -> None:
    ledger = await opened()
    runs = await created(ledger, 5)
    before = ledger.transactions
    bad, bad_fence = runs[2]
    bad.stepped()  # never brought to the ledger, so the next one does not follow
    commits = [ledger.commit(fence, tale.stepped()) for tale, fence in runs]
    outcomes = await asyncio.gather(*commits, return_exceptions=True)
    assert [type(each) for each in outcomes] == [type(None)] * 2 + [FenceLost] + [type(None)] * 2
    assert ledger.transactions - before == 1
    with pytest.raises(FenceLost):
        await ledger.commit(bad_fence, bad.took())


async def test_a_batch_that_breaks_off_in_the_middle_fails_alone(opened: Opened, beneath: Beneath) -> None:
    ledger = await opened()
    runs = await created(ledger, 5)
    # The next event of r2 is there already: its batch writes the run's row, then meets it.
    beneath("INSERT INTO journal SELECT key, 3, x'00', '' FROM runs WHERE id = 'r2'")
    commits = [ledger.commit(fence, tale.stepped(append("log", 1))) for tale, fence in runs]
    later = ledger.commit(runs[2][1], runs[2][0].stepped())
    outcomes = await asyncio.gather(*commits, return_exceptions=True)
    assert [isinstance(each, StoreError) for each in outcomes] == [False, False, True, False, False]
    with pytest.raises(FenceLost):
        await later
    for tale, _ in (*runs[:2], *runs[3:]):
        assert (await ledger.read(tale.id)).run == tale.run
    assert beneath("SELECT seq FROM runs WHERE id = 'r2'") == [(2,)]
    assert beneath("SELECT count(*) FROM versions JOIN runs ON key = run WHERE id = 'r2'") == [(0,)]


async def test_a_damaged_run_fails_alone(opened: Opened, beneath: Beneath) -> None:
    ledger = await opened()
    runs = await created(ledger, 3)
    for _, fence in runs:
        await ledger.release(fence)
    beneath("UPDATE runs SET steps = 7 WHERE id = 'r1'")
    claims = [ledger.claim(tale.id) for tale, _ in runs]
    outcomes = await asyncio.gather(*claims, return_exceptions=True)
    assert [isinstance(each, StoreDamaged) for each in outcomes] == [False, True, False]
    assert not await ledger.owned(runs[1][0].id)


# ------------------------------------------------------------------------------------------------ faults below


class Faulty(sqlite3.Connection):
    """A connection on which statements fail as planned: `plan` holds (statement, when, code), the next one first."""

    plan: list[tuple[str, str, int]] = []

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if not self.plan or not sql.startswith(self.plan[0][0]):
            return super().execute(sql, *values)
        _, when, code = self.plan.pop(0)
        if when == "after":
            super().execute(sql, *values)
        error = sqlite3.OperationalError("planted")
        error.sqlite_errorcode = code
        raise error


@pytest.fixture
def plan() -> Iterator[list[tuple[str, str, int]]]:
    Faulty.plan.clear()
    yield Faulty.plan
    assert Faulty.plan == [], "what was planted has to happen"


IOERR = sqlite3.SQLITE_IOERR | 4 << 8  # an fsync that failed


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_commit_in_doubt_is_looked_up(opened: Opened, plan: list[Any], when: str) -> None:
    ledger, elsewhere = await opened(factory=Faulty), await opened()
    runs = await created(ledger, 5)
    plan.append(("COMMIT", when, IOERR))
    await asyncio.gather(*(ledger.commit(fence, tale.stepped(append("log", tale.id))) for tale, fence in runs))
    for tale, fence in runs:
        found = await elsewhere.read(tale.id)
        assert found.run == tale.run
        assert found.state["log"].json() == [tale.id]
        await ledger.commit(fence, tale.stepped())


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_creation_a_claim_and_a_letter_in_doubt_are_looked_up(
    opened: Opened, plan: list[Any], when: str
) -> None:
    ledger = await opened(factory=Faulty)
    tale = Tale("r1")
    plan.append(("COMMIT", when, IOERR))
    fence = await ledger.create(tale.begun())
    await ledger.commit(fence, tale.asked())
    await ledger.release(fence)
    plan.append(("COMMIT", when, IOERR))
    again, found = await ledger.claim(tale.id)
    assert (again.epoch, found.run) == (2, tale.run)
    plan.append(("COMMIT", when, IOERR))
    await ledger.send(tale.answer())
    with pytest.raises(AlreadyAnswered):
        await ledger.send(tale.answer())
    await ledger.commit(again, tale.claimed(again.epoch))
    assert (await ledger.read(tale.id)).run == tale.run


@pytest.mark.parametrize("when", ["before", "after"])
async def test_letters_only_in_doubt_are_looked_up(opened: Opened, plan: list[Any], when: str) -> None:
    ledger = await opened(factory=Faulty)
    ((tale, fence),) = await created(ledger, 1)
    await ledger.send(tale.cancel())
    plan.append(("COMMIT", when, IOERR))
    await ledger.commit(fence, tale.took(tale.cancel().id))
    assert await ledger.letters(tale.id) == []
    await ledger.commit(fence, tale.stepped())


@pytest.mark.parametrize("when", ["before", "after"])
async def test_several_batches_of_a_run_in_doubt_are_looked_up(opened: Opened, plan: list[Any], when: str) -> None:
    ledger = await opened(factory=Faulty)
    (tale, fence), (other, theirs) = await created(ledger, 2)
    plan.append(("COMMIT", when, IOERR))
    commits = [ledger.commit(fence, tale.stepped(append("log", number))) for number in range(5)]
    nothing = ledger.commit(theirs, other.took())
    await asyncio.gather(*commits, nothing)
    found = await ledger.read(tale.id)
    assert (found.run, found.state["log"].json()) == (tale.run, [0, 1, 2, 3, 4])


async def test_a_disk_that_goes_on_failing_is_said_and_nothing_is_half_there(opened: Opened, plan: list[Any]) -> None:
    ledger, elsewhere = await opened(factory=Faulty), await opened()
    ((tale, fence),) = await created(ledger, 1)
    before = tale.run
    plan += [("COMMIT", "before", IOERR)] * 2
    with pytest.raises(StoreError, match="disk"):
        await ledger.commit(fence, tale.stepped(*sets({"x": 1})))
    with pytest.raises(FenceLost):
        await ledger.commit(fence, tale.stepped())
    found = await elsewhere.read(tale.id)
    assert (found.run, found.state) == (before, {})
    # The disk is well again: the run goes on.
    await ledger.release(fence)
    again, _ = await ledger.claim(tale.id)
    told = Tale.of(found.run)
    await ledger.commit(again, told.claimed(again.epoch))
    assert (await elsewhere.read(tale.id)).run == told.run


async def test_what_is_found_after_a_failed_sync_is_synced_before_it_is_acknowledged(
    opened: Opened, plan: list[Any]
) -> None:
    ledger = await opened(factory=Faulty)
    ((tale, fence),) = await created(ledger, 1)
    plan += [("COMMIT", "after", IOERR), ("PRAGMA wal_checkpoint", "before", IOERR)]
    commit, later = ledger.commit(fence, tale.stepped()), ledger.commit(fence, tale.stepped())
    for each in (commit, later):
        with pytest.raises(StoreError, match="not known"):
            await each
    with pytest.raises(FenceLost):
        await ledger.commit(fence, tale.stepped())
    await ledger.release(fence)
    again, found = await ledger.claim(tale.id)
    assert found.run == (await ledger.read(tale.id)).run
    await ledger.commit(again, Tale.of(found.run).claimed(again.epoch))


@pytest.mark.parametrize("statement", ["BEGIN IMMEDIATE", "UPDATE runs"])
async def test_a_fault_before_the_commit_is_tried_once_more(opened: Opened, plan: list[Any], statement: str) -> None:
    ledger = await opened(factory=Faulty)
    runs = await created(ledger, 3)
    plan.append((statement, "before", IOERR))
    await asyncio.gather(*(ledger.commit(fence, tale.stepped()) for tale, fence in runs))
    for tale, _ in runs:
        assert (await ledger.read(tale.id)).run == tale.run


async def test_a_reader_that_failed_is_replaced(opened: Opened, plan: list[Any]) -> None:
    ledger = await opened(factory=Faulty)
    ((tale, _),) = await created(ledger, 1)
    seen = await ledger.changed(0)
    plan.append(("SELECT", "before", IOERR))
    with pytest.raises(StoreError, match="disk"):
        await ledger.read(tale.id)
    assert (await ledger.read(tale.id)).run == tale.run
    assert await ledger.changed(seen) != seen


async def test_a_reader_that_was_replaced_meanwhile_still_notices_a_change(opened: Opened, plan: list[Any]) -> None:
    ledger, elsewhere = await opened(factory=Faulty), await opened()
    seen = await ledger.changed(0)
    await elsewhere.create(Tale("r1").begun())
    plan.append(("SELECT", "before", IOERR))
    with pytest.raises(StoreError, match="disk"):
        await ledger.find("r")
    assert await ledger.changed(seen) != seen


async def test_a_run_is_let_go_of_only_once_its_commits_are_on_disk(opened: Opened) -> None:
    ledger, elsewhere = await opened(), await opened()
    ((tale, fence),) = await created(ledger, 1)
    commit = asyncio.ensure_future(ledger.commit(fence, tale.stepped()))
    releasing = asyncio.create_task(ledger.release(fence))
    await asyncio.sleep(0)
    # The loop has not turned since, so no thread can have reported the commit.
    assert (commit.done(), elsewhere._owners.taken(tale.id)) == (False, True)
    releasing.cancel()
    await commit
    await elsewhere.claim(tale.id)


async def test_a_claim_nobody_waits_for_keeps_others_out_until_it_is_over(opened: Opened) -> None:
    ledger, elsewhere = await opened(), await opened()
    ((tale, fence),) = await created(ledger, 1)
    await ledger.release(fence)
    claiming = asyncio.create_task(ledger.claim(tale.id))
    await asyncio.sleep(0)
    claiming.cancel()
    await asyncio.sleep(0)
    # It is still on its way to raise the epoch: somebody who claimed now would lose the fence to it.
    assert (claiming.done(), elsewhere._owners.taken(tale.id)) == (True, True)
    await ledger._writer.drained()
    await asyncio.sleep(0)
    again, _ = await elsewhere.claim(tale.id)
    await elsewhere.commit(again, tale.stepped())


async def test_a_writer_that_waits_too_long_says_who_to_look_for(
    opened: Opened, plan: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow_engine.stores.sqlite.transaction.BUSY_SECONDS", -1.0)
    ledger = await opened(factory=Faulty)
    ((tale, fence),) = await created(ledger, 1)
    plan.append(("BEGIN IMMEDIATE", "before", sqlite3.SQLITE_BUSY))
    with pytest.raises(StoreError, match="locked by another process"):
        await ledger.commit(fence, tale.stepped())


async def test_a_loop_that_cancels_everything_leaves_nobody_waiting(opened: Opened, plan: list[Any]) -> None:
    ledger = await opened(factory=Faulty)
    ((tale, fence),) = await created(ledger, 1)
    before = tale.run
    plan += [("COMMIT", "before", sqlite3.SQLITE_IOERR)]
    commits = [ledger.commit(fence, tale.stepped()) for _ in range(3)]
    while not (mending := [each for each in asyncio.all_tasks() if each.get_name() == "ledger writer"]):  # noqa: ASYNC110
        await asyncio.sleep(0)
    mending[0].cancel()
    for each in commits:
        with pytest.raises(StoreError, match="was stopped"):
            await each
    await ledger.release(fence)
    assert (await ledger.read(tale.id)).run == before
    fence, _ = await ledger.claim(tale.id)
    tale = Tale("r2")
    await ledger.create(tale.begun())


async def test_what_people_store_stays_out_of_the_debug_log(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    ledger = await opened()
    fence = await ledger.create((tale := Tale("r1")).begun(text="a private word"))
    await ledger.commit(fence, tale.stepped(*sets({"text": "a private word"})))
    await ledger.read(tale.id)
    assert "private" not in caplog.text


async def test_a_writer_waits_for_another_process(opened: Opened, plan: list[Any]) -> None:
    ledger = await opened(factory=Faulty)
    ((tale, fence),) = await created(ledger, 1)
    plan += [("BEGIN IMMEDIATE", "before", sqlite3.SQLITE_BUSY)] * 3
    await ledger.commit(fence, tale.stepped())
    assert (await ledger.read(tale.id)).run == tale.run


def test_a_full_disk_is_said_and_leaves_a_run_that_goes_on(started: Started) -> None:
    child = started(
        """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
tale = Tale("r1")
fence = await ledger.create(tale.begun())
resource.setrlimit(resource.RLIMIT_FSIZE, (800_000, resource.RLIM_INFINITY))
kept = 0
try:
    while True:
        before = tale.run
        await ledger.commit(fence, tale.stepped(append("log", "x" * 5000)))
        kept += 1
except StoreError as error:
    say(type(error).__name__, bool(error.cure))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
found = await ledger.read("r1")
say(kept > 5, found.run == before, len(found.state["log"].json()) == kept)
await ledger.release(fence)
fence, found = await ledger.claim("r1")
await ledger.commit(fence, Tale.of(found.run).stepped())
await ledger.close()
say("went on")
"""
    )
    assert child.communicate()[0].splitlines() == ["StoreError True", "True True True", "went on"]


async def test_a_fault_of_our_own_is_its_jobs_alone(opened: Opened) -> None:
    ledger = await opened()
    runs = await created(ledger, 3)

    def broken(db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM runs")
        raise ZeroDivisionError

    good = [ledger.commit(fence, tale.stepped()) for tale, fence in runs[:2]]
    bad = ledger._writer.put(broken, lambda db, result: False)
    last = ledger.commit(runs[2][1], runs[2][0].stepped())
    with pytest.raises(ZeroDivisionError):
        await bad
    await asyncio.gather(*good, last)
    for tale, _ in runs:
        assert (await ledger.read(tale.id)).run == tale.run
