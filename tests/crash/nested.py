"""A process that goes on with a run, or dies on the way: what is done is noted in one file that all append to."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from workflow_engine import END, FAIL, START, Engine, Question, State, Step, function, human, subflow, workflow
from workflow_engine.errors import Conflict
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.testing import kill_after

NOTES: list[Path] = []


def note(step: Step) -> str:
    file = os.open(NOTES[-1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, f"{step.key}\n".encode())
    os.close(file)
    return step.key


class Case(State):
    n: int
    ok: Literal["yes", "no"] | None = None
    one: str = ""
    two: str = ""


@function(writes="one")
def first(n: int, step: Step) -> str:
    return note(step)


@human(writes="ok")
def ask(n: int) -> Question[Literal["yes", "no"]]:
    return Question("?")


@function(writes="two")
def second(n: int, step: Step) -> str:
    return note(step)


INNER = workflow(
    "inner", state=Case, edges=[START >> first >> ask, ask["yes"] >> second >> END, ask["no"] >> FAIL("no")]
)
MIDDLE = workflow("middle", state=Case, edges=[START >> subflow(INNER, reads="n", writes="two") >> first >> END])
OUTER = workflow("outer", state=Case, edges=[START >> subflow(MIDDLE, reads="n", writes="two") >> second >> END])


def go(folder: Path, run: str | None, writes: int = 0) -> None:
    """Begin a run, or go on with one, in a process of its own; die after so many writes, if that is not 0."""
    NOTES.append(folder / "notes")
    asyncio.run(_gone(folder / "runs.sqlite", run, writes))


async def _gone(store: Path, run: str | None, writes: int) -> None:
    ledger = await open_ledger(store)
    mortal = kill_after(ledger, writes) if writes else ledger
    async with Engine.connect(ledger=mortal, workflows=[OUTER]) as engine:
        with suppress(Conflict):
            await (engine.run(OUTER, n=1) if run is None else engine.resume(run, verb="recover"))
