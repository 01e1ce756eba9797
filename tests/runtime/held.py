"""A ledger whose disk can be stopped: what is committed meanwhile is queued, and durable once it goes on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Any

from workflow_engine.errors import StoreError
from workflow_engine.ports.ledger import Batch, Fence
from workflow_engine.stores.memory import MemoryLedger


class HeldLedger(MemoryLedger):
    """Survives the engines that close it. `stop` holds every commit back, `go_on` lets them through in order."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped = False
        self.broken = False
        self.queue: deque[tuple[Fence, Batch, asyncio.Future[None]]] = deque()
        self._queued = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def stop(self) -> None:
        self.stopped = True
        self._queued.clear()

    async def held_back(self) -> None:
        """Wait until a commit is held back."""
        await self._queued.wait()

    def go_on(self) -> None:
        self.stopped = False
        while self.queue:
            self.let_one_through()

    def let_one_through(self) -> None:
        fence, batch, held = self.queue.popleft()
        durable = asyncio.ensure_future(super().commit(fence, batch))
        durable.add_done_callback(lambda done: _like(done, held))
        if not self.queue:
            self._empty.set()

    def commit(self, fence: Fence, batch: Batch) -> Awaitable[None]:
        if self.broken:
            refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            refused.set_exception(StoreError("the disk is full", "make room"))
            return refused
        if not self.stopped:
            return super().commit(fence, batch)
        held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.queue.append((fence, batch, held))
        self._empty.clear()
        self._queued.set()
        return held

    async def release(self, fence: Fence) -> None:
        await self._empty.wait()
        await super().release(fence)

    async def close(self) -> None:
        """A process ends; the disk stays, and nobody waits for what is held back any more."""
        self._empty.set()


def _like(done: asyncio.Future[Any], held: asyncio.Future[Any]) -> None:
    if held.done():  # whoever waited for it was cancelled
        return
    failure = done.exception()
    if failure is None:
        held.set_result(None)
    else:
        held.set_exception(failure)
