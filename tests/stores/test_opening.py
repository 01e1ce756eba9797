"""From a path to a store: what is no store of ours is named, and left as it was."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.stores.conftest import Opened, Started
from workflow_engine.errors import RunOwned, StoreDamaged, StoreError, StoreTooNew
from workflow_engine.stores.sqlite import open_ledger, opening
from workflow_engine.stores.sqlite.queries import SQL, named, packaged
from workflow_engine.testing.tale import Tale

Beneath = Callable[..., list[Any]]


async def refused(path: Path, error: type[StoreError] = StoreError, *, create: bool = True) -> str:
    with pytest.raises(error) as caught:
        await (await open_ledger(path, create=create)).close()
    assert str(path) in caught.value.what
    assert caught.value.cure
    return caught.value.what


async def test_a_missing_store_is_made_with_its_folder_for_its_owner_only(path: Path, tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "runs.sqlite"
    ledger = await open_ledger(deep)
    await ledger.create(Tale("r1").begun())
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in deep.parent.iterdir()}
    assert modes == dict.fromkeys(
        ("runs.sqlite", "runs.sqlite-wal", "runs.sqlite-shm", "runs.sqlite.owners"), stat.S_IRUSR | stat.S_IWUSR
    )
    await ledger.close()


async def test_a_missing_store_is_not_made_by_those_who_only_read(path: Path) -> None:
    assert "no store" in await refused(path, create=False)
    assert list(path.parent.iterdir()) == []


async def test_an_empty_file_becomes_a_store_or_is_none(path: Path) -> None:
    path.touch()
    assert "empty" in await refused(path, create=False)
    ledger = await open_ledger(path)
    assert await ledger.find("@last") == []
    await ledger.close()


async def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    for content in (b"not a database " * 100, b"SQLite format 3\0 and then nothing", b"x"):
        path.write_bytes(content)
        assert "not a SQLite database" in await refused(path)
        assert path.read_bytes() == content


async def test_another_programs_database_is_left_alone(path: Path, beneath: Beneath) -> None:
    beneath("CREATE TABLE theirs (a)")
    before = path.read_bytes()
    assert "not a store of runs" in await refused(path)
    beneath("PRAGMA application_id = 7")
    assert "not a store of runs" in await refused(path)
    beneath("PRAGMA application_id = 0")
    assert path.read_bytes()[100:] == before[100:]


async def test_a_folder_is_no_store(path: Path) -> None:
    path.mkdir()
    assert "directory" in await refused(path)


async def test_a_device_is_no_store() -> None:
    assert "not a file" in await refused(Path(os.devnull))


async def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    await refused(tmp_path / "file" / "runs.sqlite")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
async def test_a_store_that_may_not_be_written_is_named(path: Path) -> None:
    await (await open_ledger(path)).close()
    path.chmod(0o400)
    assert "cannot be read and written" in await refused(path)
    path.chmod(0o600)
    path.parent.chmod(0o500)
    try:
        ledger = None
        with pytest.raises(StoreError):
            ledger = await open_ledger(path)
        assert ledger is None
    finally:
        path.parent.chmod(0o700)


async def test_a_later_versions_store_is_not_touched(path: Path, beneath: Beneath) -> None:
    await (await open_ledger(path)).close()
    beneath("PRAGMA user_version = 4000")
    assert "later version" in await refused(path, StoreTooNew)
    assert beneath("PRAGMA user_version") == [(4000,)]


@pytest.mark.parametrize(
    "planted",
    [
        "CREATE TRIGGER planted AFTER UPDATE ON runs BEGIN DELETE FROM journal; END",
        "CREATE VIEW planted AS SELECT * FROM runs",
        "CREATE TABLE planted (a)",
        "DROP INDEX journal_by_seq",
    ],
)
async def test_a_store_with_another_shape_is_not_used(path: Path, beneath: Beneath, planted: str) -> None:
    await (await open_ledger(path)).close()
    beneath(planted)
    assert "did not make" in await refused(path, StoreDamaged)


async def test_sqlites_own_statistics_are_no_other_shape(path: Path, beneath: Beneath) -> None:
    await (await open_ledger(path)).close()
    beneath("ANALYZE")
    await (await open_ledger(path)).close()


async def test_a_name_with_strange_characters_is_a_name(tmp_path: Path) -> None:
    for name in ("a b.sqlite", "50%?mode=ro#x.sqlite", "ü🙂.sqlite", os.fsdecode(b"\xff.sqlite"), "~.sqlite"):
        ledger = await open_ledger(tmp_path / name)
        await ledger.create(Tale("r1").begun())
        await ledger.close()
        assert (tmp_path / name).exists()


async def test_two_names_of_one_file_share_its_owners(path: Path, opened: Opened) -> None:
    tale = Tale("r1")
    await (await opened()).create(tale.begun())
    alias = path.parent / "alias.sqlite"
    alias.symlink_to(path)
    ledger = await open_ledger(alias)
    with pytest.raises(RunOwned):
        await ledger.claim(tale.id)
    await ledger.close()


async def test_a_store_follows_its_file_and_not_the_working_directory(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    ledger = await open_ledger("runs.sqlite")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    await ledger.create(Tale("r1").begun())
    await ledger.close()
    assert list((tmp_path / "other").iterdir()) == []


async def test_the_levels_of_durability_are_what_they_are_called(opened: Opened) -> None:
    def level(db: sqlite3.Connection) -> Any:
        mode = db.execute("PRAGMA journal_mode").fetchone()[0]
        return mode, db.execute("PRAGMA synchronous").fetchone()[0]

    for settings, number in (({}, 2), ({"synchronous": "normal"}, 1)):
        ledger = await opened(**settings)
        assert await ledger._writer.put(level, lambda db, result: True) == ("wal", number)


async def test_a_closed_store_says_so(opened: Opened) -> None:
    ledger = await opened()
    fence = await ledger.create(Tale("r1").begun())
    await ledger.close()
    await ledger.close()
    for act in (lambda: ledger.create(Tale("r2").begun()), lambda: ledger.find("@last"), lambda: ledger.changed(0)):
        with pytest.raises(StoreError, match="closed"):
            await act()
    await ledger.release(fence)


async def test_many_processes_may_make_one_store_at_once(path: Path, started: Started) -> None:
    children = [
        started(f"await ledger.create(Tale('r{number}').begun()); await ledger.close(); say('done')")
        for number in range(4)
    ]
    assert [child.communicate()[0] for child in children] == ["done\n"] * 4
    ledger = await open_ledger(path, create=False)
    assert len(await ledger.find("r")) == 3
    await ledger.close()


async def test_many_tasks_may_make_one_store_at_once(opened: Opened) -> None:
    ledgers = await asyncio.gather(*(opened() for _ in range(5)))
    await ledgers[0].create(Tale("r1").begun())
    assert await ledgers[4].find("r") == ["r1"]


async def test_a_system_without_such_locks_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflow_engine.stores.sqlite.owners.fcntl", None)
    with pytest.raises(StoreError, match="locks") as caught:
        await open_ledger(path)
    assert caught.value.cure
    assert not path.exists()


# ------------------------------------------------------------------------------------------------ versions


def test_migrations_are_applied_in_order_and_once(path: Path) -> None:
    steps = {
        3: "UPDATE t SET a = a || ' three';",
        2: "CREATE TABLE t (a); INSERT INTO t VALUES ('two');",
    }
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for _ in range(2):
            opening.migrate(db, db.execute("PRAGMA user_version").fetchone()[0], steps)
        assert db.execute("SELECT a FROM t").fetchall() == [("two three",)]
        assert db.execute("PRAGMA user_version").fetchone() == (3,)


def test_a_migration_that_fails_leaves_the_version_before_it(path: Path) -> None:
    steps = {2: "CREATE TABLE t (a);", 3: "INSERT INTO t VALUES (1); INSERT INTO nowhere VALUES (1);"}
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        with pytest.raises(sqlite3.OperationalError):
            opening.migrate(db, 1, steps)
        db.rollback()
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
        assert db.execute("SELECT * FROM t").fetchall() == []


def test_migrations_are_named_for_the_versions_they_lead_to() -> None:
    assert sorted(opening.migrations()) == list(range(2, opening.newest() + 1))


# ------------------------------------------------------------------------------------------------ statements


def test_every_named_statement_fits_the_schema() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(packaged("schema.sql"))
        for name, statement in SQL.items():
            values: Any = dict.fromkeys(re.findall(r":(\w+)", statement)) or [None] * statement.count("?")
            db.execute(f"EXPLAIN {statement}" if not statement.startswith("PRAGMA") else statement, values), name


def test_every_named_statement_is_used() -> None:
    room = Path(opening.__file__).parent
    code = "".join(each.read_text() for each in room.rglob("*.py"))
    assert [name for name in SQL if f'"{name}"' not in code] == []


FEW = re.compile("letters|CONSTANT ROW")  # waiting letters are few; a row of constants is one


def test_no_statement_scans_where_it_could_look_up() -> None:
    whole = {
        "page_of_runs",
        "last_run",
        "last_root",
        "keys_within",
        "ids",
        "questions_open",
        "run_unindexed",
        "undelivered",
        "publications",
        "people",
        "schedules",
        "notices_newest",
    }  # these read one end of a table, or an index of few
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(packaged("schema.sql"))
        for name, statement in SQL.items():
            if not statement.startswith(("SELECT", "UPDATE")) or name in whole:
                continue
            values: Any = dict.fromkeys(re.findall(r":(\w+)", statement)) or [None] * statement.count("?")
            plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
            assert not [step for step in plan if step.startswith("SCAN ") and not FEW.search(step)], (name, plan)


def test_a_name_is_given_once() -> None:
    text = packaged("queries.sql")
    assert len(re.findall("^-- name:", text, re.MULTILINE)) == len(named(text)) == len(SQL)


async def test_reading_a_hostile_store_runs_no_code(path: Path, started: Started, beneath: Beneath) -> None:
    child = started(
        """
tale = Tale("r1", workflow="os:system", target="/etc/passwd:planted")
fence = await ledger.create(tale.begun({"py/object": "os.system", "import": "planted", "lc": 2}, a={"__reduce__": 1}))
await ledger.commit(fence, tale.asked("{{ 7 * 7 }} __import__('planted')"))
await ledger.close()
say("made")
"""
    )
    assert child.communicate()[0] == "made\n"
    reader = started(
        """
seen = []
watched = "import exec compile pickle marshal subprocess os.system ctypes sqlite3.load open".split()
async def everything():
    await ledger.read("r1"); await ledger.journal("r1"); await ledger.document("r1"); await ledger.questions()
    await ledger.at("r1", 2); await ledger.unfinished(); await ledger.find("r")
    fence, _ = await ledger.claim("r1"); await ledger.release(fence)
await everything()
sys.addaudithook(lambda event, args: seen.append(event) if event.startswith(tuple(watched)) else None)
await everything()
say(seen)
await ledger.close()
"""
    )
    assert reader.communicate()[0] == "[]\n"
