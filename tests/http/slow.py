"""A workflow whose second step stays where it is the first time, and a process that drives it."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from workflow_engine import END, START, Engine, State, function, workflow


class Place(State):
    folder: str
    first: int = 0
    last: int = 0


@function(writes="first")
def begin(folder: str) -> int:
    return 1


@function(writes="last")
def dwell(folder: str, first: int) -> int:
    reached = Path(folder, "reached")
    if not reached.exists():
        reached.touch()
        time.sleep(60)
    return first + 1


slow = workflow("slow", state=Place, edges=[START >> begin >> dwell >> END])


def drive(folder: str) -> None:
    """Drive a run that stays where it is until its process is killed."""

    async def main() -> None:
        async with Engine.connect(Path(folder, "runs.sqlite"), workflows=[slow]) as engine:
            await engine.run(slow, folder=folder)

    asyncio.run(main())


if __name__ == "__main__":
    drive(sys.argv[1])
