"""The check: whatever is wrong with a store is found and named, and nothing is touched by looking."""

from __future__ import annotations

import asyncio
import json
import random
import re
import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.stores.conftest import Opened, Started
from tests.stores.keeping import CASE, KEPT, fill
from tests.stores.test_damage import HARM, HURT, KEY, WELL, _bit, _bytes, _cut, _page, _zeroes, filled, readings
from workflow_engine import Engine, Store
from workflow_engine.errors import StoreDamaged, StoreError, StoreTooNew
from workflow_engine.ports.keeping import Health
from workflow_engine.ports.ledger import Page
from workflow_engine.record.ids import RunId
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.stores.sqlite.keeping import examining, statements
from workflow_engine.stores.sqlite.keeping.statements import OWN
from workflow_engine.stores.sqlite.queries import SQL as LEDGER
from workflow_engine.stores.sqlite.queries import packaged
from workflow_engine.stores.sqlite.seals import seal
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.mint import SeededMint
from workflow_engine.testing.tale import Tale, append, sets

Beneath = Callable[..., list[Any]]
LETTER = "id = 'r1.q1'"
# Harm that no reading of one run meets, or none until it is too late.
QUIET = {
    "an event without its run's own row": f"DELETE FROM runs WHERE key = {KEY}",
    "a letter changed": f"UPDATE letters SET text = replace(text, 'yes', 'no') WHERE {LETTER}",
    "a letter lost": f"DELETE FROM letters WHERE {LETTER}",
    "a letter that waits again": f"UPDATE letters SET taken = NULL WHERE {LETTER}",
    "a letter taken at no event": f"UPDATE letters SET taken = 999 WHERE {LETTER}",
    "a letter of another run": f"UPDATE letters SET run = (SELECT key FROM runs WHERE id = 'r2') WHERE {LETTER}",
    "a letter of another question": f"UPDATE letters SET question = 'r1.q7' WHERE {LETTER}",
    "an answered question open again": f"UPDATE questions SET fate = NULL WHERE run = {KEY}",
    "a version of another place": f"UPDATE versions SET seq = seq + 1 WHERE run = {KEY} AND version = 2",
    "a version too many": (
        "INSERT INTO versions SELECT run, 'more', 1, first, seq, op, seal, text FROM versions"
        f" WHERE run = {KEY} LIMIT 1"
    ),
    "a run's name changed": "UPDATE runs SET id = 'r9' WHERE id = 'r1'",
}


@pytest.fixture
def store(path: Path) -> Store:
    return Store(path)


async def kept(path: Path) -> None:
    ledger = await open_ledger(path)
    await filled(ledger, HURT, WELL)
    await ledger.close()


async def test_a_whole_store_is_whole_and_its_rows_are_counted(path: Path, store: Store) -> None:
    await kept(path)
    health = await store.check()
    assert health.whole, health.harms
    assert (health.runs, health.questions, health.letters) == (2, 2, 2)
    with closing(sqlite3.connect(path)) as db:
        counted = [db.execute(f"SELECT count(*) FROM {each}").fetchone()[0] for each in ("journal", "versions")]
    assert [health.events, health.versions] == counted


async def test_runs_in_every_state_are_whole(path: Path, store: Store) -> None:
    async with Engine.connect(path, workflows=[CASE], clock=FakeClock(), mint=SeededMint(3)) as engine:
        await fill(engine)
        health = await store.check()
    assert health.whole, health.harms
    assert health.runs == 6


@pytest.mark.parametrize("schema", sorted(KEPT.glob("schema*.sqlite")), ids=lambda each: each.stem)
async def test_a_store_of_each_schema_is_whole_as_it_is(path: Path, store: Store, schema: Path) -> None:
    path.write_bytes(schema.read_bytes())
    health = await store.check()
    assert health.whole, health.harms
    assert health.runs == 7
    assert path.read_bytes() == schema.read_bytes()


@pytest.mark.parametrize("harm", [*HARM, *QUIET])
async def test_every_harm_is_found_and_laid_at_its_run(path: Path, store: Store, beneath: Beneath, harm: str) -> None:
    await kept(path)
    beneath(QUIET[harm] if harm in QUIET else HARM[harm][0])
    health = await store.check()
    assert set(health.damaged) in ({HURT}, {RunId("r9")}, {HURT, WELL} if "another run" in harm else {HURT})
    assert all(each.cure for each in health.harms)


