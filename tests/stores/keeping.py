"""How the store that tests keep of each schema is made: one workflow, and a run in every state a run can be in.

`python -m tests.stores.keeping` writes `kept/schemaN.sqlite` for the version of today, and beside it, as JSON, what the
engine read from it then. A kept file is never written anew: later versions must read what this one wrote.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sqlite3
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge
from pydantic import BaseModel

from workflow_engine import END, FAIL, START, Engine, Question, State, append, at_most, function, human, route, workflow
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.mint import SeededMint

KEPT = Path(__file__).parent / "kept"


class Ruling(BaseModel):
    choice: Literal["retry", "abandon"]
    hint: str = ""


class Case(State):
    n: int
    log: Annotated[list[str], append] = []
    tries: Annotated[int, Ge(0)] = 0
    ruling: Ruling | None = None


@function(writes=("tries", "log"))
async def attempt(n: int, tries: int) -> tuple[int, list[str]]:
    if n == 13:
        return -13, [str(n)]  # refused: a failure whose trace would name the machine's folders is not kept
    if n == 99:
        await asyncio.Event().wait()
    return tries + 1, [f"try {tries + 1} of {n}: ünïcode"]


@route
def verdict(n: int, tries: int) -> Literal["done", "again"]:
    return "done" if tries >= n else "again"


@human(writes="ruling", within=timedelta(days=2))
def review(tries: int) -> Question[Ruling]:
    return Question(f"tried {tries} times", evidence=[f"{tries} tries"], title="Go on?")


CASE = workflow(
    "case",
    state=Case,
    edges=[
        START >> attempt >> verdict,
        verdict["done"] >> END,
        verdict["again"] >> at_most(2, attempt, then=review),
        review["retry"] >> attempt,
        review["abandon"] >> FAIL("abandoned"),
        review.expired >> FAIL("nobody answered"),
    ],
)


async def fill(engine: Engine) -> dict[str, str]:
    """Runs by what became of them. The one called `died` is still running when this returns: kill it."""
    succeeded = await engine.run(CASE, n=2)
    waiting = await engine.run(CASE, n=7)
    answered = await engine.run(CASE, n=8)
    retried = await engine.run(CASE, n=5)
    await engine.answer(retried.id, {"choice": "retry", "hint": "slowly"}, by="somebody")
    await engine.resume(retried.id)
    cancelled = await engine.run(CASE, n=9)
    await engine.cancel(cancelled.id, by="somebody")
    failed = await engine.run(CASE, n=13)
    await engine.answer(answered.id, {"choice": "retry"}, by="somebody")
    views = {"succeeded": succeeded, "waiting": waiting, "answered": answered, "retried": retried}
    return {name: view.id for name, view in {**views, "cancelled": cancelled, "failed": failed}.items()}


async def read(engine: Engine, runs: dict[str, str]) -> dict[str, Any]:
    """All that the engine reads of these runs."""
    found: dict[str, Any] = {}
    for name, run in runs.items():
        view = await engine.get(run)
        steps = [each for each in view.history.steps if each.step is not None]
        found[name] = {
            **view.document(),
            "states": [dict(await engine.state_at(run, each.step)) for each in steps if each.step is not None],
            "events": [type(each.event).__name__ for each in await engine.journal(run)],
        }
    return found


async def _keep() -> None:
    # Nothing of the machine goes into a kept file.
    socket.gethostname = lambda: "host"
    os.getpid = lambda: 1
    KEPT.mkdir(exist_ok=True)
    work = KEPT / "work.sqlite"
    clock, mint = FakeClock(), SeededMint(7)
    async with Engine.connect(work, workflows=[CASE], clock=clock, mint=mint) as engine:
        runs = await fill(engine)
        died = asyncio.create_task(engine.run(CASE, n=99))
        while not [each for each in await engine.runs() if each.status == "running"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        runs["died"] = next(each.run for each in await engine.runs() if each.status == "running")
        # What a death leaves: the file as it is now.
        with closing(sqlite3.connect(work)) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            kept = KEPT / f"schema{version}.sqlite"
            db.execute("VACUUM INTO ?", (str(kept),))
        died.cancel()
        with suppress(asyncio.CancelledError):
            await died
    for each in KEPT.glob("work.sqlite*"):
        each.unlink()
    async with Engine.connect(kept, create=False, clock=clock) as engine:
        known = await read(engine, runs)
    for each in KEPT.glob("schema*.sqlite-*"):
        each.unlink()
    (KEPT / f"schema{version}.sqlite.owners").unlink()
    (KEPT / f"schema{version}.json").write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    asyncio.run(_keep())
