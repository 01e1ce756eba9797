"""`store check` reads what LedgerSaver keeps: a thread that is whole is counted, one that is not is named."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.langgraph.graphs import looping, on
from workflow_engine import Store, open_saver

HARM = {
    "a checkpoint changed": "UPDATE checkpoints SET text = replace(text, '1', '2')",
    "a checkpoint lost": "DELETE FROM checkpoints WHERE id = (SELECT max(id) FROM checkpoints)",
    "an older checkpoint lost": "DELETE FROM checkpoints WHERE id = (SELECT min(id) FROM checkpoints)",
    "a piece changed": "UPDATE pieces SET data = x'00' WHERE key = (SELECT max(key) FROM pieces)",
    "a piece lost": "DELETE FROM pieces WHERE key = (SELECT min(key) FROM pieces)",
    "a scope changed": "UPDATE lines SET count = count + 1",
    "a scope lost": "DELETE FROM lines",
    "a thread's own row changed": "UPDATE series SET seal = x'00'",
    "a thread's own row lost": "DELETE FROM series",
    "a scope of a strange form": "UPDATE lines SET newest = x'00'",
}


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "runs.sqlite"
    async with open_saver(path) as saver:
        start = {"n": 0, "until": 3, "big": "x" * 5000, "log": []}
        await looping(saver, lambda n: "y" * 3000).ainvoke(start, on("one"))
    return path


async def test_a_thread_that_is_whole_is_counted(path: Path) -> None:
    health = await Store(path).check()
    assert (health.harms, health.series, health.runs) == ((), 1, 0)
    copied = await Store(path).backup(path.with_name("copy.sqlite"))
    assert (copied.harms, copied.series) == ((), 1)


@pytest.mark.parametrize("harm", HARM)
async def test_a_thread_that_is_not_whole_is_named(path: Path, harm: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(HARM[harm])
    health = await Store(path).check()
    assert not health.whole
    assert any("'one'" in each.what or "lost" in each.what for each in health.harms)
