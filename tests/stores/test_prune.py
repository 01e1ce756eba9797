"""Pruning: what is over goes by age and number, what can go on never goes, and nobody else notices."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.stores.conftest import Opened, Started
from tests.stores.keeping import CASE
from tests.stores.test_backup import killed
from tests.stores.test_check import Beneath
from workflow_engine import Engine, Store
from workflow_engine.errors import RunNotFound, UsageError
from workflow_engine.ports.keeping import Pruned
from workflow_engine.ports.ledger import Batch, Ledger, Page, Shared
from workflow_engine.record import events as e
from workflow_engine.record.fold import advance, begin
from workflow_engine.record.frontier import Move
from workflow_engine.record.ids import RunId
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.stores.sqlite.keeping import prune as pruning
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.tale import START, Tale, append, sets

NOW = START + timedelta(days=100)


@pytest.fixture
def store(path: Path) -> Store:
    return Store(path, clock=FakeClock(NOW))


async def told(ledger: Ledger, name: str, *acts: str, days: int = 0, workflow: str = "tale", **fields: Any) -> Tale:
    """A run that ended so many days ago, or that stands where the acts leave it."""
    tale = Tale(name, workflow=workflow, start=NOW - timedelta(days=days, hours=1))
    fence = await ledger.create(tale.begun({"document of": workflow}, **fields))
    for act in acts:
        await ledger.commit(fence, getattr(tale, act)())
    await ledger.release(fence)
    return tale


def reached_fail(tale: Tale) -> Batch:
    """The run ends at FAIL, which nothing resumes."""
    assert tale.run is not None
    at = tale.run.updated + timedelta(seconds=1)
    move = Move("work", (), ended="FAIL: no", via=("work>FAIL",))
    event = e.StepFinished(at, "work", "function", 1, 1, at, 0.1, (), move)
    tale.run = advance(tale.run, event)
    return Batch(tale.run, [event])


async def aged(path: Path) -> None:
    """Five runs that are over, and one of each that is not."""
    ledger = await open_ledger(path)
    await told(ledger, "old", "succeeded", days=50)
    await told(ledger, "older-other", "cancelled", days=60, workflow="other")
    await told(ledger, "young", "succeeded", days=1)
    await told(ledger, "running", days=90)
    await told(ledger, "waiting", "asked", days=90)
    await told(ledger, "failed", "failed", days=90)
    ended = await told(ledger, "ended", days=90)
    fence, _ = await ledger.claim(ended.id)
    await ledger.commit(fence, reached_fail(ended))
    await ledger.close()


def names(pruned: Pruned) -> set[str]:
    return {each.run for each in pruned.runs}


RULES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "by age": ({"older_than": timedelta(days=30)}, {"old", "older-other"}),
    "by a greater age": ({"older_than": timedelta(days=55)}, {"older-other"}),
    "by number, the newest stay": ({"keep": 1}, {"old", "older-other"}),
    "by number, none stay": ({"keep": 0}, {"old", "older-other", "young"}),
    "by number, all stay": ({"keep": 3}, set()),
    "only where both let it go": ({"older_than": timedelta(days=30), "keep": 2}, {"old"}),
    "of one workflow": ({"older_than": timedelta(0), "workflow": "other"}, {"older-other"}),
    "of one end": ({"older_than": timedelta(0), "statuses": ["cancelled"]}, {"older-other"}),
    "that reached FAIL, and none that can be resumed": ({"keep": 0, "statuses": ["failed"]}, {"ended"}),
    "of an age no run has": ({"older_than": timedelta(days=99999)}, set()),
}


@pytest.mark.parametrize("rule", RULES)
async def test_what_goes(path: Path, store: Store, rule: str) -> None:
    await aged(path)
    asked, gone = RULES[rule]
    before = path.read_bytes()
    assert names(await store.prune(**asked, dry=True)) == gone
    assert path.read_bytes() == before
    assert names(await store.prune(**asked)) == gone
    health = await store.check()
    assert (health.harms, health.runs) == ((), 7 - len(gone))
    ledger = await open_ledger(path)
    everyone = {"old", "older-other", "young", "running", "waiting", "failed", "ended"}
    assert {each.run for each in await ledger.runs(Page())} == everyone - gone
    for each in gone:
        with pytest.raises(RunNotFound):
            await ledger.read(RunId(each))
    await ledger.close()
    assert names(await store.prune(**asked)) == set()


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"workflow": "tale"},
        {"keep": 0, "statuses": ["running"]},
        {"keep": 0, "statuses": ["waiting"]},
        {"keep": 0, "statuses": ["damaged", "failed"]},
    ],
)
async def test_what_is_no_rule_removes_nothing(path: Path, store: Store, asked: dict[str, Any]) -> None:
    await aged(path)
    with pytest.raises(UsageError) as caught:
        await store.prune(**asked)
    assert caught.value.cure
    assert (await store.check()).runs == 7


async def test_every_trace_of_a_run_goes_with_it(path: Path, store: Store, beneath: Beneath) -> None:
    ledger = await open_ledger(path)
    tale = Tale("gone")
    fence = await ledger.create(tale.begun({"d": "of the gone"}, secret="the gone were here"))
    await ledger.commit(fence, tale.asked("the gone ask"))
    letter = replace(tale.answer(), by="the gone answer")
    assert letter.answer is not None
    await ledger.send(letter)
    await ledger.commit(fence, tale.answered(letter.answer, [letter.id]))
    await ledger.commit(fence, tale.succeeded())
    await ledger.release(fence)
    await told(ledger, "stays", "succeeded", kept="the kept")
    await ledger.close()
    assert b"the gone" in path.read_bytes()
    assert names(await store.prune(keep=1)) == {"gone"}
    tables = ("runs", "journal", "versions", "questions", "letters", "documents")
    assert [beneath(f"SELECT count(*) FROM {each}")[0][0] for each in tables] == [1, 3, 1, 0, 0, 1]
    content = path.read_bytes()
    assert b"the gone" not in content
    assert b"the kept" in content


async def test_a_document_stays_as_long_as_a_run_needs_it(path: Path, store: Store, beneath: Beneath) -> None:
    ledger = await open_ledger(path)
    await told(ledger, "first", "succeeded", days=9)
    await told(ledger, "second", "succeeded")
    await ledger.close()
    await store.prune(keep=1)
    assert beneath("SELECT count(*) FROM documents") == [(1,)]
    await store.prune(keep=0)
    assert beneath("SELECT count(*) FROM documents") == [(0,)]


# ------------------------------------------------------------------------------------------------ beside others


async def test_a_run_that_is_driven_is_left_alone(path: Path, store: Store, opened: Opened) -> None:
    ledger = await opened()
    tale = await told(ledger, "mine", "succeeded")
    await told(ledger, "nobodys", "succeeded")
    await ledger.claim(tale.id)
    done = await store.prune(keep=0)
    assert (names(done), done.owned) == ({"nobodys"}, ("mine",))
    assert (await store.prune(keep=0, dry=True)).owned == ("mine",)
    assert (await ledger.read(tale.id)).run.status == "succeeded"


@pytest.mark.slow
async def test_a_prune_beside_owners_takes_nothing_from_them(path: Path, store: Store, started: Started) -> None:
    children = [
        started(
            f"""
