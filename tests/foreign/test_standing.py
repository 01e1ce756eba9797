"""What is kept of the tasks of a graph that fail, and of those that succeed at a later attempt."""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.types import ERROR, RESUME

from workflow_engine.langgraph.standing import GraphSaver
from workflow_engine.stores.memory import MemoryLedger


async def begun() -> tuple[MemoryLedger, GraphSaver, Any]:
    ledger = MemoryLedger()
    saver = GraphSaver(ledger.checkpoints)
    first: Any = {"configurable": {"thread_id": "run/node/1", "checkpoint_ns": ""}}
    return ledger, saver, await saver.aput(first, empty_checkpoint(), {}, {})


async def pending(ledger: MemoryLedger, config: Any) -> list[Any]:
    """As the next process finds it."""
    found = await GraphSaver(ledger.checkpoints).aget_tuple(config)
    assert found is not None
    return found.pending_writes or []


async def test_what_a_failed_task_wrote_is_not_handed_back() -> None:
    ledger, saver, config = await begun()
    await saver.aput_writes(config, [("total", 1), (ERROR, ValueError("no")), (RESUME, "yes")], "task")
    assert await pending(ledger, config) == [("task", RESUME, "yes")]


async def test_a_task_that_failed_first_and_then_succeeded_is_done_with_what_it_wrote_then() -> None:
    ledger, saver, config = await begun()
    await saver.aput_writes(config, [("total", 1), (ERROR, ValueError("no"))], "task")
    await saver.aput_writes(config, [("total", 2)], "task")
    assert await pending(ledger, config) == [("task", "total", 2)]


async def test_the_same_holds_where_it_failed_in_a_process_before() -> None:
    ledger, saver, config = await begun()
    await saver.aput_writes(config, [("total", 1), (ERROR, ValueError("no"))], "task")
    second = GraphSaver(ledger.checkpoints)
    assert (await second.aget_tuple(config)) is not None
    await second.aput_writes(config, [("total", 2)], "task")
    assert await pending(ledger, config) == [("task", "total", 2)]


async def test_a_task_that_failed_once_more_is_not_done() -> None:
    ledger, saver, config = await begun()
    for _ in range(2):
        await saver.aput_writes(config, [("total", 1), (ERROR, ValueError("no"))], "task")
        await saver.aput_writes(config, [(RESUME, "yes")], "task")
    await saver.aput_writes(config, [("total", 1), (ERROR, ValueError("no"))], "task")
    assert await pending(ledger, config) == [("task", RESUME, "yes")]
