"""An engine over a ledger that outlives it, so that a test can end a process without ending the test."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from workflow_engine import Engine
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.mint import SeededMint

Open = Callable[..., AbstractAsyncContextManager[Engine]]


class KeptLedger(MemoryLedger):
    """A memory ledger whose contents survive the engine that closes it."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ledger() -> KeptLedger:
    return KeptLedger()


@pytest.fixture
def opened(ledger: KeptLedger, clock: FakeClock) -> Open:
    mint = SeededMint(1)

    def opened(*workflows: Any, **settings: Any) -> AbstractAsyncContextManager[Engine]:
        given = {"ledger": ledger, "clock": clock, "mint": mint, **settings}
        return Engine.connect("unused", workflows=workflows, **given)

    return opened
