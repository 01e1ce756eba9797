"""The real clock and the real mint."""

from __future__ import annotations

import asyncio
import random
import secrets
from datetime import UTC, datetime

from workflow_engine.record.ids import RunId, spelled


class SystemClock:
    """Wall time in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SystemMint:
    """Twelve characters of 31 are 59 bits: a million runs collide with a probability below 1e-6."""

    def run_id(self) -> RunId:
        return spelled(secrets.randbits(128), 12)  # so many bits that no letter is likelier than another

    def chance(self) -> float:
        return random.random()
