"""`open_saver`: the engine's store as a checkpointer for plain LangGraph graphs, opened by one line."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from workflow_engine.errors import UsageError
from workflow_engine.ports.codec import Codec

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from workflow_engine.langgraph.saver import LedgerSaver
    from workflow_engine.stores.sqlite import SqliteLedger


def open_saver(
    path: str | Path,
    *,
    types: Iterable[type | tuple[str, ...]] = (),
    serde: SerializerProtocol | None = None,
    codec: Codec | None = None,
    synchronous: Literal["full", "normal"] = "full",
    create: bool = True,
) -> OpenSaver:
    """A checkpointer on the store at `path`: `async with open_saver("runs.sqlite") as saver:`.

    For `graph.invoke`, without an event loop: `with open_saver("runs.sqlite") as saver:`. The file is made if it is
    missing, and may hold the engine's own runs as well.

    `types` are classes of yours that the state holds (dataclasses, pydantic models, enums): no other is ever built from
    what stands in the file. `serde` replaces the strict serializer, for instance by LangGraph's EncryptedSerializer;
    `codec`, such as `stores.encryption.Keys`, encrypts the whole store, as it does for the engine's own runs.
    `synchronous="normal"` survives `kill -9`, but may lose the last checkpoints with the power.

    Raises StoreError, StoreTooNew, StoreDamaged when it is entered.
    """
    return OpenSaver(Path(path), tuple(types), serde, codec, synchronous, create)


class OpenSaver:
    """What `open_saver` returns: a context manager of both kinds, for one use."""

    def __init__(
        self,
        path: Path,
        types: tuple[type | tuple[str, ...], ...],
        serde: SerializerProtocol | None,
        codec: Codec | None,
        synchronous: Literal["full", "normal"],
        create: bool,
    ) -> None:
        self._path, self._types, self._serde, self._codec = path, types, serde, codec
        self._synchronous: Literal["full", "normal"] = synchronous
        self._create = create
        self._ledger: SqliteLedger | None = None
        self._aside: _LoopAside | None = None

    async def __aenter__(self) -> LedgerSaver:
        from workflow_engine.langgraph.saver import LedgerSaver
        from workflow_engine.stores.sqlite import open_ledger

        if self._ledger is not None:
            raise UsageError(f"{self._path} is open already", "call open_saver once more for a second one")
        self._ledger = await open_ledger(
            self._path, create=self._create, synchronous=self._synchronous, codec=self._codec
        )
        return LedgerSaver(self._ledger.checkpoints, types=self._types, serde=self._serde)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            await ledger.close()

    def __enter__(self) -> LedgerSaver:
        aside = _LoopAside()
        try:
            saver: LedgerSaver = aside.run(self.__aenter__())
        except BaseException:
            aside.end()
            raise
        self._aside = aside
        return saver

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        aside, self._aside = self._aside, None
        if aside is not None:
            try:
                aside.run(self.__aexit__(kind, error, trace))
            finally:
                aside.end()


class _LoopAside:
    """An event loop in a thread of its own, for programs that have none."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        # A program that forgets to close the saver must still be able to end.
        self._thread = threading.Thread(target=self._loop.run_forever, name="saver", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


__all__ = ["OpenSaver", "open_saver"]
