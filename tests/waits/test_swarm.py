"""Several processes that begin, signal and recover runs with waits and timers in a fork, killed one after the other."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Annotated, Any

import pytest

from tests.processes import started, waited
from workflow_engine import END, START, Engine, State, append, function, wait, workflow
from workflow_engine.errors import StoreError, WorkflowError


class Rush(State):
    ticket: str
    paid: int = 0
    log: Annotated[list[str], append] = []


pause = wait(timedelta(milliseconds=30), name="pause")
paid = wait("payment", int, writes="paid", name="paid")


@function(writes="log")
async def tick() -> list[str]:
    return ["tick"]


@function(writes="log")
async def close(paid: int) -> list[str]:
    return [f"paid {paid}"]


RUSH = workflow("rush", state=Rush, edges=[START >> (pause >> tick, paid) >> close >> END])


def work(folder: Path, name: str, executor: str) -> None:
    """Begin runs, signal all that wait, each twice over, and recover, until there are enough and none is left."""
    asyncio.run(_work(folder, name, executor))


async def _work(folder: Path, name: str, executor: str) -> None:
    enough = folder / "enough"
    async with Engine.connect(folder / "runs.sqlite", workflows=[RUSH], executor=executor) as engine:

        async def begin(lane: int) -> None:
            number = 0
            while not enough.exists():
                number += 1
                view = await engine.run(RUSH, ticket=f"{name}.{lane}.{number}")
                (folder / f"begun-{view.id}").touch()

        async def go_on() -> None:
            while not enough.exists() or await _unfinished(engine):
                for each in await engine.runs(status="waiting", limit=100):
                    for _ in range(2):
                        with suppress(WorkflowError):  # it may have ended meanwhile
                            await engine.signal(each.run, "payment", 7, id="bank-1")
                await engine.recover(_told)
                await asyncio.sleep(0.02)

        await asyncio.gather(*(begin(lane) for lane in range(3)), go_on())


def _told(_run: Any, error: WorkflowError) -> None:
    if isinstance(error, StoreError):
        raise error


async def _unfinished(engine: Engine) -> bool:
    return any([await engine.runs(status=status, limit=1) for status in ("running", "waiting", "queued")])


def swarm(folder: Path, runs: int, workers: int, seed: int) -> int:
    """How many were killed until so many runs were begun."""
    random, names, kills = Random(seed), iter(range(10**6)), 0

    def worker() -> Any:
        return started(work, folder, f"w{next(names)}", random.choice(("native", "native", "langgraph")))

    hive = [worker() for _ in range(workers)]
    while len(list(folder.glob("begun-*"))) < runs:
        victim = random.randrange(workers)
        hive[victim].join(random.uniform(0.2, 0.8))
        hive[victim].kill()
        kills += 1
        assert waited(hive[victim]) == -9
        hive[victim] = worker()
    (folder / "enough").touch()
    assert [waited(each) for each in hive] == [0] * workers
    return kills


async def look(folder: Path) -> list[tuple[Any, list[Any]]]:
    async with Engine.connect(folder / "runs.sqlite", workflows=[RUSH]) as engine:
        found = [await engine.get(each.run) for each in await engine.runs(limit=10_000)]
        return [(view, [each.event for each in await engine.journal(view.id)]) for view in found]


@pytest.mark.parametrize(
    ("runs", "seed"),
    [
        pytest.param(60, 1, marks=pytest.mark.slow),
        pytest.param(1000, 2, marks=pytest.mark.crash),
    ],
)
def test_no_signal_is_lost_or_counts_twice_and_no_timer_either(tmp_path: Path, runs: int, seed: int) -> None:
    kills = swarm(tmp_path, runs, 3, seed)
    assert kills >= 1
    found = asyncio.run(look(tmp_path))
    assert len(found) >= runs
    for view, events in found:
        assert (view.status, sorted(view.state.log)) == ("succeeded", ["paid 7", "tick"]), view.id
        finished = sorted((each.node, each.visit) for each in events if each.type == "StepFinished")
        assert finished == [("close", 1), ("paid", 1), ("pause", 1), ("tick", 1)], view.id
        assert [each.id for each in events if each.type == "SignalReceived"] == ["bank-1"], view.id
