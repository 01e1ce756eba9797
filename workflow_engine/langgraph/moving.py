"""Threads moved from another LangGraph checkpointer to ours."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple


async def copy_threads(
    source: BaseCheckpointSaver[Any], target: BaseCheckpointSaver[Any], threads: Iterable[str] | None = None
) -> int:
    """Copy threads from one checkpointer to another: all, or those named; how many there were.

    Every checkpoint is copied, oldest first, with what is pending on it. One that is there already is written over, so
    that a copy which was interrupted may be made again. The source is only read.
    """
    if threads is None:
        found = {str(_named(each)["thread_id"]) async for each in source.alist(None)}
        threads = sorted(found)
    count = 0
    for thread in threads:
        kept = [each async for each in source.alist({"configurable": {"thread_id": thread}})]
        for each in reversed(kept):
            await _put(target, each)
        count += bool(kept)
    return count


def _named(kept: CheckpointTuple) -> dict[str, Any]:
    return kept.config.get("configurable", {})


async def _put(target: BaseCheckpointSaver[Any], kept: CheckpointTuple) -> None:
    first: RunnableConfig = {"configurable": {key: _named(kept)[key] for key in ("thread_id", "checkpoint_ns")}}
    placed = await target.aput(
        kept.parent_config or first, kept.checkpoint, kept.metadata, kept.checkpoint["channel_versions"]
    )
    # The contract tells neither the path of a task nor the slot of a write: their order is what is kept.
    for task, writes in groupby(kept.pending_writes or (), lambda each: each[0]):
        await target.aput_writes(placed, [(channel, value) for _, channel, value in writes], task)
