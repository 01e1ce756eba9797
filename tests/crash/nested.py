"""A process that goes on with a run, or dies on the way: what is done is noted in one file that all append to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from workflow_engine import END, FAIL, START, Engine, Question, State, Step, each, function, human, subflow, workflow
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


class Cases(State):
    ns: list[int]
    twos: list[str] = []


@function(writes="one")
async def begin(n: int, step: Step) -> str:
    return note(step)


@function(writes="two")
async def finish(n: int, step: Step) -> str:
    return note(step)


ONE = workflow("one", state=Case, edges=[START >> begin >> finish >> END])
ITEMS = workflow(
    "items",
    state=Cases,
    edges=[START >> each("ns", writes="twos", at_once=3)(subflow(ONE, name="item", writes="two")) >> END],
)
MANY = 12


def go(folder: Path, run: str | None, writes: int = 0) -> None:
    """Begin a run, or go on with one, in a process of its own; die after so many writes, if that is not 0."""
    NOTES.append(folder / "notes")
    asyncio.run(_gone(folder / "runs.sqlite", run, writes, OUTER, {"n": 1}))


def go_over_items(folder: Path, run: str | None, writes: int = 0) -> None:
    """The same for a run that has one within it for each of many items."""
    NOTES.append(folder / "notes")
    asyncio.run(_gone(folder / "runs.sqlite", run, writes, ITEMS, {"ns": list(range(MANY))}))


async def _gone(store: Path, run: str | None, writes: int, flow: Any, inputs: Mapping[str, Any]) -> None:
    ledger = await open_ledger(store)
    mortal = kill_after(ledger, writes) if writes else ledger
    async with Engine.connect(ledger=mortal, workflows=[flow]) as engine:
        with suppress(Conflict):
            await (engine.run(flow, inputs) if run is None else engine.resume(run, verb="recover"))
