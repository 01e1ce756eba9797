"""A process that tells a story to a store, and notes beside it what was acknowledged: `teller FOLDER SEED ACTS LEVEL`.

A fifth word plants a fault: `hasty` acknowledges a commit before it is made, `lax` syncs less than the level says.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from tests.crash.story import Story
from workflow_engine.ports.ledger import Batch, Fence, Ledger
from workflow_engine.record.ids import RunId
from workflow_engine.stores.sqlite import SqliteLedger, open_ledger


class Short(sqlite3.Connection):
    """A connection with a short log, so that a short story meets many checkpoints."""

    lax = False

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        super().execute("PRAGMA wal_autocheckpoint = 30")

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if self.lax and sql.startswith("PRAGMA synchronous"):
            sql = "PRAGMA synchronous = normal"
        return super().execute(sql, *values)


class Hasty:
    """A ledger that says of a commit that it is on disk once it was queued."""

    def __init__(self, ledger: SqliteLedger) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def commit(self, fence: Fence, batch: Batch) -> Awaitable[None]:
        self._ledger.commit(fence, batch)
        return asyncio.sleep(0)


async def main(folder: str, seed: str, acts: str, level: Any, plant: str = "") -> None:
    """Tell it."""
    acks = os.open(Path(folder, "acks"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    Short.lax = plant == "lax"

    async def opened() -> Ledger:
        ledger = await open_ledger(Path(folder, "runs.sqlite"), synchronous=level, factory=Short)
        if plant == "hasty":
            hasty: Any = Hasty(ledger)
            return hasty  # type: ignore[no-any-return]
        return ledger

    async def told(number: int, run: RunId) -> None:
        os.write(acks, f"told {number}\n".encode())

    def known(number: int) -> None:
        os.write(acks, f"known {number}\n".encode())

    await Story(opened, int(seed), told, known).tell(int(acts))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
