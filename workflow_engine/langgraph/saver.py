"""`LedgerSaver`: our store behind LangGraph's checkpointer contract, for graphs that stay plain LangGraph."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from random import random
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_id,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.types import ERROR

from workflow_engine.errors import StoreDamaged, StoreError, UsageError
from workflow_engine.langgraph import shelf
from workflow_engine.langgraph.elsewhere import Elsewhere
from workflow_engine.langgraph.encoding import Encoding, ValueRefused
from workflow_engine.langgraph.serializer import StrictSerializer, TypeRefused
from workflow_engine.ports.checkpoints import (
    Checkpoints,
    Chunks,
    Given,
    Kept,
    Outdated,
    Part,
    Piece,
    Scalar,
    Series,
    Write,
)

_PAGE = 32


class LedgerSaver(Elsewhere):
    """A checkpointer on the engine's store. Made by `open_saver` or `Engine.saver`.

    A checkpoint is acknowledged when it is on disk, together with the writes of the tasks that led to it: one
    transaction a superstep, shared by all that come at one moment. Of a channel's value, what did not change is not
    stored again, and a list that grew is stored as what was added.

    Values are carried by a strict serializer: what it would change is refused when it is saved, and reading builds no
    type but those LangGraph holds to be safe and those named in `types`. A `serde` of your own takes its place; what
    that changes or builds is its own affair. Rows are sealed: damage is reported as StoreDamaged, never loaded.

    As with LangGraph's own savers, two processes may drive one thread: each continues from the checkpoint it read, and
    the greatest checkpoint id is the newest. Their checkpoints stand side by side and are never mixed.

    The methods without an `a` are for other threads than the one of the saver's event loop.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        *,
        types: Iterable[type | tuple[str, ...]] = (),
        serde: SerializerProtocol | None = None,
    ) -> None:
        super().__init__(serde=serde or StrictSerializer(types))
        self._checkpoints = checkpoints
        self._loop = asyncio.get_running_loop()
        self._shelves = shelf.Shelves()

    # ------------------------------------------------------------------------------------------------ storing

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint; when this returns, it is on disk. Raises StoreError."""
        return await self._here(self._put(config, checkpoint, metadata, new_versions))

    async def _put(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new: ChannelVersions
    ) -> RunnableConfig:
        line = _line(config)
        record = {name: each for name, each in checkpoint.items() if name != "channel_values"}
        known = self._shelves.get(line)
        parent = get_checkpoint_id(config) or None
        about = cast("dict[str, Any]", get_checkpoint_metadata(config, metadata))
        run = about.get("run_id")
        growing = about.get("counters_since_delta_snapshot") or {}
        while True:
            values = self._stored(line, checkpoint, parent, new, known)
            given = Given(
                checkpoint["id"],
                parent,
                record,
                about,
                {name: each.content for name, each in values.items()},
                run if isinstance(run, str) else None,
                [name for name in growing if name not in values],
            )
            named = known is not None and any(_names(each.content) for each in values.values())
            try:
                placed = await self._checkpoints.put(*line, given, known.ground if known and named else None)
            except Outdated:
                # Another process removed pieces of this thread: what this one remembers of them is worth nothing.
                self._shelves.drop(line)
                known = None
                continue
            self._shelves.keep(line, shelf.placed(values, placed, given.id))
            return _config(*line, given.id)

    def _stored(
        self,
        line: tuple[str, str],
        checkpoint: Checkpoint,
        parent: str | None,
        new: ChannelVersions,
        known: shelf.Shelf | None,
    ) -> dict[str, shelf.Stored]:
        """How to store each channel's value."""
        versions = checkpoint["channel_versions"]
        follows = known is not None and known.checkpoint == parent
        before = {} if known is None else known.stored
        plain = isinstance(self.serde, StrictSerializer)
        values: dict[str, shelf.Stored] = {}
        for name, value in checkpoint["channel_values"].items():
            last, version = before.get(name), versions.get(name)
            if plain and shelf.scalar(value):
                values[name] = shelf.Stored(value, version)
            elif follows and last is not None and version is not None and last.version == version and name not in new:
                values[name] = last
            else:
                encode = Encoding(self.serde, line[0], name)
                values[name] = shelf.stored(value, version, last, encode)
        return values

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what a task wrote; when this returns, it is on disk. Raises StoreError."""
        await self._here(self._put_writes(config, writes, task_id, task_path))

    async def _put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str
    ) -> None:
        thread, namespace = _line(config)
        checkpoint = get_checkpoint_id(config)
        if checkpoint is None:
            raise UsageError("the config of these writes names no checkpoint", "give them what `put` returned")
        plain = isinstance(self.serde, StrictSerializer)
        made: list[Write] = []
        for index, (channel, value) in enumerate(writes):
            content: Scalar | Part
            if plain and shelf.scalar(value):
                content = value
            else:
                # An error is kept as its text, which is all that LangGraph wants of it.
                content = Part(*Encoding(self.serde, thread, channel, lossy=channel == ERROR)(value))
            made.append(Write(task_id, task_path, WRITES_IDX_MAP.get(channel, index), channel, content))
        if made:
            await self._checkpoints.pend(thread, namespace, checkpoint, made)

    # ------------------------------------------------------------------------------------------------ reading

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint a config names, or the newest of its thread. Raises StoreDamaged."""
        return await self._here(self._get_tuple(config))

    async def _get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        line = _line(config)
        kept = await self._checkpoints.read(*line, get_checkpoint_id(config))
        if kept is None:
            return None
        made = self._tuple(kept)
        # Also where it is known already: strings and numbers are told by being the very objects that were handed out.
        checkpoint = made.checkpoint
        versions = checkpoint.get("channel_versions", {})
        self._shelves.keep(line, shelf.read(kept, checkpoint["channel_values"], versions))
        return made

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Checkpoints of a thread, newest first; without a config those of all threads, one thread after another."""
        left = limit
        if config is not None:
            async for kept in self._of_thread(config, filter or {}, before, left):
                yield self._tuple(kept)
            return
        async for series in self._all_threads():
            everywhere: RunnableConfig = {"configurable": {"thread_id": series.id}}
            async for kept in self._of_thread(everywhere, filter or {}, before, left):
                yield self._tuple(kept)
                left = None if left is None else left - 1

    async def _of_thread(
        self, config: RunnableConfig, filter: Mapping[str, Any], before: RunnableConfig | None, limit: int | None
    ) -> AsyncIterator[Kept]:
        thread, namespace = _line(config)[0], config.get("configurable", {}).get("checkpoint_ns")
        below = None if before is None else get_checkpoint_id(before)

        def matching(metadata: Mapping[str, Any]) -> bool:
            return all(metadata.get(name) == wanted for name, wanted in filter.items())

        if (one := get_checkpoint_id(config)) is not None:
            spaces = [namespace] if namespace is not None else await self._here(self._checkpoints.scopes(thread))
            for space in spaces:
                kept = await self._here(self._checkpoints.read(thread, space, one))
                if kept is not None and matching(kept.metadata) and (below is None or one < below) and limit != 0:
                    yield kept
            return
        spaces = [namespace] if namespace is not None else await self._here(self._checkpoints.scopes(thread))
        size = _PAGE if limit is None else max(min(limit, _PAGE), 0)
        heads: dict[str, list[Kept]] = {}
        for space in spaces:
            found = await self._here(self._checkpoints.page(thread, space, below, size, matching)) if size else ()
            heads[space] = list(reversed(found))
        while limit != 0 and any(heads.values()):
            space = max((each for each in heads if heads[each]), key=lambda each: heads[each][-1].id)
            kept = heads[space].pop()
            yield kept
            limit = None if limit is None else limit - 1
            if not heads[space]:
                found = await self._here(self._checkpoints.page(thread, space, kept.id, size, matching))
                heads[space] = list(reversed(found))

    async def athreads(self, *, limit: int = 50, after: str | None = None) -> Sequence[Series]:
        """Threads, the last begun first: each with its id, and how many namespaces and checkpoints it has.

        `after` is the id of the last one of the page before.
        """
        return await self._here(self._checkpoints.page_of_series(after, limit))

    async def _all_threads(self) -> AsyncIterator[Series]:
        page = await self.athreads()
        while page:
            for each in page:
                yield each
            page = await self.athreads(after=page[-1].id)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What made channels that are kept as writes only, found in one reading."""
        if not channels:
            return {}
        past = await self._here(self._checkpoints.past(*_line(config), get_checkpoint_id(config), list(channels)))
        thread = _line(config)[0]
        made: dict[str, DeltaChannelHistory] = {}
        for name in channels:
            found = past[name]
            made[name] = {"writes": [(each.task, each.field, self._value(each.value, thread)) for each in found.writes]}
            if found.seeded:
                made[name]["seed"] = self._value(found.seed, thread)
        return made

    def _tuple(self, kept: Kept) -> CheckpointTuple:
        record = kept.record
        maps = (record.get(name, {}) for name in ("channel_versions", "versions_seen"))
        if record.get("id", kept.id) != kept.id or not all(isinstance(each, Mapping) for each in maps):
            raise StoreDamaged(
                f"thread {kept.series!r} is damaged: checkpoint {kept.id} is not what it should be",
                "restore the store from a backup, or delete this thread: the others are readable",
            )
        values = {name: self._value(each, kept.series) for name, each in kept.values.items()}
        return CheckpointTuple(
            _config(kept.series, kept.scope, kept.id),
            cast("Checkpoint", {**record, "channel_values": values}),
            cast("CheckpointMetadata", dict(kept.metadata)),
            None if not kept.parent else _config(kept.series, kept.scope, kept.parent),
            [(each.task, each.field, self._value(each.value, kept.series)) for each in kept.pending],
        )

    def _value(self, content: Scalar | Part | Chunks, thread: str) -> Any:
        """A stored value, put together."""
        if not isinstance(content, Chunks):
            return content
        try:
            first, *more = (self.serde.loads_typed((content.kind, data)) for data in content.data)
            for added in more:
                if type(first) is not list or type(added) is not list:
                    raise ValueError("a list was expected")
                first += added
        except TypeRefused as error:
            raise TypeRefused(f"thread {thread!r} has {error.what}", error.cure) from error
        except StoreError:
            raise
        except Exception as error:
            raise StoreDamaged(
                f"thread {thread!r} has a value that cannot be read: {error}",
                "open it with the types and the serializer it was written with",
            ) from error
        return first

    # ------------------------------------------------------------------------------------------------ removing

    async def adelete_thread(self, thread_id: str) -> None:
        """Forget a thread."""
        await self._here(self._checkpoints.delete(str(thread_id)))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Forget the checkpoints whose metadata name one of these as their `run_id`.

        Raises StoreError where a checkpoint that stays has a delta channel that is made from them.
        """
        if run_ids:
            await self._here(self._checkpoints.delete_labelled(list(run_ids)))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread, in the place of what the target has."""
        await self._here(self._checkpoints.copy(str(source_thread_id), str(target_thread_id)))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Forget all checkpoints of threads (`delete`), or all but the newest of each namespace (`keep_latest`).

        What the newest needs for its delta channels stays.
        """
        if strategy not in ("keep_latest", "delete"):
            raise UsageError(f"there is no strategy {strategy!r}", 'strategy="keep_latest" or strategy="delete"')
        for thread in thread_ids:
            await self._here(
                self._checkpoints.prune(str(thread))
                if strategy == "keep_latest"
                else self._checkpoints.delete(str(thread))
            )

    # ------------------------------------------------------------------------------------------------ versions

    def get_next_version(self, current: Any, channel: None) -> Any:  # noqa: ARG002 (LangGraph's signature)
        """Numbers; a thread that came from another saver goes on with its own kind of version."""
        if isinstance(current, str):
            return f"{int(current.partition('.')[0]) + 1:032}.{random():016}"
        return 1 if current is None else current + 1


def _names(content: Any) -> bool:
    return isinstance(content, Piece) or (isinstance(content, Part) and content.after is not None)


def _line(config: RunnableConfig) -> tuple[str, str]:
    """The thread and the namespace of a config."""
    configurable = config.get("configurable") or {}
    if configurable.get("thread_id") is None:
        raise UsageError("the config names no thread", 'config={"configurable": {"thread_id": "..."}}')
    return str(configurable["thread_id"]), str(configurable.get("checkpoint_ns") or "")


def _config(thread: str, namespace: str, checkpoint: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": namespace, "checkpoint_id": checkpoint}}


__all__ = ["LedgerSaver", "ValueRefused"]
