"""What attempts said is looked after like everything else: checked, copied, pruned, exported, encrypted."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from tests.stores.keeping import KEPT
from workflow_engine import Store
from workflow_engine.errors import InputError
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.ids import RunId
from workflow_engine.record.logs import LogPage, LogPart
from workflow_engine.stores.encryption import Keys, new_key
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.ledger.logs import part
from workflow_engine.testing.tale import START, Tale

SECRET = "what nobody else should read"


async def said(ledger: Ledger, name: str = "r1") -> list[LogPart]:
    """A run that is over, and what it said."""
    tale = Tale(name)
    fence = await ledger.create(tale.begun())
    told = [part(1, SECRET, "ünï"), part(2, "more")]
    ledger.log(fence, LogPage(told))
    await ledger.commit(fence, tale.succeeded())
    await ledger.release(fence)
    return told


async def kept(path: Path, keys: Keys | None = None) -> list[LogPart]:
    ledger = await open_ledger(path, codec=keys)
    told = await said(ledger)
    await ledger.close()
    return told


async def read(path: Path, keys: Keys | None = None) -> list[LogPart | None]:
    ledger = await open_ledger(path, create=False, codec=keys)
    found = [each.part for each in await ledger.logs(RunId("r1"))]
    await ledger.close()
    return found


def forged(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        for each in statements:
            assert db.execute(each).rowcount


HARMS = {
    "a text": "UPDATE logs SET text = replace(text, 'more', 'less') WHERE part = 2",
    "a seal": "UPDATE logs SET seal = x'00' WHERE part = 2",
    "a place": "UPDATE logs SET part = 3 WHERE part = 2",
    "another run's": "UPDATE logs SET run = (SELECT key FROM runs WHERE id = 'r2') WHERE part = 2",
    "a type": "UPDATE logs SET text = 7 WHERE part = 2",
}


@pytest.mark.parametrize("harm", HARMS)
async def test_a_part_that_was_forged_is_found_and_its_run_stays_whole(path: Path, harm: str) -> None:
    ledger = await open_ledger(path)
    first, _ = await said(ledger)
    tale = Tale("r2")
    fence = await ledger.create(tale.begun())
    await ledger.commit(fence, tale.succeeded())
    await ledger.close()
    store = Store(path, clock=FakeClock(START + timedelta(days=50)))
    assert (await store.check()).whole
    forged(path, HARMS[harm])
    health = await store.check()
    assert [each.what for each in health.harms] == [
        f"a part of what run {'r2' if 'another' in harm else 'r1'} said is damaged: it does not fit its seal"
    ]
    if "another" not in harm:
        assert await read(path) == [first, None]
        assert part(1, SECRET, "ünï") == first
    # The run itself can be read, exported, and is not taken for damaged.
    again = path.with_name("again.sqlite")
    await Store(again).import_(await store.export("r1"))
    assert await read(again) == [first]
    assert (await Store(again).check()).whole
    assert not (await store.prune(statuses=["damaged"])).runs


async def test_a_run_takes_its_words_along_and_a_store_its_runs(path: Path, tmp_path: Path) -> None:
    told = await kept(path)
    page = await Store(path).export("r1")
    other = Store(tmp_path / "other.sqlite")
    await other.import_(page)
    assert await read(tmp_path / "other.sqlite") == told
    assert await other.export("r1") == page
    await Store(path).backup(tmp_path / "copy.sqlite")
    assert await read(tmp_path / "copy.sqlite") == told


async def test_a_page_with_words_that_cannot_be_is_refused(path: Path, tmp_path: Path) -> None:
    from workflow_engine.stores.sqlite.keeping import page as pages

    await kept(path)
    parts = pages.read(await Store(path).export("r1"))
    wrongs: list[dict[str, object]] = [{"take": -1}, {"lines": [[1]]}, {"part": 2**70}, {"node": None}]
    for wrong in wrongs:
        inside = {**parts, "logs": [{**parts["logs"][0], **wrong}]}
        text = pages.written({name: inside[name] for name in pages.PARTS if name not in ("format", "schema", "digest")})
        with pytest.raises(InputError):
            await Store(tmp_path / "other.sqlite").import_(text)


async def test_a_run_that_is_pruned_takes_its_words_along(path: Path) -> None:
    await kept(path)
    store = Store(path, clock=FakeClock(START + timedelta(days=50)))
    assert [each.run for each in (await store.prune(older_than=timedelta(days=1))).runs] == ["r1"]
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM logs").fetchone() == (0,)
    assert SECRET.encode() not in path.read_bytes()


async def test_words_without_their_run_are_told_and_can_be_removed(path: Path) -> None:
    await kept(path)
    forged(path, "DELETE FROM runs")
    store = Store(path)
    assert any("parts of logs are left" in each.what for each in (await store.check()).harms)
    await store.prune(statuses=["damaged"])
    assert (await store.check()).whole


async def test_words_are_encrypted(path: Path) -> None:
    keys = Keys(new_key())
    told = await kept(path, keys)
    assert await read(path, keys) == told
    for each in path.parent.glob(f"{path.name}*"):
        assert SECRET.encode() not in each.read_bytes()


async def test_a_store_of_an_earlier_schema_can_be_checked_and_exported(path: Path) -> None:
    path.write_bytes((KEPT / "schema1.sqlite").read_bytes())
    store = Store(path)
    assert (await store.check()).whole
    assert '"logs"' not in await store.export("@last")


async def test_words_share_the_transaction_of_the_commit_that_follows(path: Path) -> None:
    ledger = await open_ledger(path)
    tale = Tale("r1")
    fence = await ledger.create(tale.begun())
    before = ledger.transactions
    ledger.log(fence, LogPage([part(1, "words")]))
    await ledger.commit(fence, tale.stepped())
    assert ledger.transactions == before + 1
    await ledger.close()


async def test_words_that_cannot_be_written_keep_no_commit_back(path: Path) -> None:
    ledger = await open_ledger(path)
    tale = Tale("r1")
    fence = await ledger.create(tale.begun())
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE logs")
    ledger.log(fence, LogPage([part(1, "words")]))
    await ledger.commit(fence, tale.stepped())
    assert (await ledger.read(tale.id)).run == tale.run
    await ledger.close()