@pytest.mark.parametrize(
    ("steps", "why"),
    [("text", "adds up"), ("usage", "adds up"), ("status", "columns")],
)
async def test_a_row_that_was_forged_with_its_seal_is_not_what_its_journal_adds_up_to(
    path: Path, store: Store, beneath: Beneath, steps: str, why: str
) -> None:
    await kept(path)
    columns = "id, workflow, status, reason, created, updated, steps, target, epoch, seq, document, fields"
    text, *place = beneath(f"SELECT text, {columns} FROM runs WHERE id = 'r1'")[0]
    told = json.loads(text)
    match steps:
        case "text":
            told["frontier"]["due"] = ["elsewhere"]
        case "usage":
            told["usage"] = {"requests": 7}
        case _:
            told["status"] = "succeeded"
    forged = json.dumps(told)
    beneath("UPDATE runs SET text = ?, seal = ? WHERE id = 'r1'", forged, seal(forged, *place))
    (harm,) = (await store.check()).harms
    assert harm.run == HURT
    assert why in harm.what


async def test_an_event_that_was_forged_with_its_seal_contradicts_the_others(
    path: Path, store: Store, beneath: Beneath
) -> None:
    await kept(path)
    first = beneath(f"SELECT text FROM journal WHERE run = {KEY} AND seq = 1")[0][0]
    beneath(f"UPDATE journal SET text = ?, seal = ? WHERE run = {KEY} AND seq = 4", first, seal(first, HURT, 4))
    (harm,) = (await store.check()).harms
    assert "event 4 cannot be a RunCreated" in harm.what


async def test_rows_of_other_types_with_their_seals_are_harm_and_no_mistake_of_ours(
    path: Path, store: Store, beneath: Beneath
) -> None:
    await kept(path)
    for value in ("'x'", "x'00'", "NULL", "1e300"):
        beneath("DROP TABLE IF EXISTS spare")
        for table, column in (("versions", "version"), ("journal", "seq"), ("letters", "taken"), ("runs", "epoch")):
            whole = path.read_bytes()
            try:
                beneath(f"UPDATE {table} SET {column} = {value} WHERE rowid = (SELECT max(rowid) FROM {table})")
            except sqlite3.IntegrityError:
                continue
            if (table, value) != ("letters", "NULL"):
                assert not (await store.check()).whole, (table, value)
            beneath("PRAGMA wal_checkpoint(TRUNCATE)")
            path.write_bytes(whole)


# ------------------------------------------------------------------------------------------------ what lists lose

# For each index: what hides an entry from it, and what brings the row back behind its back.
LOST = {
    "runs_by_status": ("UPDATE runs SET status = 'x' WHERE id = 'r1'", "UPDATE runs SET status = 'running'"),
    "runs_by_workflow": ("UPDATE runs SET workflow = 'x' WHERE id = 'r1'", "UPDATE runs SET workflow = 'tale'"),
    "questions_open": ("UPDATE questions SET fate = 'x' WHERE id = 'r2.q1'", "UPDATE questions SET fate = NULL"),
    "questions_by_run": (
        "UPDATE questions SET run = 77 WHERE id = 'r1.q1'",
        f"UPDATE questions SET run = {KEY} WHERE run = 77",
    ),
    "letters_waiting": ("UPDATE letters SET taken = 7 WHERE id = 'r2.q1'", "UPDATE letters SET taken = NULL"),
    "journal_by_seq": (
        f"UPDATE journal SET seq = 77 WHERE run = {KEY} AND seq = 4",
        f"UPDATE journal SET seq = 4 WHERE run = {KEY} AND seq = 77",
    ),
    "versions_by_field": (
        f"UPDATE versions SET field = 'x' WHERE run = {KEY} AND field = 'note'",
        "UPDATE versions SET field = 'note' WHERE field = 'x'",
    ),
}


