"""Whoever owns a run no more stores no inner checkpoint either: the next owner's graph goes on undisturbed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.foreign.graphs import TWICE
from tests.foreign.test_running import reporting
from workflow_engine import Engine
from workflow_engine.errors import FenceLost
from workflow_engine.ports.checkpoints import Given, Write
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.stores.sqlite import open_ledger


@pytest.fixture(params=["memory", "file"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    ledger: Any = MemoryLedger() if request.param == "memory" else await open_ledger(tmp_path / "runs.sqlite")
    yield ledger
    await ledger.close()


async def test_a_superseded_owner_stores_no_inner_checkpoint(ledger: Any, tmp_path: Path) -> None:
    flow = reporting(TWICE)

    class Kept:
        """The same ledger, left open."""

        def __getattr__(self, name: str) -> Any:
            return getattr(ledger, name)

        async def close(self) -> None: ...

    kept_open: Any = Kept()
    async with Engine.connect(ledger=kept_open, workflows=[flow]) as engine:
        run = (await engine.run(flow, request="bees")).run.id
    first, _ = await ledger.claim(run)
    old = ledger.checkpoints_of(first)
    await old.put("s", "", Given("1", None, {}, {}), None)
    await ledger.release(first)
    second, _ = await ledger.claim(run)
    with pytest.raises(FenceLost):
        await old.put("s", "", Given("2", "1", {}, {}), None)
    with pytest.raises(FenceLost):
        await old.pend("s", "", "1", [Write("t", "", 0, "x", 1)])
    kept = await ledger.checkpoints.read("s", "")
    assert (kept.id, list(kept.pending)) == ("1", [])
    await ledger.checkpoints_of(second).put("s", "", Given("3", "1", {}, {}), None)
    await ledger.release(second)
