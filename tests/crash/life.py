"""The life of one run over many processes, each of which may die; and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.crash import child
from tests.crash.deaths import Death
from tests.crash.oracle import wrongs
from tests.crash.outside import Line, lines, those
from tests.processes import PATIENCE, started, waited

EXECUTORS = ("native", "langgraph")
KILLED = -9
LONGEST = 25
"""Processes after which a life counts as endless."""


@dataclass(frozen=True)
class Plan:
    """How a life is to go. Once the deaths are used up, processes live; who goes on may do so on either executor."""

    flow: str
    drivers: Sequence[Death | None] = ()
    answerers: Sequence[Death | None] = ()
    executor: str = "native"
    seed: int = 0
    fault: str | None = None
    sudden: float | None = None

    def __str__(self) -> str:
        return (
            f"{self.flow} on {self.executor}, seed {self.seed}: {', '.join(map(str, (*self.drivers, *self.answerers)))}"
        )


@dataclass
class Lived:
    """What came of a life. `outcome` must not depend on the deaths."""

    kills: int = 0
    wrongs: list[str] = field(default_factory=list)
    outcome: Any = None
    places: list[Line] = field(default_factory=list)


def live(folder: Path, plan: Plan) -> Lived:
    """Begin a run, go on with it, answer what it asks, by as many processes as it takes."""
    lived = Lived()
    random = Random(plan.seed)
    drivers, answerers = iter(plan.drivers), iter(plan.answerers)
    executor = plan.executor
    for number in range(LONGEST):
        death = next(drivers, None)
        sudden = plan.sudden if number < 2 else None
        code = _one(sudden, child.drive, folder, plan.flow, executor, death, plan.fault)
        lived.kills += code == KILLED
        executor = random.choice(EXECUTORS)
        if code == KILLED:
            continue
        told = lines(folder)
        last = [line for line in told if line["what"] in ("found", "error")][-1]
        if last["what"] == "error" or last["pid"] != told[-1]["pid"]:
            break
        runs = last["runs"].values()
        if runs and all(run["status"] in ("succeeded", "failed") for run in runs):
            break
        if any(run["waits"] for run in runs):
            code = _one(None, child.answer, folder, plan.flow, next(answerers, None), plan.fault)
            lived.kills += code == KILLED
    else:
        lived.wrongs.append(f"no end after {LONGEST} processes")
    told = lines(folder)
    lived.wrongs += wrongs(told)
    lived.outcome = outcome(told)
    lived.places = list(those(told, "places"))
    return lived


def _one(sudden: float | None, work: Any, *arguments: Any) -> int:
    process = started(work, *arguments)
    if sudden is not None:
        process.join(sudden)
        if process.exitcode is None:
            process.kill()
    return waited(process, PATIENCE)


def outcome(told: list[Line]) -> Any:
    """What must be the same whatever the deaths: state, steps, and what people said."""
    last = list(those(told, "found"))[-1:]
    return [
        {
            "status": kept["status"],
            "values": kept["values"],
            "steps": sorted(Counter(f"{node} {visit}" for node, visit in kept["left"]).items()),
            # What the engine itself asks is answered with objects; how often it asks depends on the deaths.
            "said": sorted(str(value) for value in kept["given"].values() if not isinstance(value, dict)),
        }
        for kept in (last[0]["runs"].values() if last else ())
    ]
