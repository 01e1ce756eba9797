"""Runs within runs and real deaths: processes are killed at their writes, and many go on with both at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.nested import ITEMS, MANY, NOTES, OUTER, go, go_over_items
from tests.processes import ended, started, waited
from workflow_engine import Engine, Store


@pytest.fixture(autouse=True)
def notes(tmp_path: Path) -> Iterator[Path]:
    NOTES.append(tmp_path / "notes")
    yield tmp_path / "notes"
    NOTES.pop()


async def standing(folder: Path) -> Any:
    async with Engine.connect(folder / "runs.sqlite", workflows=[OUTER]) as engine:
        [listed] = await engine.runs()
        return await engine.get(listed.run)


@pytest.mark.slow
@pytest.mark.parametrize("writes", [1, 2, 4, 6, 8])
async def test_a_killed_process_leaves_runs_that_end_as_without_it(tmp_path: Path, writes: int) -> None:
    assert ended(go, tmp_path, None, writes) == -9
    async with Engine.connect(tmp_path / "runs.sqlite", workflows=[OUTER]) as engine:
        [view] = await engine.recover()
        assert view.status == "waiting", view.error
        await engine.answer(view.id, "yes", by="ana")
    assert ended(go, tmp_path, view.id, writes) == -9
    async with Engine.connect(tmp_path / "runs.sqlite", workflows=[OUTER]) as engine:
        await engine.recover()
        view = await engine.get(view.id)
        assert view.status == "succeeded"
        assert [each.run for each in await engine.runs(children=True)] == [
            f"{view.id}-middle-1-inner-1",
            f"{view.id}-middle-1",
            view.id,
        ]
    assert (await Store(tmp_path / "runs.sqlite").check()).whole


@pytest.mark.slow
@pytest.mark.parametrize("writes", [12, 17, 31])
async def test_items_of_a_killed_process_that_were_done_never_run_again_and_the_others_go_on_at_their_own_step(
    tmp_path: Path, notes: Path, writes: int
) -> None:
    code, run, kills, over = ended(go_over_items, tmp_path, None, writes), "", 0, Counter[str]()
    while code == -9:
        kills += 1
        said = Counter(notes.read_text(encoding="utf-8").split()) if notes.exists() else Counter[str]()
        assert {key: said[key] for key in over} == over  # what was on disk when the last one died
        async with Engine.connect(tmp_path / "runs.sqlite", workflows=[ITEMS]) as engine:
            [listed] = await engine.runs()
            run = listed.run
            assert len((await engine.get(run)).run.entered) <= 3
            over = Counter[str]()
            for within in [each.run for each in await engine.runs(children=True) if each.run != run]:
                for step in (await engine.get(within)).history.steps:
                    if step.status == "finished":
                        key = f"{within}/{step.node}/1"
                        over[key] = said[key]
        code = ended(go_over_items, tmp_path, run, writes)
    assert (code, kills >= 2) == (0, True)
    async with Engine.connect(tmp_path / "runs.sqlite", workflows=[ITEMS]) as engine:
        view = await engine.get(run)
        assert view.status == "succeeded"
        assert view.state.twos == [f"{run}-item-1-{item}/finish/1" for item in range(MANY)]
        assert len(await engine.runs(children=True)) == MANY + 1
    done = Counter(notes.read_text(encoding="utf-8").split())
    assert set(done) == {f"{run}-item-1-{item}/{step}/1" for item in range(MANY) for step in ("begin", "finish")}
    assert sum(done.values()) <= len(done) + 3 * kills
    assert (await Store(tmp_path / "runs.sqlite").check()).whole


@pytest.mark.slow
async def test_many_processes_that_go_on_with_runs_within_and_around_do_each_step_once(
    tmp_path: Path, notes: Path
) -> None:
    async with Engine.connect(tmp_path / "runs.sqlite", workflows=[OUTER]) as engine:
        view = await engine.run(OUTER, n=1)
        await engine.answer(view.id, "yes", by="ana")
    names = [view.id, f"{view.id}-middle-1", f"{view.id}-middle-1-inner-1"] * 2
    for process in [started(go, tmp_path, name) for name in names]:
        assert waited(process) == 0
    assert (await standing(tmp_path)).status == "succeeded"
    done = Counter(notes.read_text(encoding="utf-8").split())
    assert (len(done), set(done.values())) == (4, {1})
