"""Runs of items in a store: found by their ids, and kept, moved, examined and removed with the run around them."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest

from workflow_engine import END, START, Engine, Question, State, Store, each, human, route, subflow, workflow


class Case(State):
    n: int
    ok: Literal["yes", "no"] | None = None


class Cases(State):
    ns: list[int]
    oks: list[str | None] = []


@human(writes="ok")
def ask(n: int) -> Question[Literal["yes", "no"]]:
    return Question("?")


@route
def even(n: int) -> Literal["yes", "no"]:
    return "no" if n % 2 else "yes"


INNER = workflow(
    "inner",
    state=Case,
    edges=[START >> even, even["yes"] >> END, even["no"] >> ask, ask["yes"] >> END, ask["no"] >> END],
)
OUTER = workflow(
    "outer",
    state=Cases,
    edges=[START >> each("ns", writes="oks", at_once=20)(subflow(INNER, name="one", writes="ok")) >> END],
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


@pytest.fixture
async def engine(path: Path) -> AsyncIterator[Engine]:
    async with Engine.connect(path, workflows=[OUTER]) as engine:
        yield engine


async def test_an_item_is_found_by_its_whole_id_where_another_begins_as_it_does(engine: Engine) -> None:
    run = (await engine.run(OUTER, ns=list(range(12)))).id
    assert await engine.find(f"{run}-one-1-1") == f"{run}-one-1-1"
    assert await engine.find(f"{run}-one-1-11") == f"{run}-one-1-11"
    assert await engine.find(run) == await engine.find(run[:6]) == run
    assert [listed.run for listed in await engine.runs()] == [run]


async def test_runs_whose_items_wait_go_elsewhere_and_go_on_there(engine: Engine, path: Path, tmp_path: Path) -> None:
    run = (await engine.run(OUTER, ns=[0, 1, 2, 3])).id
    text = await Store(path).export(run)
    other = Store(tmp_path / "other.sqlite")
    await other.import_(text)
    assert (await other.check()).whole
    async with Engine.connect(tmp_path / "other.sqlite", workflows=[OUTER]) as there:
        assert len(await there.runs(children=True)) == 5
        for asked in await there.inbox(run):
            await there.answer(asked.question.id, "yes", by="ana")
        [view] = await there.recover()
        assert (view.status, view.state.oks) == ("succeeded", [None, "yes", None, "yes"])


async def test_pruning_takes_the_runs_of_items_along_and_none_of_a_run_that_waits(engine: Engine, path: Path) -> None:
    over, waiting = (await engine.run(OUTER, ns=[0, 2])).id, (await engine.run(OUTER, ns=[0, 1])).id
    pruned = await Store(path).prune(keep=0)
    assert [each.run for each in pruned.runs] == [over, f"{over}-one-1-0", f"{over}-one-1-1"]
    assert {each.run for each in await engine.runs(children=True)} == {
        waiting,
        f"{waiting}-one-1-0",
        f"{waiting}-one-1-1",
    }
    assert (await Store(path).check()).whole


async def test_the_run_of_an_item_in_hand_that_is_lost_is_told_and_one_that_is_done_is_not_missed(path: Path) -> None:
    async with Engine.connect(path, workflows=[OUTER]) as engine:
        run = (await engine.run(OUTER, ns=[0, 1])).id
    lost = f"run {run} is damaged: run {run}-one-1-1, which does its step one[1], is missing"
    for item, told in ((0, False), (1, True)):
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("DELETE FROM runs WHERE id = ?", (f"{run}-one-1-{item}",))
        harms = [harm.what for harm in (await Store(path).check()).harms]
        assert (lost in harms) is told
        assert not any(f"run {run}-one-1-0, which does" in harm for harm in harms)