import random
for number in range(60):
    tale = Tale(f"{name}-{{number}}")
    fence = await ledger.create(tale.begun({{"number": number % 3}}, n=number))
    for step in range(3):
        await ledger.commit(fence, tale.stepped(append("log", "x" * 300)))
    await ledger.commit(fence, tale.succeeded() if number % 2 else tale.asked())
    await ledger.release(fence)
await ledger.close()
say("done")
"""
        )
        for name in ("one", "other")
    ]
    gone: set[str] = set()
    while any(child.poll() is None for child in children):
        if path.exists() and path.stat().st_size:
            gone |= names(await store.prune(keep=3))
    assert [child.communicate()[0] for child in children] == ["done\n"] * 2
    gone |= names(await store.prune(keep=3))
    health = await store.check()
    assert health.harms == ()
    assert len(gone) + health.runs == 120
    ledger = await open_ledger(path)
    left = await ledger.runs(Page(limit=1000))
    assert len([each for each in left if each.status == "waiting"]) == 60
    assert len([each for each in left if each.status == "succeeded"]) == 3
    await ledger.close()


async def test_whoever_reads_meanwhile_sees_a_run_whole_or_not_at_all(path: Path, store: Store, opened: Opened) -> None:
    ledger = await opened()
    for number in range(30):
        await told(ledger, f"r{number}", "stepped", "succeeded")
    pruning = asyncio.create_task(store.prune(keep=0))
    while not pruning.done():
        for each in await ledger.runs(Page(limit=100)):
            assert each.status == "succeeded"
            with suppress(RunNotFound):
                assert len(await ledger.journal(each.run)) == 4
    assert len((await pruning).runs) == 30


@pytest.mark.slow
def test_a_kill_at_any_instant_leaves_every_run_whole_or_gone(tmp_path: Path) -> None:
    assert killed("prune", tmp_path) > 25


async def test_a_transaction_ends_before_it_is_long(
    path: Path, store: Store, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = await opened()
    for number in range(12):
        await told(ledger, f"r{number}", *["stepped"] * 3, "succeeded")
    ended: list[int] = []
    remove = pruning._remove

    def counted(db: Any, owners: Any, batch: Any, *rest: Any) -> None:
        remove(db, owners, batch, *rest)
        ended.append(len(batch))

    monkeypatch.setattr(pruning, "_remove", counted)
    monkeypatch.setattr(pruning, "ROWS", 20)
    assert len((await store.prune(keep=2)).runs) == 10
    assert max(ended) == 4
    assert sum(ended) == 10


# ------------------------------------------------------------------------------------------------ room


async def test_the_file_shrinks_when_nobody_drives_a_run(path: Path, store: Store) -> None:
    ledger = await open_ledger(path)
    for number in range(5):
        await told(ledger, f"r{number}", "succeeded", text="x" * 200_000)
    await ledger.close()
    done = await store.prune(keep=1)
    assert done.after == path.stat().st_size
    assert done.after < done.before - 700_000
    assert done.spare < 10_000


async def test_the_file_keeps_its_size_while_somebody_drives_a_run(path: Path, store: Store, opened: Opened) -> None:
    ledger = await opened()
    for number in range(5):
        await told(ledger, f"r{number}", "succeeded", text="x" * 200_000)
    tale = Tale("driven")
    fence = await ledger.create(tale.begun())
    done = await store.prune(keep=1)
    assert done.spare > 700_000
    assert "driven" in done.notes[0]
    await ledger.commit(fence, tale.stepped(*sets({"again": "x" * 500_000})))
    await ledger.release(fence)
    assert (await store.prune(keep=1)).after < 1_000_000


# ------------------------------------------------------------------------------------------------ forks


def fork(parent: Tale, name: str, *fields: str, seq: int | None = None) -> Batch:
    """The first batch of a fork that shares fields with its parent as it stood."""
    assert parent.run is not None
    run = parent.run
    at = seq or run.seq
    move = Move(None, ("work",))
    forked = e.RunForked(
        run.updated, RunId(name), run.workflow, run.shape, run.bodies, run.id, 1, at, run.frontier, move
    )
    return Batch(begin(forked), [forked], document={"d": 1}, shared=Shared(run.id, at, fields))


async def test_a_fork_keeps_what_its_parent_lent_when_the_parent_goes(
    path: Path, store: Store, beneath: Beneath
) -> None:
    ledger = await open_ledger(path)
    parent = Tale("parent")
    fence = await ledger.create(parent.begun(small=1, large="x" * 5000))
    for number in range(3):
        await ledger.commit(fence, parent.stepped(append("log", number, "y" * 100)))
    for name in ("one", "two"):
        await ledger.release(await ledger.create(fork(parent, name, "large", "log")))
    two = Tale.of((await ledger.read(RunId("two"))).run)
    again, _ = await ledger.claim(two.id)
    await ledger.commit(again, two.stepped(append("log", "more")))
    await ledger.release(await ledger.create(fork(two, "three", "large", "log")))
    await ledger.commit(fence, parent.succeeded())
    await ledger.release(fence)
    await ledger.close()
    forks = [RunId(each) for each in ("one", "two", "three")]
    before = await values(path, forks)
    assert before["two"]["log"][-1] == "more"
    assert beneath("SELECT count(*) FROM loans WHERE lender = 1") == [(3,)]
    assert names(await store.prune(keep=0)) == {"parent"}
    assert await values(path, forks) == before
    assert beneath("SELECT count(*) FROM loans WHERE lender = 1") == [(0,)]
    assert (await store.check()).harms == ()
    # The fork of the fork still rests on it, until that goes as well.
    ledger = await open_ledger(path)
    again, found = await ledger.claim(two.id)
    await ledger.commit(again, Tale.of(found.run).succeeded())
    await ledger.close()
    assert names(await store.prune(keep=0)) == {"two"}
    assert (await values(path, [RunId("three")]))["three"] == before["three"]
    health = await store.check()
    assert (health.harms, health.runs) == ((), 2)
    assert beneath("SELECT count(*) FROM loans") == [(0,)]


async def values(path: Path, runs: list[RunId]) -> dict[str, dict[str, Any]]:
    ledger = await open_ledger(path)
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        found[run] = {name: value.json() for name, value in (await ledger.read(run)).state.items()}
    await ledger.close()
    return found


async def test_a_lender_that_cannot_be_read_is_not_taken_from_its_borrower(
    path: Path, store: Store, beneath: Beneath
) -> None:
    ledger = await open_ledger(path)
    parent = Tale("parent")
    fence = await ledger.create(parent.begun(large="x" * 50))
    await ledger.release(await ledger.create(fork(parent, "fork", "large")))
    await ledger.commit(fence, parent.succeeded())
    await ledger.close()
    beneath("UPDATE versions SET text = '\"y\"' WHERE op = 'set'")
    done = await store.prune(keep=0)
    assert (names(done), done.hurt) == (set(), ("parent",))
    assert set((await store.check()).damaged) == {"parent", "fork"}


async def test_forks_of_the_engine_outlive_what_they_were_forked_from(path: Path, store: Store) -> None:
    async with Engine.connect(path, workflows=[CASE], clock=FakeClock()) as engine:
        run = await engine.run(CASE, n=2)
        forked = await engine.fork(run.id, at=1)
        before = await engine.get(forked.id)
    await store.prune(keep=1)
    assert (await store.check()).harms == ()
    async with Engine.connect(path, workflows=[CASE], clock=FakeClock()) as engine:
        assert (await engine.get(forked.id)).values == before.values
        with pytest.raises(RunNotFound):
            await engine.get(run.id)


# ------------------------------------------------------------------------------------------------ damage


async def test_a_damaged_run_is_pruned_only_by_that_name_and_comes_back_from_a_backup(
    path: Path, store: Store, beneath: Beneath, tmp_path: Path
) -> None:
    ledger = await open_ledger(path)
    await told(ledger, "hurt", "stepped", "succeeded", days=9)
    await told(ledger, "lost", "stepped", "succeeded", days=9)
    await told(ledger, "well", "stepped", "succeeded", days=9)
    await ledger.close()
    before = await everything_of(path, "hurt")
    copy = Store(tmp_path / "copy.sqlite")
    await store.backup(tmp_path / "copy.sqlite")
    beneath("UPDATE runs SET text = 'x' WHERE id = 'hurt'")
    beneath("DELETE FROM runs WHERE id = 'lost'")
    done = await store.prune(keep=3)
    assert (names(done), done.hurt) == (set(), ("hurt",))
    done = await store.prune(statuses=["damaged"])
    assert len(done.runs) == 2
    health = await store.check()
    assert (health.harms, health.runs) == ((), 1)
    for each in ("hurt", "lost"):
        await store.import_(await copy.export(each))
    assert await everything_of(path, "hurt") == before
    assert (await store.check()).runs == 3


async def everything_of(path: Path, run: str) -> Any:
    ledger = await open_ledger(path)
    found = await ledger.read(RunId(run)), await ledger.journal(RunId(run)), await ledger.document(RunId(run))
    await ledger.close()
    return found
