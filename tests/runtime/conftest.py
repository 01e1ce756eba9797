"""An engine on either executor, over a ledger whose disk a test can stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.runtime.held import HeldLedger
from workflow_engine import Engine
from workflow_engine.record.ids import RunId
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.mint import SeededMint

Open = Callable[..., AbstractAsyncContextManager[Engine]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(jump=False)


@pytest.fixture
def ledger() -> HeldLedger:
    return HeldLedger()


class Ear:
    """Hears what became durable, and lets a test wait for it."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self._more = asyncio.Event()

    def hear(self, run: RunId, event: Any) -> None:
        self.heard.append(event)
        self._more.set()

    async def until(self, kind: type) -> Any:
        """The first event of a kind, once it is there."""
        async with asyncio.timeout(5):
            while not any(isinstance(each, kind) for each in self.heard):
                self._more.clear()
                await self._more.wait()
        return next(each for each in self.heard if isinstance(each, kind))


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture(params=["native", "langgraph"])
def executor(request: Any) -> str:
    return str(request.param)


@pytest.fixture
def opened(ledger: HeldLedger, clock: FakeClock, executor: str, ear: Ear) -> Open:
    mint = SeededMint(1)

    def opened(*workflows: Any, **settings: Any) -> AbstractAsyncContextManager[Engine]:
        given: dict[str, Any] = {
            "ledger": ledger,
            "clock": clock,
            "mint": mint,
            "executor": executor,
            "listeners": [ear],
        }
        given.update(settings)
        return Engine.connect("unused", workflows=workflows, **given)

    return opened
