"""Forks on SQLite: what they cost on disk, where their values are found, and what is refused when these are gone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from workflow_engine.errors import StoreDamaged, StoreError
from workflow_engine.ports.ledger import Fence
from workflow_engine.stores.sqlite import SqliteLedger, open_ledger, reading
from workflow_engine.stores.sqlite.seals import seal
from workflow_engine.testing.tale import Tale, append


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    ledger = await open_ledger(tmp_path / "runs.sqlite")
    yield ledger
    await ledger.close()


async def parent(ledger: SqliteLedger) -> tuple[Tale, Fence]:
    tale = Tale("parent")
    fence = await ledger.create(tale.begun(log=["a"], text="x" * 1_000_000))
    await ledger.commit(fence, tale.stepped(append("log", "b")))
    return tale, fence


def on_disk(ledger: SqliteLedger) -> int:
    with closing(sqlite3.connect(ledger.path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages, size = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        free = db.execute("PRAGMA freelist_count").fetchone()[0]
    return int((pages - free) * size)


def write(ledger: SqliteLedger, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(ledger.path)) as db:
        db.execute(statement, values)
        db.commit()


async def test_ten_forks_of_a_megabyte_cost_a_few_kilobytes_each(ledger: SqliteLedger) -> None:
    tale, _ = await parent(ledger)
    before = on_disk(ledger)
    for number in range(10):
        await ledger.create(Tale(f"fork{number}").forked(tale, 3, ["log", "text"]))
    assert (on_disk(ledger) - before) / 10 < 4_000
    assert len((await ledger.read(Tale("fork9").id)).state["text"].text) == 1_000_002


async def test_a_fork_of_a_fork_shares_with_the_run_that_holds_the_value(ledger: SqliteLedger) -> None:
    tale, _ = await parent(ledger)
    last = tale
    for number in range(5):
        tale, last = last, Tale(f"fork{number}")
        await ledger.create(last.forked(tale, 3 if number == 0 else 2, ["log", "text"]))
    with closing(sqlite3.connect(ledger.path)) as db:
        shared = db.execute("SELECT DISTINCT field, version, op, text FROM versions WHERE op = 'shared'").fetchall()
        loans = db.execute("SELECT lender, borrower FROM loans").fetchall()
    assert [(field, version, json.loads(text)) for field, version, _, text in shared] == [
        ("log", 1, {"run": "parent", "version": 2}),
        ("text", 1, {"run": "parent", "version": 1}),
    ]
    assert loans == [(1, borrower) for borrower in range(2, 7)]


async def test_a_fork_whose_lender_is_gone_is_damaged_and_says_where(ledger: SqliteLedger) -> None:
    tale, fence = await parent(ledger)
    await ledger.create(Tale("fork").forked(tale, 3, ["log"]))
    await ledger.release(fence)
    write(ledger, "DELETE FROM runs WHERE id = 'parent'")
    with pytest.raises(StoreDamaged, match="run fork is damaged: field log is shared with run parent, where it is not"):
        await ledger.read(Tale("fork").id)


async def test_a_lent_version_that_was_edited_is_found(ledger: SqliteLedger) -> None:
    tale, _ = await parent(ledger)
    await ledger.create(Tale("fork").forked(tale, 3, ["log"]))
    write(ledger, "UPDATE versions SET text = '[\"z\"]' WHERE run = 1 AND field = 'log' AND version = 1")
    with pytest.raises(StoreDamaged, match="field log, version 1 does not fit its seal"):
        await ledger.read(Tale("fork").id)


async def test_a_run_that_lends_to_itself_is_damaged(ledger: SqliteLedger) -> None:
    await ledger.create(Tale("loop").begun(log=["a"]))
    text = '{"run":"loop","version":1}'
    mark = seal(text, "loop", "log", 1, 1, 2, "shared")
    write(ledger, "UPDATE versions SET op = 'shared', text = ?, seal = ? WHERE field = 'log'", text, mark)
    with pytest.raises(StoreDamaged, match="is shared with run loop, where it is not"):
        await ledger.read(Tale("loop").id)


async def test_a_shared_row_that_names_nothing_is_damaged(ledger: SqliteLedger) -> None:
    await ledger.create(Tale("odd").begun(log=["a"]))
    mark = seal("[]", "odd", "log", 1, 1, 2, "shared")
    write(ledger, "UPDATE versions SET op = 'shared', text = '[]', seal = ? WHERE field = 'log'", mark)
    with pytest.raises(StoreDamaged, match="it names no run and no version"):
        await ledger.read(Tale("odd").id)


async def test_a_parent_that_goes_while_it_is_forked_leaves_no_fork(
    ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    tale, fence = await parent(ledger)
    await ledger.release(fence)
    found = reading.lent

    def pruned(db: sqlite3.Connection, shared: object) -> object:
        lent = found(db, shared)  # type: ignore[arg-type]
        write(ledger, "DELETE FROM runs WHERE id = 'parent'")
        return lent

    monkeypatch.setattr(reading, "lent", pruned)
    with pytest.raises(StoreError, match="run parent went while it was forked"):
        await ledger.create(Tale("fork").forked(tale, 3, ["log"]))
    assert await ledger.find("fork") == []
    assert not await ledger.owned(Tale("fork").id)
