"""Talking to the model of the bench: the same prompt, tool and answer for everybody, counted by who serves them."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.meter import Meter
from bench.model import LAST
from bench.order import Order

NAME = "reader"
MODEL = "loopback"
INSTRUCTIONS = "Read the pages one by one."
PROMPT = "Read every page."
KEY = "none"


@dataclass(frozen=True)
class Served:
    """A model that runs beside this process."""

    base_url: str
    process: Process

    async def counts(self) -> dict[str, int]:
        """The requests and connections so far."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        counts: dict[str, int] = json.loads(await self.process.stdout.readline())
        return counts


@asynccontextmanager
async def served(order: Order) -> AsyncIterator[Served]:
    """The model, which ends with this."""
    started = [sys.executable, "-m", "bench.model", str(order.work.steps)]
    process = await asyncio.create_subprocess_exec(*started, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        yield Served(f"http://127.0.0.1:{port}/v1", process)
    finally:
        process.stdin.close()
        await process.wait()


async def page(number: int, mark: Callable[[], None]) -> str:
    """What the tool does."""
    mark()
    return f"Page {number} says nothing new."


async def measure(order: Order, meter: Meter, model: Served, turn: Callable[[], Awaitable[str]]) -> None:
    """Take the turns one after another. Whoever asked more or less, or was told something else, has no figures."""
    before = await model.counts()
    meter.begin()
    answers = [await turn() for _ in range(order.work.runs)]
    meter.end()
    after = await model.counts()
    meter.figures |= {name: after[name] - before[name] for name in after}
    assert answers == [LAST] * order.work.runs, answers
    assert meter.figures["requests"] == order.work.runs * (order.work.steps + 1), meter.figures
    assert len(meter.marks) == order.work.all_steps, len(meter.marks)
