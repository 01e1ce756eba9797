"""The half of the saver that is called from elsewhere: from other threads and loops than the one of its store."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)

from workflow_engine.errors import StoreError, UsageError
from workflow_engine.ports.checkpoints import Series

T = TypeVar("T")


class Elsewhere(BaseCheckpointSaver[Any]):
    """Each verb without an `a` waits for the one with it, which is done in the loop the store belongs to."""

    _loop: asyncio.AbstractEventLoop

    @abstractmethod
    async def athreads(self, *, limit: int = 50, after: str | None = None) -> Sequence[Series]:
        """Threads, the last begun first."""

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return self._there(self.aput(config, checkpoint, metadata, new_versions))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        self._there(self.aput_writes(config, writes, task_id, task_path))

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return self._there(self.aget_tuple(config))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        found = cast(
            "AsyncGenerator[CheckpointTuple, None]", self.alist(config, filter=filter, before=before, limit=limit)
        )

        async def following() -> CheckpointTuple | None:
            return await anext(found, None)

        async def done() -> None:
            await found.aclose()

        try:
            while (each := self._there(following())) is not None:
                yield each
        finally:
            self._there(done())

    def threads(self, *, limit: int = 50, after: str | None = None) -> Sequence[Series]:
        """As `athreads`."""
        return self._there(self.athreads(limit=limit, after=after))

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        return self._there(self.aget_delta_channel_history(config=config, channels=channels))

    def delete_thread(self, thread_id: str) -> None:
        self._there(self.adelete_thread(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        self._there(self.adelete_for_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        self._there(self.acopy_thread(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        self._there(self.aprune(thread_ids, strategy=strategy))

    async def _here(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the loop the store belongs to, from whichever runs."""
        if asyncio.get_running_loop() is self._loop:
            return await work
        return await asyncio.wrap_future(self._sent(work))

    def _there(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the loop the store belongs to, and wait for it."""
        try:
            same_loop = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            same_loop = False
        if same_loop:
            work.close()
            raise UsageError(
                "a call that waits was made in the saver's own event loop",
                "await graph.ainvoke(...) or saver.aget_tuple(...); for graph.invoke write: with open_saver(...)",
            )
        result: T = self._sent(work).result()
        return result

    def _sent(self, work: Coroutine[Any, Any, T]) -> Any:
        if self._loop.is_closed():
            work.close()
            raise StoreError("the saver is closed", "use it within its `with` block")
        return asyncio.run_coroutine_threadsafe(work, self._loop)


__all__ = ["Elsewhere"]
