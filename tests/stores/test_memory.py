"""The ledger in memory polices those who bring things to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from workflow_engine.errors import FenceLost
from workflow_engine.record import events as e
from workflow_engine.record.ids import RunId
from workflow_engine.record.values import Write
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.testing.tale import Tale


async def test_an_event_that_is_changed_after_its_commit_is_noticed() -> None:
    ledger, tale = MemoryLedger(), Tale("r1")
    batch = tale.begun()
    await ledger.create(batch)
    created = batch.events[0]
    assert isinstance(created, e.RunCreated)
    cast("dict[str, str]", created.bodies)["work"] = "another"
    for noticing in (lambda: ledger.journal(tale.id), ledger.close):
        with pytest.raises(AssertionError, match="event 1 of run r1 was changed"):
            await noticing()


async def test_what_is_read_is_the_readers_own() -> None:
    ledger, tale = MemoryLedger(), Tale("r1")
    await ledger.create(tale.begun())
    found = await ledger.read(tale.id)
    cast("dict[str, str]", found.run.bodies)["work"] = "another"
    cast("dict[str, Any]", found.state).clear()
    assert (await ledger.read(tale.id)).run == tale.run
    await ledger.close()


async def test_a_run_must_be_what_its_events_fold_into() -> None:
    ledger, tale = MemoryLedger(), Tale("r1")
    fence = await ledger.create(tale.begun())
    batch = tale.stepped()
    with pytest.raises(AssertionError, match="fold"):
        ledger.commit(fence, replace(batch, run=replace(batch.run, steps=7)))
    with pytest.raises(AssertionError, match="fold"):
        await ledger.create(replace(Tale("r2").begun(), run=replace(batch.run, id=RunId("r3"))))


async def test_an_append_must_hold_a_list() -> None:
    ledger, tale = MemoryLedger(), Tale("r1")
    fence = await ledger.create(tale.begun())
    with pytest.raises(AssertionError, match="append"):
        ledger.commit(fence, tale.stepped(Write("log", "append", '"text"')))


async def test_a_commit_is_never_done_before_the_loop_turns() -> None:
    ledger, tale = MemoryLedger(), Tale("r1")
    fence = await ledger.create(tale.begun())
    commit = cast("Any", ledger.commit(fence, tale.stepped()))
    assert not commit.done()
    await commit


async def test_abandoned_runs_can_be_claimed_and_their_owners_write_nothing() -> None:
    ledger, tale = MemoryLedger(), Tale("r1")
    old = await ledger.create(tale.begun())
    ledger.abandon()
    assert not await ledger.owned(tale.id)
    with pytest.raises(FenceLost):
        await ledger.commit(old, Tale.of((await ledger.read(tale.id)).run).stepped())
    new, _ = await ledger.claim(tale.id)
    assert new.epoch == old.epoch + 1
    await ledger.commit(new, tale.stepped())
