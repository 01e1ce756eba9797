"""The real clock and the real mint."""

from __future__ import annotations

import asyncio
import random
import secrets
from datetime import UTC, datetime

from workflow_engine.record.ids import RunId

# Without i, l, o and u: an id is read aloud and typed by people (Crockford's base 32). Without x: between two digits
# many fonts set it as a multiplication sign.
ALPHABET = "0123456789abcdefghjkmnpqrstvwyz"


class SystemClock:
    """Wall time in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SystemMint:
    """Twelve characters of 31 are 59 bits: a million runs collide with a probability below 1e-6."""

    def run_id(self) -> RunId:
        number, letters = secrets.randbits(128), len(ALPHABET)  # so many bits that no letter is likelier than another
        return RunId("".join(ALPHABET[number // letters**place % letters] for place in range(12)))

    def chance(self) -> float:
        return random.random()
