"""An engine over a ledger that outlives it, on a clock that jumps."""

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


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def opened(ledger: MemoryLedger, clock: FakeClock) -> Open:
    mint = SeededMint(1)

    def opened(*workflows: Any, **settings: Any) -> AbstractAsyncContextManager[Engine]:
        given = {"ledger": ledger, "clock": clock, "mint": mint, **settings}
        return Engine.connect("unused", workflows=workflows, **given)

    return opened
