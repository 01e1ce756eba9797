"""Runs within runs in a store: listed and found with care, and kept, moved and removed with the one around them."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from workflow_engine import END, START, Engine, Question, State, Store, human, subflow, workflow
from workflow_engine.errors import AmbiguousRun, InputError, UsageError
from workflow_engine.record.ids import RunId
from workflow_engine.stores.memory import MemoryLedger


class Case(State):
    n: int
    ok: Literal["yes", "no"] | None = None


@human(writes="ok")
def ask(n: int) -> Question[Literal["yes", "no"]]:
    return Question("?")


INNER = workflow("inner", state=Case, edges=[START >> ask, ask["yes"] >> END, ask["no"] >> END])
MIDDLE = workflow("middle", state=Case, edges=[START >> subflow(INNER, reads="n", writes="ok") >> END])
OUTER = workflow("outer", state=Case, edges=[START >> subflow(MIDDLE, reads="n", writes="ok") >> END])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


@pytest.fixture
async def engine(path: Path) -> AsyncIterator[Engine]:
    async with Engine.connect(path, workflows=[OUTER]) as engine:
        yield engine


async def ended(engine: Engine, n: int) -> str:
    view = await engine.run(OUTER, n=n)
    await engine.answer(f"{view.id}-middle-1-inner-1", "yes")
    assert (await engine.resume(view.id)).status == "succeeded"
    return view.id


async def test_lists_and_names_mean_the_outermost_runs(engine: Engine) -> None:
    first, last = (await engine.run(OUTER, n=1)).id, (await engine.run(OUTER, n=2)).id
    assert [each.run for each in await engine.runs()] == [last, first]
    assert [each.run for each in await engine.runs(status="waiting", limit=1)] == [last]
    assert [each.run for each in await engine.runs(workflow="inner")] == []
    every = await engine.runs(children=True)
    assert [(each.run, each.within) for each in every][:3] == [
        (f"{last}-middle-1-inner-1", f"{last}-middle-1"),
        (f"{last}-middle-1", last),
        (last, None),
    ]
    assert await engine.find("@last") == last
    assert await engine.find(first[:8]) == first
    assert await engine.find(first) == first
    assert await engine.find(f"{first}-m") == f"{first}-middle-1"


class Named:
    """A mint of given names."""

    def __init__(self, *names: str) -> None:
        self._names = list(names)

    def run_id(self) -> RunId:
        return RunId(self._names.pop(0))

    def chance(self) -> float:
        return 0.5


@pytest.mark.parametrize("kept", ["file", "memory"])
async def test_runs_within_one_do_not_hide_another_of_the_same_beginning(path: Path, kept: str) -> None:
    ledger = MemoryLedger() if kept == "memory" else None
    async with Engine.connect(path, workflows=[OUTER], mint=Named("aa1", "aa2"), ledger=ledger) as engine:
        for n in (1, 2):
            await engine.run(OUTER, n=n)
        with pytest.raises(AmbiguousRun, match="aa1, aa2"):
            await engine.find("aa")
        assert await engine.find("aa1") == "aa1"
        assert await engine.find("aa2-") == "aa2-middle-1"


async def test_pruning_removes_runs_with_those_within_and_never_alone(engine: Engine, path: Path) -> None:
    over, waiting = await ended(engine, 1), (await engine.run(OUTER, n=2)).id
    store = Store(path)
    dry = await store.prune(keep=0, dry=True)
    pruned = await store.prune(keep=0)
    assert [each.run for each in pruned.runs] == [over, f"{over}-middle-1", f"{over}-middle-1-inner-1"]
    assert dry.runs == pruned.runs
    assert [each.run for each in await engine.runs(children=True)][-1] == waiting
    assert len(await engine.runs(children=True)) == 3
    assert (await store.check()).whole


async def test_a_run_is_exported_and_imported_with_those_within(engine: Engine, path: Path, tmp_path: Path) -> None:
    run = (await engine.run(OUTER, n=1)).id
    text = await Store(path).export(run)
    with pytest.raises(UsageError, match="goes where that goes"):
        await Store(path).export(f"{run}-middle-1")
    other = tmp_path / "other.sqlite"
    assert await Store(other).import_(text) == run
    assert await Store(other).export(run) == text
    async with Engine.connect(other, workflows=[OUTER]) as there:
        await there.answer(f"{run}-middle-1-inner-1", "yes")
        [view] = await there.recover()
        assert (view.status, view.values["ok"]) == ("succeeded", "yes")
    assert (await Store(other).check()).whole


async def test_a_document_in_which_a_run_lies_elsewhere_is_refused(engine: Engine, path: Path, tmp_path: Path) -> None:
    from workflow_engine.stores.sqlite.keeping import page

    parts: dict[str, Any] = page.read(await Store(path).export((await engine.run(OUTER, n=1)).id))
    del parts["within"][0]
    with pytest.raises(InputError, match="does not lie within it"):
        await Store(tmp_path / "other.sqlite").import_(page.written(parts))
    parts["within"] = []
    with pytest.raises(InputError, match="which does its step middle, is missing"):
        await Store(tmp_path / "other.sqlite").import_(page.written(parts))


async def test_a_check_tells_of_runs_that_are_missing_within_or_around(engine: Engine, path: Path) -> None:
    run = (await engine.run(OUTER, n=1)).id
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM runs WHERE id = ?", (f"{run}-middle-1",))
    harms = [each.what for each in (await Store(path).check()).harms]
    assert f"run {run} is damaged: run {run}-middle-1, which does its step middle, is missing" in harms
    assert f"run {run}-middle-1-inner-1 is damaged: run {run}-middle-1 around it is missing" in harms


async def test_a_link_that_was_moved_is_told(engine: Engine, path: Path) -> None:
    run = (await engine.run(OUTER, n=1)).id
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE runs SET within = 'other' WHERE id = ?", (f"{run}-middle-1",))
    harms = [each.what for each in (await Store(path).check()).harms]
    assert any("says two things of what it waits for or lies within" in each for each in harms)


async def test_old_runs_within_others_do_not_keep_them(engine: Engine, path: Path) -> None:
    run = await ended(engine, 1)
    kept = await Store(path).prune(older_than=timedelta(days=1))
    assert kept.runs == ()
    assert (await engine.get(f"{run}-middle-1")).status == "succeeded"
