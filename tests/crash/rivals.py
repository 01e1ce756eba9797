"""Processes that want the same thing at the same moment: one run, or to answer one question."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.crash.child import EVERY, STORE, Ears, acted, found
from tests.crash.deaths import Death, mortal
from tests.crash.outside import Line, lines, stand, those
from tests.processes import PATIENCE
from workflow_engine import Engine
from workflow_engine.errors import Conflict


def until(folder: Path, come: Callable[[Sequence[Line]], object]) -> None:
    """Wait for something to be told."""
    end = time.monotonic() + PATIENCE
    while not come(lines(folder)):
        if time.monotonic() > end:
            raise TimeoutError("\n".join(map(str, lines(folder)[-20:])))
        time.sleep(0.005)


def number(told: Sequence[Line], what: str) -> int:
    """How many lines of a kind there are."""
    return sum(1 for _ in those(list(told), what))


def appear(folder: Path, name: str) -> None:
    """Give a sign to every process that looks for it."""
    (folder / name).touch()


def resume(folder: Path, flow: str, executor: str, death: Death | None = None, fault: str | None = None) -> None:
    """Be ready, and at the sign resume the run."""
    acted(folder, fault, _resume(folder, flow, executor, death))


async def _resume(folder: Path, flow: str, executor: str, death: Death | None) -> None:
    world = stand(folder)
    ledger = await mortal(folder / STORE, death)
    async with Engine.connect(
        ledger=ledger, workflows=[EVERY[flow].workflow], listeners=[Ears(world)], executor=executor
    ) as engine:
        run = await engine.find("@last")
        world.note("ready")
        while not (folder / "go").exists():  # noqa: ASYNC110 (other processes give the sign)
            await asyncio.sleep(0.003)
        try:
            view = await engine.resume(run)
        except Conflict as error:
            world.note("lost", kind=type(error).__name__, cure=error.cure, text=error.what)
            return
        world.note("won", status=view.status)
        await found(world, ledger)


def opine(folder: Path, value: int) -> None:
    """Be ready, and at the sign answer the question."""
    acted(folder, None, _opine(folder, value))


async def _opine(folder: Path, value: int) -> None:
    world = stand(folder)
    ledger = await mortal(folder / STORE, None)
    async with Engine.connect(ledger=ledger) as engine:
        (standing,) = await engine.inbox()
        world.note("ready")
        while not (folder / "go").exists():  # noqa: ASYNC110 (other processes give the sign)
            await asyncio.sleep(0.003)
        try:
            await engine.answer(standing.question.id, value, by=f"voter {value}")
        except Conflict as error:
            world.note("lost", kind=type(error).__name__, cure=error.cure, text=error.what)
        else:
            world.note("answered", question=standing.question.id, run=standing.question.run, value=value)
