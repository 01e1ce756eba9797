"""A process that is killed in the middle of a foreign graph: another goes on at the inner checkpoint."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.foreign.dying import FLOWS, go_on
from tests.foreign.graphs import asking
from tests.foreign.test_running import reporting
from tests.processes import ended
from workflow_engine import Engine

WHOLE = {
    "flat": (["1", "2", "ask", "ask", "told-A", "ask", "told-A", "told-B", "4", "measure"], "=12AB4"),
    "nested": (["1", "2", "ask", "ask", "told-A", "ask", "told-A", "told-B", "4", "measure"], "=12AB4"),
    "plain": (["1", "2", "2", "4", "measure"], "=1224"),
}


def log(folder: Path) -> list[str]:
    return (folder / "log").read_text().split() if (folder / "log").exists() else []


async def result(folder: Path, name: str) -> Any:
    async with Engine.connect(folder / "runs.sqlite", workflows=[FLOWS[name]]) as engine:
        (run,) = await engine.runs()
        return await engine.get(run.run)


def die_in_four(folder: str, name: str) -> None:
    import os

    os.environ["DIE_IN_FOUR"] = "yes"
    go_on(folder, name)


async def test_nodes_before_the_kill_do_not_run_again(tmp_path: Path) -> None:
    assert ended(die_in_four, str(tmp_path), "plain") == -9
    assert log(tmp_path) == ["1", "2", "2", "4"]
    assert ended(go_on, str(tmp_path), "plain") == 0
    assert log(tmp_path) == ["1", "2", "2", "4", "4", "measure"]
    assert (await result(tmp_path, "plain")).values == {"text": "=1224", "length": 5}


_ALL = [
    pytest.param(name, when, part, marks=[] if (name, part) == ("nested", 0) else [pytest.mark.crash])
    for name in FLOWS
    for when in ("before", "after")
    for part in range(3)
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "when", "part"), _ALL)
async def test_killed_at_any_write_it_ends_as_if_nobody_had_been(
    tmp_path: Path, name: str, when: str, part: int
) -> None:
    """Every third write for each part; together they are all."""
    at = 1 + part
    while True:
        folder = tmp_path / str(at)
        folder.mkdir()
        executor = "langgraph" if at % 2 else "native"
        code = ended(go_on, str(folder), name, executor, at, when)
        before = log(folder)
        if code == -9:
            assert ended(go_on, str(folder), name) == 0, f"write {at}"
        view = await result(folder, name)
        whole, text = WHOLE[name]
        assert (view.run.status, view.values["text"]) == ("succeeded", text), f"{when} write {at}: {log(folder)}"
        if code == 0:
            assert before == whole
            assert at > 10
            return
        again = log(folder)[len(before) :]
        for word in ("1", "2", "measure"):  # what ran before the last one that began is on disk
            twice = word in before and word in again
            assert not twice or before[-1] == word, f"{when} write {at}: {before} {again}"
        at += 3


def begin(folder: str) -> None:
    flow = reporting(asking())

    async def main() -> None:
        async with Engine.connect(Path(folder) / "runs.sqlite", workflows=[flow]) as engine:
            assert (await engine.run(flow, request="bees")).run.status == "waiting"

    asyncio.run(main())


def answer_backwards(folder: str) -> None:
    """Without the code of the workflow: a question can be answered by itself."""

    async def main() -> None:
        async with Engine.connect(Path(folder) / "runs.sqlite") as engine:
            for each in reversed(await engine.inbox()):
                await engine.answer(each.question.id, f"to {each.question.message}")

    asyncio.run(main())


async def test_two_questions_answered_in_reverse_by_another_process_reach_their_own_interrupts(tmp_path: Path) -> None:
    assert [ended(begin, str(tmp_path)), ended(answer_backwards, str(tmp_path))] == [0, 0]
    flow = reporting(asking())
    async with Engine.connect(tmp_path / "runs.sqlite", workflows=[flow]) as engine:
        (view,) = await engine.recover()
    said = "plan bees > legal: to may we publish it? > price: to what does it cost?"
    assert (view.run.status, view.values["findings"]) == ("succeeded", said)
