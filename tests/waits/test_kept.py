"""What waits is kept like everything else: encrypted, exported and imported, checked, pruned."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.waits.flows import BOTH, Contract, Payment
from tests.waits.test_topics import ORDER, PAID
from workflow_engine import Engine, Store
from workflow_engine.stores.encryption import Keys, new_key
from workflow_engine.testing.clock import FakeClock


async def test_an_encrypted_store_shows_nothing_of_what_signals_carry(tmp_path: Path) -> None:
    codec, path = Keys(new_key()), tmp_path / "runs.sqlite"
    clock = FakeClock()
    async with Engine.connect(path, workflows=[BOTH, ORDER], codec=codec, clock=clock) as engine:
        both, order = await engine.run(BOTH, order="A"), await engine.run(ORDER)
        await engine.signal(both.id, "contract", Contract(signed_by="Ana Ruiz"), id="c1")
        assert (await engine.publish("payments", PAID, id="p1")).woke == (order.id,)
        await engine.recover()
        assert (await engine.get(order.id)).status == "succeeded"
        clock.advance(timedelta(days=8).total_seconds())
        assert await engine.due() == [both.id]
    assert (await Store(path, codec=codec).check()).whole
    assert b"Ana Ruiz" not in b"".join(each.read_bytes() for each in tmp_path.glob("runs.sqlite*"))


async def test_a_run_that_waits_goes_on_where_it_was_imported(tmp_path: Path) -> None:
    clock = FakeClock()
    async with Engine.connect(tmp_path / "a.sqlite", workflows=[BOTH], clock=clock) as engine:
        view = await engine.run(BOTH, order="A")
        for id in ("p1", "p2"):
            await engine.signal(view.id, "payment", Payment(amount=7), id=id)
        view = await engine.resume(view.id)
        await engine.signal(view.id, "contract", Contract(signed_by="ana"), id="c1")
    text = await Store(tmp_path / "a.sqlite").export(view.id)
    await Store(tmp_path / "b.sqlite").import_(text)
    assert (await Store(tmp_path / "b.sqlite").check()).whole
    async with Engine.connect(tmp_path / "b.sqlite", workflows=[BOTH], clock=clock) as engine:
        clock.advance(timedelta(days=8).total_seconds())
        assert await engine.due() == [view.id]
        assert not (await engine.signal(view.id, "payment", Payment(amount=7), id="p2")).new
        (view,) = await engine.recover()
        assert (view.status, view.state.log[-1]) == ("succeeded", "paid True, signed True")


async def test_a_time_that_was_forged_in_its_column_is_told(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    async with Engine.connect(path, workflows=[BOTH], clock=FakeClock()) as engine:
        view = await engine.run(BOTH, order="A")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE runs SET due = 1")
    (harm,) = (await Store(path).check()).harms
    assert harm.run == view.id
    assert "says two things of what it waits for" in harm.what


@pytest.mark.parametrize(("days", "known"), [(30, True), (1, False)])
async def test_a_publication_is_forgotten_with_the_runs_of_its_age(tmp_path: Path, days: int, known: bool) -> None:
    path, clock = tmp_path / "runs.sqlite", FakeClock()
    settings: dict[str, Any] = {"workflows": [ORDER], "clock": clock}
    async with Engine.connect(path, **settings) as engine:
        await engine.run(ORDER)
        await engine.publish("payments", PAID, id="p1")
        await engine.recover()
    clock.advance(timedelta(days=2).total_seconds())
    await Store(path, clock=clock).prune(older_than=timedelta(days=days))
    async with Engine.connect(path, **settings) as engine:
        assert (await engine.publish("payments", PAID, id="p1")).new is not known
