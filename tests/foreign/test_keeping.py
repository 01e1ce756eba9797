"""What a foreign graph left in the store goes where its run goes: checked, exported, encrypted and pruned with it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.foreign.graphs import DID, NESTED, TWICE
from tests.foreign.test_running import reporting
from workflow_engine import Engine, Store, open_saver
from workflow_engine.errors import InputError, StoreDamaged
from workflow_engine.stores.encryption import Keys
from workflow_engine.stores.sqlite.keeping import page


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    DID.clear()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


async def asked(store: Path, graph: Any = NESTED, **settings: Any) -> str:
    """A run whose graph waits for its second answer."""
    flow = reporting(graph)
    async with Engine.open(store, workflows=[flow], **settings) as engine:
        run = (await engine.run(flow, request="bees")).run.id
        await engine.answer(run, "one")
        assert (await engine.resume(run)).run.status == "waiting"
    return run


async def ended(store: Path, run: str, graph: Any = NESTED, **settings: Any) -> Any:
    flow = reporting(graph)
    async with Engine.open(store, workflows=[flow], **settings) as engine:
        await engine.answer(run, "two")
        return await engine.resume(run)


def rows(store: Path) -> int:
    with closing(sqlite3.connect(store)) as db:
        tables = ("series", "lines", "checkpoints", "pieces", "pending")
        return sum(db.execute(f"SELECT count(*) FROM {each}").fetchone()[0] for each in tables)


async def test_a_run_in_the_middle_of_its_graph_goes_on_in_another_store(store: Path, tmp_path: Path) -> None:
    run = await asked(store)
    text = await Store(store).export(run)
    assert await Store(tmp_path / "other.sqlite").import_(text) == run
    assert await Store(tmp_path / "other.sqlite").export(run) == text
    view = await ended(tmp_path / "other.sqlite", run)
    assert view.run.status == "succeeded"
    assert DID[-4:] == ["both", "first one", "second two", "write"]
    assert DID.count("plan") == 1


@pytest.mark.parametrize(
    "forge",
    [
        lambda scope: scope.update(series="other/research/1"),
        lambda scope: scope.update(more=1),
        lambda scope: scope["checkpoints"].remove(max(scope["checkpoints"])),
        lambda scope: scope["pieces"].append([1 << 33, None, None, "msgpack", ""]),
        lambda scope: scope["pieces"].append(["x", None, None, "msgpack", ""]),
        lambda scope: scope["checkpoints"][0].__setitem__(3, "[]"),
        lambda scope: scope["pending"].append(["a", "b", "c", "d"]),
        lambda scope: scope.update(number=-1),
        lambda scope: scope.update(newest="zzz"),
    ],
)
async def test_a_page_whose_graph_was_forged_is_not_imported(store: Path, tmp_path: Path, forge: Any) -> None:
    text = await Store(store).export(await asked(store))
    parts = json.loads(text)
    forge(parts["graphs"][0])
    forged = page.written({name: each for name, each in parts.items() if name not in ("format", "schema", "digest")})
    other = tmp_path / "other.sqlite"
    with pytest.raises(InputError, match="cannot be imported"):
        await Store(other).import_(forged)
    assert rows(other) == 0


async def test_pruning_a_run_removes_what_its_graphs_left_and_nothing_else(store: Path) -> None:
    run = await asked(store, TWICE)
    await ended(store, run, TWICE)
    left = rows(store)
    other = await asked(store, TWICE)
    assert rows(store) > left > 0
    await Store(store).prune(older_than=timedelta(0))
    assert (await ended(store, other, TWICE)).run.status == "succeeded"
    await Store(store).prune(older_than=timedelta(0))
    assert rows(store) == 0


async def test_an_inner_checkpoint_that_was_tampered_with_is_reported_and_not_loaded(store: Path) -> None:
    run = await asked(store, TWICE)
    with closing(sqlite3.connect(store)) as db:
        db.execute("UPDATE checkpoints SET text = text || ' '")
        db.commit()
    done = list(DID)
    with pytest.raises(StoreDamaged, match="does not fit its seal"):
        await ended(store, run, TWICE)
    assert done == DID
    health = await Store(store).check()
    assert [harm.run for harm in health.harms] == [run]


async def test_an_encrypted_store_keeps_the_graph_from_those_without_its_key(store: Path) -> None:
    keys = Keys("A" * 43)
    run = await asked(store, TWICE, codec=keys)
    assert b"plan bees" not in store.read_bytes()
    assert (await ended(store, run, TWICE, codec=keys)).run.status == "succeeded"


async def test_checkpoints_that_are_gone_are_reported_and_the_graph_does_not_begin_anew(store: Path) -> None:
    run = await asked(store, TWICE)
    async with open_saver(store) as saver:
        (thread,) = await saver.athreads()
        assert thread.id == f"{run}/research/1"
        await saver.adelete_thread(thread.id)
    done = list(DID)
    with pytest.raises(StoreDamaged, match="are gone"):
        await ended(store, run, TWICE)
    assert done == DID
