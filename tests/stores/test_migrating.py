"""Stores of earlier schemas: opened by today's engine, led to today's schema, read and driven as if they were new."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.stores.keeping import CASE, KEPT, read
from workflow_engine import Engine
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.stores.sqlite.opening import migrate, migrations, newest
from workflow_engine.stores.sqlite.queries import packaged
from workflow_engine.testing.clock import FakeClock

EARLIER = sorted(KEPT.glob("schema*.sqlite"))


@pytest.fixture(params=EARLIER, ids=lambda each: each.stem)
def earlier(request: Any, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    kept: Path = request.param
    copy = tmp_path / kept.name
    shutil.copyfile(kept, copy)
    return copy, json.loads(kept.with_suffix(".json").read_text())


def _version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        version: int = db.execute("PRAGMA user_version").fetchone()[0]
        return version


def test_a_store_of_each_earlier_schema_is_kept() -> None:
    assert [_version(each) for each in EARLIER][: newest() - 1] == list(range(1, newest()))


async def test_an_earlier_store_reads_as_it_did(earlier: tuple[Path, dict[str, Any]]) -> None:
    path, known = earlier
    async with Engine.connect(path, create=False, clock=FakeClock()) as engine:
        found = await read(engine, {name: each["run"] for name, each in known.items()})
    assert json.loads(json.dumps(found)) == known
    assert _version(path) == newest()


async def test_runs_of_an_earlier_store_go_on(earlier: tuple[Path, dict[str, Any]]) -> None:
    path, known = earlier
    async with Engine.connect(path, workflows=[CASE], clock=FakeClock()) as engine:
        view = await engine.resume(known["answered"]["run"])
        assert (view.status, view.values["tries"]) == ("waiting", 6)
        (asked,) = await engine.inbox(known["waiting"]["run"])
        await engine.answer(asked.question.id, {"choice": "abandon"})
        assert (await engine.resume(known["waiting"]["run"])).reason == "abandoned"


async def test_what_waited_in_an_earlier_store_is_due_when_it_was(earlier: tuple[Path, dict[str, Any]]) -> None:
    path, known = earlier
    dues = {datetime.fromisoformat(asked["due"]) for each in known.values() for asked in each["questions"]}
    async with Engine.connect(path, create=False, clock=FakeClock()):
        pass
    ledger = await open_ledger(path, create=False)
    for due in dues:
        assert await ledger.due(due - timedelta(microseconds=1)) == []
        assert set(await ledger.due(due)) == {known["waiting"]["run"], known["answered"]["run"]}
        assert await ledger.next_due(due - timedelta(days=1)) == due
    await ledger.close()


def test_a_migrated_store_has_the_shape_of_a_new_one() -> None:
    with closing(sqlite3.connect(EARLIER[0])) as kept, closing(sqlite3.connect(":memory:")) as led:
        kept.backup(led)
        led.isolation_level = None
        migrate(led, 1, migrations())
        with closing(sqlite3.connect(":memory:")) as new:
            new.executescript(packaged("schema.sql"))
            shape = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
            assert led.execute(shape).fetchall() == new.execute(shape).fetchall()
