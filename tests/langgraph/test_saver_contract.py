"""LedgerSaver keeps LangGraph's checkpointer contract: its own conformance suite, and what that does not ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest
from langgraph.checkpoint.base import CheckpointMetadata, get_checkpoint_id
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from tests.langgraph.graphs import checkpoint, looping, on
from workflow_engine import Engine, open_saver
from workflow_engine.errors import StoreError, UsageError
from workflow_engine.langgraph.saver import LedgerSaver
from workflow_engine.stores.memory import MemoryLedger


@pytest.fixture(params=["file", "memory"])
async def saver(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LedgerSaver]:
    if request.param == "memory":
        yield LedgerSaver(MemoryLedger().checkpoints)
        return
    async with open_saver(tmp_path / "runs.sqlite") as saver:
        yield saver


@pytest.mark.parametrize("kind", ["file", "memory"])
async def test_langgraphs_own_conformance_suite_passes_with_everything_it_knows(tmp_path: Path, kind: str) -> None:
    numbers = count()

    @checkpointer_test(name="LedgerSaver")
    async def ours() -> Any:
        if kind == "memory":
            yield LedgerSaver(MemoryLedger().checkpoints)
            return
        async with open_saver(tmp_path / f"{next(numbers)}.sqlite") as saver:
            yield saver

    report = await validate(ours)
    failures = [failure for result in report.results.values() for failure in result.failures or ()]
    assert failures == []
    passed = {name for name, result in report.results.items() if result.detected and result.passed}
    assert passed == {
        "put",
        "put_writes",
        "get_tuple",
        "list",
        "delete_thread",
        "delete_for_runs",
        "copy_thread",
        "prune",
    }


def test_versions_count_and_a_thread_from_elsewhere_keeps_its_own_kind() -> None:
    following = LedgerSaver.get_next_version
    assert [following(None, None, None), following(None, 7, None)] == [1, 8]  # type: ignore[arg-type]
    later = following(None, "00000000000000000000000000000009.0.5", None)  # type: ignore[arg-type]
    assert later.startswith("00000000000000000000000000000010.")


async def test_threads_are_listed_newest_first(saver: LedgerSaver) -> None:
    for thread in ("a", "b", "c"):
        await looping(saver).ainvoke({"n": 0, "until": 2}, on(thread))
    listed = await saver.athreads(limit=2)
    assert [(each.id, each.scopes, each.checkpoints) for each in listed] == [("c", 1, 4), ("b", 1, 4)]
    assert [each.id for each in await saver.athreads(after="b")] == ["a"]
    newest = await saver.aget_tuple(on("c"))
    assert newest is not None
    assert listed[0].updated == newest.checkpoint["ts"]


async def test_listing_merges_namespaces_and_obeys_filter_before_and_limit(saver: LedgerSaver) -> None:
    ids: list[str] = []
    for step in range(80):
        given = checkpoint({"n": step})
        await saver.aput(on("t", namespace="" if step % 2 else "child"), given, {"step": step}, {})
        ids.append(given["id"])
    everywhere: Any = {"configurable": {"thread_id": "t"}}
    found = [each.checkpoint["id"] async for each in saver.alist(everywhere)]
    assert found == ids[::-1]
    limited = [each async for each in saver.alist(everywhere, before=on("t", ids[50]), limit=40)]
    assert [each.checkpoint["id"] for each in limited] == ids[49:9:-1]
    assert [each.metadata.get("step") async for each in saver.alist(None, filter={"step": 7})] == [7]
    assert [each async for each in saver.alist(everywhere, limit=0)] == []
    one = [each async for each in saver.alist({"configurable": {"thread_id": "t", "checkpoint_id": ids[4]}})]
    assert [each.checkpoint["id"] for each in one] == [ids[4]]


async def test_a_delta_channel_is_made_from_the_writes_since_its_snapshot(saver: LedgerSaver) -> None:
    parent: Any = on("t")
    for step in range(4):
        given = checkpoint({"log": _DeltaSnapshot([0])} if step == 1 else {})
        counted: Any = {"step": step, "counters_since_delta_snapshot": {} if step == 1 else {"log": (1, step)}}
        parent = await saver.aput(parent, given, counted, {})
        await saver.aput_writes(parent, [("log", [step]), ("other", 1)], f"task-{step}")
    past = (await saver.aget_delta_channel_history(config=parent, channels=["log", "none"]))["log"]
    assert past["writes"] == [("task-1", "log", [1]), ("task-2", "log", [2])]
    assert past.get("seed") == _DeltaSnapshot([0])
    # Pruning keeps what the newest checkpoint is made from, and nothing before it.
    await saver.aprune(["t"])
    again = (await saver.aget_delta_channel_history(config=parent, channels=["log"]))["log"]
    assert again == past
    assert len([each async for each in saver.alist(on("t"))]) == 3


async def test_a_run_is_not_deleted_from_beneath_a_delta_channel(saver: LedgerSaver) -> None:
    first, second = ({"counters_since_delta_snapshot": {"log": (1, 1)}, "run_id": run} for run in ("first", "second"))
    parent = await saver.aput(on("t"), checkpoint({}), cast("CheckpointMetadata", first), {})
    await saver.aput(parent, checkpoint({}), cast("CheckpointMetadata", second), {})
    with pytest.raises(StoreError, match="rests on"):
        await saver.adelete_for_runs(["first"])
    assert len([each async for each in saver.alist(on("t"))]) == 2
    await saver.adelete_for_runs(["first", "second"])
    assert [each async for each in saver.alist(on("t"))] == []


async def test_a_copy_is_whole_and_goes_its_own_way(saver: LedgerSaver) -> None:
    graph = looping(saver, lambda n: f"{n}" * 300)
    await graph.ainvoke({"n": 0, "until": 5}, on("from"))
    await saver.acopy_thread("from", "to")
    theirs = [(each.checkpoint, each.metadata, each.pending_writes) async for each in saver.alist(on("from"))]
    ours = [(each.checkpoint, each.metadata, each.pending_writes) async for each in saver.alist(on("to"))]
    assert ours == theirs
    await graph.ainvoke({"n": 5, "until": 7}, on("to"))
    await saver.adelete_thread("from")
    assert len((await graph.aget_state(on("to"))).values["log"]) == 7
    assert await saver.aget_tuple(on("from")) is None


async def test_an_engine_lends_a_saver_on_its_own_store(tmp_path: Path) -> None:
    async with Engine.connect(tmp_path / "runs.sqlite") as engine:
        await looping(engine.saver()).ainvoke({"n": 0, "until": 2}, on("t"))
        assert await engine.runs() == []
    async with open_saver(tmp_path / "runs.sqlite", create=False) as saver:
        assert [each.id for each in await saver.athreads()] == ["t"]
    only_runs = MemoryLedger()
    del only_runs.checkpoints
    async with Engine.connect(ledger=only_runs) as engine:
        with pytest.raises(UsageError, match="keeps no checkpoints"):
            engine.saver()


# ------------------------------------------------------------------------------------------------ without a loop


def test_a_program_without_a_loop_uses_it_as_well(tmp_path: Path) -> None:
    with open_saver(tmp_path / "runs.sqlite") as saver:
        given = saver.put(on("t"), checkpoint({"n": 1}), {"step": 0, "run_id": "r"}, {})
        saver.put_writes(given, [("n", 2)], "task")
        found = saver.get_tuple(given)
        assert found is not None
        assert found.pending_writes == [("task", "n", 2)]
        assert [each.checkpoint["id"] for each in saver.list(on("t"))] == [get_checkpoint_id(given)]
        assert next(iter(saver.list(None))) == found
        assert saver.get_delta_channel_history(config=given, channels=["n"]) == {"n": {"writes": []}}
        saver.copy_thread("t", "u")
        saver.prune(["u"], strategy="delete")
        saver.delete_for_runs(["r"])
        saver.delete_thread("t")
        assert saver.threads() == []
    with pytest.raises(StoreError, match="closed"):
        saver.get_tuple(on("t"))


async def test_a_saver_of_another_loop_is_reached_from_this_one(tmp_path: Path) -> None:
    with open_saver(tmp_path / "runs.sqlite") as saver:
        done = await looping(saver).ainvoke({"n": 0, "until": 3}, on("t"))
        assert done["n"] == 3
        assert len([each async for each in saver.alist(on("t"))]) == 5


async def test_waiting_in_the_savers_own_loop_is_refused(saver: LedgerSaver) -> None:
    with pytest.raises(UsageError, match="own event loop"):
        saver.get_tuple(on("t"))


async def test_what_is_wrong_with_a_call_is_said(saver: LedgerSaver) -> None:
    with pytest.raises(UsageError, match="no thread"):
        await saver.aget_tuple({"configurable": {}})
    with pytest.raises(UsageError, match="no checkpoint"):
        await saver.aput_writes(on("t"), [("n", 1)], "task")
    with pytest.raises(UsageError, match="no strategy"):
        await saver.aprune(["t"], strategy="some")
    given: Any = {"step": object()}
    with pytest.raises(StoreError, match="JSON"):
        await saver.aput(on("t"), checkpoint({}), given, {})
    assert await saver.aget_tuple(on("t")) is None


@pytest.mark.parametrize("saver", ["file"], indirect=True)
async def test_writes_are_on_disk_without_a_checkpoint_after_them(saver: LedgerSaver, tmp_path: Path) -> None:
    given = await saver.aput(on("t"), checkpoint({}), {}, {})
    await asyncio.wait_for(saver.aput_writes(given, [("n", 1)], "task"), 5)
    async with open_saver(tmp_path / "runs.sqlite") as another:
        found = await another.aget_tuple(given)
        assert found is not None
        assert found.pending_writes == [("task", "n", 1)]