@contextmanager
def unhooked(path: Path, index: str) -> Iterator[sqlite3.Connection]:
    """A connection that does not know of an index, and so leaves it as it is."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        row = db.execute("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master WHERE name = ?", (index,))
        hook = row.fetchone()
        db.execute("DELETE FROM sqlite_master WHERE name = ?", (index,))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        yield db
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", hook)


@pytest.mark.parametrize("index", LOST)
async def test_an_entry_that_an_index_lost_is_found_and_a_backup_has_it_again(
    path: Path, store: Store, beneath: Beneath, index: str
) -> None:
    await kept(path)
    hide, bring = LOST[index]
    beneath(hide)
    where = "" if "WHERE" in bring else f" WHERE {hide.rsplit('WHERE', 1)[1]}"
    with unhooked(path, index) as db:
        db.execute(bring + where)
    health = await store.check()
    assert not health.whole
    assert any(index in each.what for each in health.harms)
    copy = path.with_name("copy.sqlite")
    assert (await store.backup(copy)).whole
    ledger = await open_ledger(copy)
    assert [each.run for each in await ledger.runs(Page(workflow="tale", status="running"))] == [HURT]
    assert await ledger.letters(WELL)
    await ledger.close()


# ------------------------------------------------------------------------------------------------ pages


@pytest.mark.parametrize("harm", [_page, _zeroes, _bytes, _bit, _cut])
async def test_a_damaged_page_is_reported_or_everything_reads_as_it_did(
    path: Path, store: Store, harm: Callable[..., None]
) -> None:
    names = [RunId(f"run{number}") for number in range(12)]
    ledger = await open_ledger(path)
    await filled(ledger, *names)
    truth = await everything(path, names)
    await ledger.close()
    whole, chance = path.read_bytes(), random.Random(f"check {harm.__name__}")
    reported = 0
    for _ in range(25):
        content = bytearray(whole)
        harm(content, chance)
        for file in path.parent.iterdir():
            file.unlink()
        path.write_bytes(content)
        try:
            health: Health | None = await store.check()
        except StoreError:
            health = None
        if health is None or not health.whole:
            reported += 1
        else:
            assert await everything(path, names) == truth
        assert path.read_bytes() == content, "a check writes nothing"
    assert reported > (2 if harm is _bit else 6)


async def everything(path: Path, names: list[RunId]) -> dict[Any, Any]:
    """All that can be read of a store."""
    ledger = await open_ledger(path, create=False)
    found: dict[Any, Any] = {(run, name): await read() for run in names for name, read in readings(ledger, run).items()}
    for page in (Page(), Page(status="running"), Page(status="waiting"), Page(workflow="tale")):
        found[page.status, page.workflow] = await ledger.runs(page)
    found["inbox"], found["boxes"] = await ledger.questions(), await ledger.boxes()
    found["unfinished"], found["last"] = await ledger.unfinished(), await ledger.find("@last")
    await ledger.close()
    return found


async def test_the_first_page_of_each_table_and_each_index_is_missed(path: Path, store: Store) -> None:
    await kept(path)
    with closing(sqlite3.connect(path)) as db:
        roots = db.execute("SELECT name, rootpage FROM sqlite_master WHERE rootpage > 0").fetchall()
    whole = path.read_bytes()
    assert {"runs", "journal", "versions", "questions", "letters", "documents", "loans"} <= {name for name, _ in roots}
    for name, root in roots:
        path.write_bytes(whole[: (root - 1) * 4096] + random.Random(name).randbytes(4096) + whole[root * 4096 :])
        health = await store.check()
        assert not health.whole, name


# ------------------------------------------------------------------------------------------------ statements


def test_every_statement_of_house_keeping_fits_the_schema_and_is_used_under_a_name_of_its_own() -> None:
    room = Path(statements.__file__).parent
    code = "".join(each.read_text() for each in room.glob("*.py"))
    assert not set(OWN) & set(LEDGER)
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(packaged("schema.sql"))
        for name, statement in OWN.items():
            values: Any = dict.fromkeys(re.findall(r":(\w+)", statement)) or [None] * statement.count("?")
            db.execute(f"EXPLAIN {statement}", values)
            family = re.sub("_(journal|versions|questions|letters|logs|files|notices)$", "_{table}", name)
            assert f'"{name}"' in code or f'f"{family}"' in code, name


# ------------------------------------------------------------------------------------------------ its manners


async def test_a_store_in_use_is_whole_at_every_moment(opened: Opened, path: Path, store: Store) -> None:
    ledger = await opened()
    tales = [Tale(f"r{number}") for number in range(5)]
    fences = [await ledger.create(each.begun()) for each in tales]
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            for tale, fence in zip(tales, fences, strict=True):
                await ledger.commit(fence, tale.stepped(append("log", "x" * 200), *sets({"n": 1})))

    writing = asyncio.create_task(write())
    seen = [await store.check()]
    while len(seen) < 8 or seen[-1].events == seen[0].events:
        seen.append(await store.check())
    stop.set()
    await writing
    assert {each.harms for each in seen} == {()}


async def test_a_commit_between_two_looks_at_a_run_is_no_harm(
    opened: Opened, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = await opened()
    tale = Tale("r1")
    fence = await ledger.create(tale.begun())
    loop, look = asyncio.get_running_loop(), examining._journal

    def late(*found: Any) -> None:
        async def commit() -> None:
            await ledger.commit(fence, tale.stepped(append("log", 1)))

        asyncio.run_coroutine_threadsafe(commit(), loop).result()
        look(*found)

    monkeypatch.setattr(examining, "_journal", late)
    assert (await store.check()).harms == ()
    assert tale.run is not None
    assert (await ledger.read(tale.id)).run.seq == 3


async def test_what_is_only_in_the_log_is_checked_too(path: Path, store: Store, started: Started) -> None:
    child = started(
        """
