"""Backups and migrations: a copy is of one moment, whole before it has its name, and writes over nothing."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.stores.conftest import HOUSE, Opened
from tests.stores.keeping import KEPT
from tests.stores.keeping import read as read_all
from tests.stores.test_check import Beneath, everything, kept
from tests.stores.test_damage import HURT, KEY, WELL
from workflow_engine import Engine, Store
from workflow_engine.errors import StoreDamaged, StoreError, StoreTooNew, UsageError
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.stores.sqlite.keeping import backup as backing
from workflow_engine.stores.sqlite.opening import newest
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.tale import Tale, append


@pytest.fixture
def store(path: Path) -> Store:
    return Store(path)


@pytest.fixture
def copy(path: Path) -> Path:
    return path.with_name("copy.sqlite")


def killed(act: str, folder: Path) -> int:
    """How often the act was killed, one instant later each time, and left everything as it must be."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.stores.killing", act, str(folder)],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


async def test_a_backup_opens_as_a_store_and_reads_the_same(path: Path, store: Store, copy: Path) -> None:
    await kept(path)
    health = await store.backup(copy)
    assert (health.whole, health.path, health.runs) == (True, copy, 2)
    assert await everything(copy, [HURT, WELL]) == await everything(path, [HURT, WELL])
    ledger = await open_ledger(copy, create=False)
    fence, found = await ledger.claim(HURT)
    await ledger.commit(fence, Tale.of(found.run).stepped())
    await ledger.close()


async def test_a_backup_is_for_its_owner_only_and_leaves_nothing_beside_it(
    path: Path, store: Store, tmp_path: Path
) -> None:
    await kept(path)
    (tmp_path / "to").mkdir()
    await store.backup(tmp_path / "to" / "copy.sqlite")
    assert [each.name for each in (tmp_path / "to").iterdir()] == ["copy.sqlite"]
    assert stat.S_IMODE((tmp_path / "to" / "copy.sqlite").stat().st_mode) == 0o600


async def test_a_backup_writes_over_nothing(path: Path, store: Store, copy: Path, tmp_path: Path) -> None:
    await kept(path)
    copy.write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    for place in (copy, tmp_path / "link", path, tmp_path):
        with pytest.raises(UsageError, match="there already"):
            await store.backup(place)
    with pytest.raises(UsageError, match="no folder"):
        await store.backup(tmp_path / "nowhere" / "copy.sqlite")
    assert copy.read_text() == "mine"
    assert not (tmp_path / "nothing").exists()


