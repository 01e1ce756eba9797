"""The real clock and the real mint."""

from __future__ import annotations

import asyncio
import random
import secrets
from datetime import UTC, datetime

from workflow_engine.record.ids import RunId

# Without i, l, o and u: an id is read aloud and typed by people (Crockford's base 32).
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


class SystemClock:
    """Wall time in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SystemMint:
    """Twelve random base-32 characters are 60 bits: a million runs collide with probability 4e-7."""

    def run_id(self) -> RunId:
        return RunId("".join(secrets.choice(ALPHABET) for _ in range(12)))

    def chance(self) -> float:
        return random.random()
