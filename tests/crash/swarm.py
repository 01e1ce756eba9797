"""Several workers on one store: each begins short runs and goes on with those of the dead, until all have ended."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tests.crash.child import STORE, Ears, acted, found
from tests.crash.deaths import mortal
from tests.crash.outside import Line, count, stand, those
from tests.crash.special import RUSH, shipped
from tests.processes import started, waited
from workflow_engine import Engine
from workflow_engine.ports.ledger import Page
from workflow_engine.record.frontier import Frontier

AT_ONCE = 8
"""Runs that one worker begins beside each other."""
PATROL = 0.02
"""Seconds between two looks of a worker for runs whose process died. A young worker looks at once."""


def work(folder: Path, name: str, executor: str, fault: str | None = None) -> None:
    """Begin runs until there is a sign that they are enough; then go on with what is left until nothing is."""
    acted(folder, fault, _work(folder, name, executor))


async def _work(folder: Path, name: str, executor: str) -> None:
    world = stand(folder)
    ledger = await mortal(folder / STORE, None)
    async with Engine.open(ledger=ledger, workflows=[RUSH], listeners=[Ears(world)], executor=executor) as engine:
        enough = folder / "enough"

        async def begin_runs(lane: int) -> None:
            begun = 0
            while not enough.exists():
                begun += 1
                view = await engine.run(RUSH, ticket=f"{name}.{lane}.{begun}")
                world.note("returned", run=view.id, status=view.status, values=dict(view.values))

        async def patrol() -> None:
            while True:
                await asyncio.sleep(PATROL)
                await engine.recover()

        patrolling = asyncio.create_task(patrol())
        await asyncio.gather(*(begin_runs(lane) for lane in range(AT_ONCE)))
        while await ledger.unfinished():  # noqa: ASYNC110 (other processes finish them too)
            await asyncio.sleep(0.01)
        patrolling.cancel()
        with suppress(asyncio.CancelledError):
            await patrolling


def look(folder: Path) -> None:
    """Tell what the store says in the end, with the whole journal of each run."""
    acted(folder, None, _look(folder))


async def _look(folder: Path) -> None:
    world = stand(folder)
    ledger = await mortal(folder / STORE, None)
    await found(world, ledger)
    page = Page(limit=10_000)
    for listed in await ledger.runs(page):
        journal = [each.event for each in await ledger.journal(listed.run)]
        world.note("causes", run=listed.run, causes=list(_causes(journal)))
    await ledger.close()


def _causes(journal: Sequence[Any]) -> Iterator[tuple[list[Any], list[Any]]]:
    """Which step made which one due, read from the moves that were committed."""
    frontier = Frontier()
    for event in journal:
        move = getattr(event, "move", None)
        if move is None:
            continue
        left = None if move.left is None else [move.left, frontier.visits[move.left]]
        frontier = frontier.after(move)
        if left is not None:
            yield from (([*left], [node, frontier.visits[node]]) for node in move.entered)


# ------------------------------------------------------------------------------------------------ what came of it


@dataclass(frozen=True)
class Swarmed:
    """What a swarm went through."""

    runs: int
    kills: int
    takeovers: Sequence[float]

    def takeover(self, share: float) -> float:
        """Seconds within which this share of the dead processes' runs had a new owner."""
        return sorted(self.takeovers)[min(len(self.takeovers) - 1, int(share * len(self.takeovers)))]

    def __str__(self) -> str:
        times = ", ".join(
            f"p{share:.0%} {self.takeover(share) * 1000:.0f} ms".replace("%", "") for share in (0.5, 0.99)
        )
        return f"{self.runs} runs, {self.kills} kills, {len(self.takeovers)} runs taken over: {times}"


def swarm(folder: Path, *, runs: int, workers: int, seed: int, pause: float, fault: str | None = None) -> int:
    """Keep this many workers alive until this many runs were begun, killing one after the other; how many were."""
    random = Random(seed)
    world = stand(folder)
    names = iter(range(10**6))
    kills = 0

    def worker() -> Any:
        return started(work, folder, f"w{next(names)}", random.choice(("native", "native", "langgraph")), fault)

    hive = [worker() for _ in range(workers)]
    try:
        while count(folder, "returned") < runs:
            victim = random.randrange(workers)
            hive[victim].join(random.uniform(0.3, 1.7) * pause)
            if hive[victim].exitcode is not None:
                break  # it ended by itself, which the oracle will tell of
            world.note("killing", victim=hive[victim].pid)
            hive[victim].kill()
            kills += 1
            waited(hive[victim])
            hive[victim] = worker()
    finally:
        (folder / "enough").touch()
        for each in hive:
            waited(each)
    assert waited(started(look, folder)) == 0
    return kills


def takeovers(told: Sequence[Line]) -> list[float]:
    """Seconds from a kill until each of its runs had a new owner."""
    killed: dict[int, float] = {}
    owner: dict[str, int] = {}
    times = []
    for line in told:
        if line["what"] == "killing":
            killed[line["victim"]] = line["at"]
        elif line["what"] == "heard" and line["event"] == "RunClaimed":
            before = owner.get(line["run"])
            if before in killed:
                times.append(line["at"] - killed[before])
            owner[line["run"]] = line["pid"]
    return times


def disorder(told: list[Line], ends: Callable[[str], Mapping[str, object]] = shipped) -> list[str]:
    """Wrongs that show only in the end: runs that did not end well, and bodies that ran after what follows on them.

    `ends` is the state in which the run of a ticket ends.
    """
    problems = []
    (end,) = list(those(told, "found"))
    for run, kept in end["runs"].items():
        wanted = ends(kept["values"]["ticket"])
        if kept["status"] != "succeeded" or kept["values"] != wanted:
            problems.append(f"run {run} ended {kept['status']} with {kept['values']}")
    tickets = Counter(kept["values"]["ticket"] for kept in end["runs"].values())
    problems += [f"{ticket} was begun {times} times" for ticket, times in tickets.items() if times > 1]
    first: dict[tuple[Any, ...], int] = {}
    last: dict[tuple[Any, ...], int] = {}
    for place, line in enumerate(told):
        if line["what"] == "body":
            visit = (line["run"], line["node"], line["visit"])
            first.setdefault(visit, place)
            last[visit] = place
    for line in those(told, "causes"):
        for cause, effect in line["causes"]:
            before, after = (line["run"], *cause), (line["run"], *effect)
            if last.get(before, -1) > first.get(after, len(told)):
                problems.append(f"{cause} of {line['run']} ran again after {effect} had begun")
    return problems