tale = Tale("r1")
fence = await ledger.create(tale.begun(a=1))
await ledger.commit(fence, tale.stepped(*sets({"a": 2})))
say("written")
sys.stdin.read()
"""
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "written\n"
    child.kill()
    child.wait()
    before = path.read_bytes(), path.with_name("runs.sqlite-wal").read_bytes()
    health = await store.check()
    assert (health.whole, health.runs, health.versions) == (True, 1, 2)
    assert (path.read_bytes(), path.with_name("runs.sqlite-wal").read_bytes()) == before


async def test_a_store_that_no_longer_opens_can_still_be_checked(path: Path, store: Store, beneath: Beneath) -> None:
    await kept(path)
    beneath("CREATE TABLE planted (a)")
    with pytest.raises(StoreDamaged):
        await open_ledger(path)
    (harm,) = (await store.check()).harms
    assert "did not make" in harm.what


async def test_what_is_no_store_is_told(tmp_path: Path, path: Path, beneath: Beneath) -> None:
    with pytest.raises(StoreError, match="no store"):
        await Store(tmp_path / "nowhere.sqlite").check()
    with pytest.raises(StoreError, match="directory"):
        await Store(tmp_path).check()
    (tmp_path / "text").write_text("hello " * 1000)
    with pytest.raises(StoreError, match="not a SQLite database"):
        await Store(tmp_path / "text").check()
    with closing(sqlite3.connect(tmp_path / "other")) as db:
        db.execute("CREATE TABLE t (a)")
    with pytest.raises(StoreError, match="not a store of runs"):
        await Store(tmp_path / "other").check()
    await kept(path)
    beneath("PRAGMA user_version = 4000")
    with pytest.raises(StoreTooNew):
        await Store(path).check()


async def test_a_loan_that_is_not_noted_is_found(path: Path, store: Store, beneath: Beneath) -> None:
    await kept(path)
    text = '{"run":"r2","version":1}'
    mark = seal(text, HURT, "note", 1, 1, 2, "shared")
    beneath(f"UPDATE versions SET op = 'shared', seal = ?, text = ? WHERE run = {KEY} AND field = 'note'", mark, text)
    health = await store.check()
    assert health.damaged == (HURT,)
    assert "the loan is not noted" in health.harms[0].what


async def test_a_lost_run_is_called_by_the_name_its_journal_knows(path: Path, store: Store, beneath: Beneath) -> None:
    await kept(path)
    beneath("DELETE FROM runs WHERE id = 'r1'")
    health = await store.check()
    assert {each.run for each in health.harms} == {HURT}
    assert all("own row is lost" in each.what for each in health.harms)


async def test_a_long_journal_takes_no_more_room_than_a_short_one(opened: Opened, path: Path, store: Store) -> None:
    ledger = await opened()
    tale = Tale("r1")
    fence = await ledger.create(tale.begun())
    for _ in range(300):
        await ledger.commit(fence, tale.stepped(append("log", "x" * 10_000)))
    await store.check()
    tracemalloc.start()
    try:
        assert (await store.check()).whole
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


async def test_who_stops_waiting_stops_the_check(path: Path, store: Store) -> None:
    await kept(path)
    task = asyncio.create_task(store.check())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await store.check()).whole
