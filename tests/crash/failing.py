"""A process whose disk fails while the engine drives runs in it.

`failing FOLDER KIND ERROR TIMES FIRST STEP MOST PLANT`: for every STEP-th call of a kind from the FIRST on, a run is
driven in a fresh store whose disk fails at that call; then the disk is well again, and the run is gone on with. What
came of each is printed as a line of JSON. A plant is a fault of the store: it takes every COMMIT in doubt for `done`.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from workflow_engine import END, START, Engine, State, append, at_most, function, route, workflow
from workflow_engine.errors import StoreError, WorkflowError
from workflow_engine.ports.ledger import Page
from workflow_engine.stores.sqlite import open_ledger, writer

GOAL = 5
BEGUN: list[int] = []  # visits, as their bodies began


class Search(State):
    goal: int = GOAL
    note: str = "n" * 3000
    tries: Annotated[list[int], append] = []


@function(writes="tries")
async def attempt(tries: list[int]) -> list[int]:
    BEGUN.append(len(tries) + 1)
    return [len(tries) + 1]


@route
def verdict(goal: int, tries: list[int]) -> Literal["found", "again"]:
    return "found" if len(tries) >= goal else "again"


SEARCH = workflow(
    "search",
    state=Search,
    edges=[START >> attempt >> verdict, verdict["found"] >> END, verdict["again"] >> at_most(20, attempt, then=END)],
)


async def driven(path: Path) -> dict[str, Any]:
    """Drive a run until it ends, or an error does."""
    try:
        async with Engine.connect(path, workflows=[SEARCH]) as engine:
            view = await engine.run(SEARCH)
        return {"outcome": view.run.status}
    except StoreError as error:
        return {"outcome": "StoreError", "what": error.what, "cure": error.cure}
    except Exception as error:
        return {"outcome": f"{type(error).__name__}: {error}"}


async def kept(path: Path) -> tuple[str | None, list[int]]:
    """The run that is in the store, and what its state says of its steps."""
    if not path.exists():
        return None, []
    ledger = await open_ledger(path)
    try:
        runs = await ledger.runs(Page())
        if not runs:
            return None, []
        assert len(runs) == 1
        found = await ledger.read(runs[0].run)
        await ledger.journal(runs[0].run)
        return runs[0].run, found.state["tries"].json() if "tries" in found.state else []
    finally:
        await ledger.close()


async def gone_on(path: Path, run: str | None) -> list[int]:
    """What the run says of its steps at its end."""
    async with Engine.connect(path, workflows=[SEARCH]) as engine:
        if run is None:
            view = await engine.run(SEARCH)
        else:
            view = await engine.get(run)
            if view.run.status != "succeeded":
                view = await engine.resume(run)
        assert view.run.status == "succeeded", view.run
        return list(view.state.tries)


async def tried(path: Path, disk: Any, planted: tuple[int, int, int, int]) -> dict[str, Any]:
    """One run on a disk that fails, and what is wrong with what came of it."""
    kind, number, times, error = planted
    BEGUN.clear()
    disk.disk_fail(kind, number, times, error, b"")
    told = await driven(path)
    failed = disk.disk_failed()
    disk.disk_fail(0, 0, 0, 0, b"")
    wrong: list[str] = []
    acknowledged = GOAL if told["outcome"] == "succeeded" else len(BEGUN) - 1
    try:
        run, steps = await kept(path)
        if steps != list(range(1, len(steps) + 1)):
            wrong.append(f"the state says {steps}")
        if len(steps) < acknowledged:
            wrong.append(f"{acknowledged} steps were acknowledged, {len(steps)} are there")
        if BEGUN and run is None:
            wrong.append("its first body began, and the run is not there")
        if await gone_on(path, run) != list(range(1, GOAL + 1)):
            wrong.append("it did not go on as it should")
    except (WorkflowError, AssertionError) as error_after:
        wrong.append(f"afterwards: {type(error_after).__name__}: {error_after}")
        steps = []
    begun = Counter(BEGUN)
    wrong += [f"visit {visit} was committed and ran again" for visit in steps if begun[visit] > 1]
    return {"number": number, "failed": failed, "wrong": wrong, **told}


async def main(folder: str, kind: str, error: str, times: str, first: str, step: str, most: str, plant: str) -> None:
    """All of them, until a run makes fewer calls than that."""
    if plant == "done":
        setattr(writer, "found", lambda jobs, outcomes, db: True)  # noqa: B010 (a name it only imports)
    disk = ctypes.CDLL(None)
    disk.disk_fail.argtypes = [ctypes.c_int, ctypes.c_long, ctypes.c_long, ctypes.c_int, ctypes.c_char_p]
    disk.disk_failed.restype = ctypes.c_long
    for number in range(int(first), int(first) + int(step) * int(most), int(step)):
        path = Path(folder, str(number), "runs.sqlite")
        told = await tried(path, disk, (int(kind), number, int(times), int(error)))
        sys.stdout.write(json.dumps(told) + "\n")
        if not told["failed"]:
            return


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