async def test_who_is_second_to_a_name_is_refused(path: Path, store: Store, copy: Path) -> None:
    await kept(path)
    done = await asyncio.gather(*(store.backup(copy) for _ in range(3)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["Health", "UsageError", "UsageError"]
    assert (await Store(copy).check()).whole
    assert not list(path.parent.glob(".*.part"))


async def test_a_backup_of_a_store_in_use_is_of_one_moment(opened: Opened, store: Store, path: Path) -> None:
    """Two runs take each step in one transaction: in a copy they stand at the same step."""
    ledger = await opened()
    one, other = Tale("one"), Tale("other")
    fences = [await ledger.create(each.begun(n=0)) for each in (one, other)]
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            steps = (each.stepped(append("log", "x" * 500)) for each in (one, other))
            await asyncio.gather(*(ledger.commit(fence, step) for fence, step in zip(fences, steps, strict=True)))

    writing = asyncio.create_task(write())
    seen: list[int] = []
    while len(seen) < 5 or len(set(seen)) == 1:
        copy = path.with_name(f"copy{len(seen)}.sqlite")
        assert (await store.backup(copy)).whole
        with closing(sqlite3.connect(copy)) as db:
            (first,), (second,) = db.execute("SELECT seq FROM runs").fetchall()
        assert first == second
        seen.append(first)
    stop.set()
    await writing
    assert seen == sorted(seen)


async def test_what_the_store_suffers_from_keeps_no_copy_from_being_made(
    path: Path, store: Store, copy: Path, beneath: Beneath
) -> None:
    await kept(path)
    beneath(f"UPDATE journal SET text = 'x' WHERE run = {KEY} AND seq = 4")
    health = await store.backup(copy)
    assert health.damaged == (HURT,)
    assert (await Store(copy).check()).damaged == (HURT,)


async def test_harm_that_only_the_copy_has_is_no_backup(
    path: Path, store: Store, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kept(path)
    write = backing._write

    def bad_disk(db: sqlite3.Connection, store: Path, part: Path) -> None:
        write(db, store, part)
        content = part.read_bytes()
        assert content.count(b"visit 3") == 2
        part.write_bytes(content.replace(b"visit 3", b"visit 8"))

    monkeypatch.setattr(backing, "_write", bad_disk)
    with pytest.raises(StoreDamaged, match="not what the store is"):
        await store.backup(copy)
    assert [each.name for each in path.parent.iterdir() if "copy" in each.name] == []


async def test_a_store_that_cannot_be_read_is_not_backed_up(path: Path, store: Store, copy: Path) -> None:
    await kept(path)
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(StoreDamaged):
        await store.backup(copy)
    assert not copy.exists()
    with pytest.raises(StoreError, match="no store"):
        await Store(path.with_name("nowhere.sqlite")).backup(copy)


@pytest.mark.slow
@pytest.mark.parametrize("act", ["backup", "migrate"])
def test_a_kill_at_any_instant_leaves_the_store_whole_and_no_half_copy(tmp_path: Path, act: str) -> None:
    assert killed(act, tmp_path) > 20


# ------------------------------------------------------------------------------------------------ migrating


@pytest.fixture
def old(path: Path) -> Path:
    shutil.copyfile(KEPT / "schema1.sqlite", path)
    return path


async def test_an_earlier_store_is_led_to_today_with_a_copy_of_what_it_was(old: Path, store: Store) -> None:
    before = old.read_bytes()
    done = await store.migrate()
    assert (done.before, done.after) == (1, newest())
    assert done.copy is not None
    assert done.copy.name == "runs.schema1.sqlite"
    assert old.read_bytes() != before
    assert ((await store.check()).schema, (await Store(done.copy).check()).schema) == (newest(), 1)
    known: dict[str, Any] = json.loads((KEPT / "schema1.json").read_text())
    for each in (old, done.copy):
        async with Engine.connect(each, create=False, clock=FakeClock()) as engine:
            found = await read_all(engine, {name: run["run"] for name, run in known.items()})
        assert json.loads(json.dumps(found)) == known


async def test_a_store_of_today_is_left_as_it_is(path: Path, store: Store) -> None:
    await kept(path)
    before = path.read_bytes()
    done = await store.migrate()
    assert (done.before, done.after, done.copy) == (newest(), newest(), None)
    assert path.read_bytes() == before


async def test_migrating_without_a_copy_makes_none(old: Path, store: Store) -> None:
    assert (await store.migrate(backup=False)).copy is None
    assert not list(old.parent.glob("*schema1*"))


async def test_a_copy_of_before_writes_over_no_earlier_one(old: Path, store: Store) -> None:
    (old.parent / "runs.schema1.sqlite").write_text("mine")
    done = await store.migrate()
    assert done.copy is not None
    assert done.copy.name == "runs.schema1-2.sqlite"


async def test_many_may_migrate_at_once(old: Path, store: Store) -> None:
    done = await asyncio.gather(*(store.migrate(backup=False) for _ in range(4)))
    assert {each.after for each in done} == {newest()}
    assert (await store.check()).whole


async def test_without_its_copy_a_store_is_not_migrated(
    old: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(backing, "_sync", full)
    with pytest.raises(StoreError, match="No space left"):
        await store.migrate()
    assert (await store.check()).schema == 1


async def test_a_later_store_is_refused(path: Path, store: Store, beneath: Beneath) -> None:
    await kept(path)
    beneath("PRAGMA user_version = 4000")
    for act in (store.migrate, lambda: store.backup(path.with_name("copy.sqlite")), lambda: store.export("r1")):
        with pytest.raises(StoreTooNew):
            await act()
