"""Growth: a run of ten thousand steps, a large state and a growing list cost each step what the first ones cost."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from tests.crash.child import STORE, acted
from tests.crash.outside import here, lines, those
from tests.processes import ended
from workflow_engine import END, START, Engine, State, Step, append, at_most, function, route, workflow

LARGE = 999_000


class Long(State):
    until: int
    ballast: str = ""
    each: int = 0
    done: int = 0
    log: Annotated[list[str], append] = []


@function(writes=("done", "log"))
async def go(done: int, each: int, step: Step) -> tuple[int, list[str]]:
    if done % 100 == 0:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) if Path("/proc").exists() else 0
        here().note("memory", steps=done, held=pages * os.sysconf("SC_PAGE_SIZE"))
    return done + 1, ["x" * each] if each else []


@route
def enough(done: int, until: int) -> Literal["yes", "no"]:
    return "yes" if done >= until else "no"


LONG = workflow(
    "long",
    state=Long,
    edges=[START >> go >> enough, enough["yes"] >> END, enough["no"] >> at_most(20_000, go, then=END)],
)


def run(folder: Path, inputs: dict[str, Any]) -> None:
    async def main() -> None:
        async with Engine.connect(folder / STORE, workflows=[LONG]) as engine:
            view = await engine.run(LONG, inputs)
        assert view.status == "succeeded"

    acted(folder, None, main())


def rows(folder: Path, table: str) -> int:
    with closing(sqlite3.connect(folder / STORE)) as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def size(folder: Path) -> int:
    """Bytes of the store, once its log is in it."""
    with closing(sqlite3.connect(folder / STORE)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return (folder / STORE).stat().st_size


def grown(folder: Path, **inputs: Any) -> int:
    """Bytes of a store with one run of these inputs."""
    folder.mkdir()
    assert ended(run, folder, inputs) == 0, lines(folder)
    return size(folder)


def check(folder: Path, steps: int, *, ballast: int = 0, each: int = 0) -> float:
    """Bytes a step, seen to be the same in the first half of a run and in the second; rows as many as are meant."""
    folder.mkdir()
    inputs: Any = partial(dict, ballast="b" * ballast, each=each)
    none = grown(folder / "none", **inputs(until=1))
    half = grown(folder / "half", **inputs(until=steps // 2))
    whole = grown(folder / "whole", **inputs(until=steps))
    first, second = (half - none) / (steps // 2 - 1), (whole - half) / (steps - steps // 2)
    page = 4096 / (steps // 2)  # files grow by pages
    assert second < first * 1.05 + page
    assert rows(folder / "whole", "journal") == steps + 2
    versions = rows(folder / "whole", "versions")
    assert steps * (2 if each else 1) <= versions <= steps * 2 + 4
    return second


@pytest.mark.slow
def test_a_run_costs_each_step_the_same_bytes(tmp_path: Path) -> None:
    small = check(tmp_path / "s", 200)
    large = check(tmp_path / "l", 200, ballast=LARGE)
    assert large < small * 1.1 + 16, "an unchanged field costs nothing"
    listed = check(tmp_path / "k", 200, each=1000)
    assert listed < small + 1000 * 1.7


@pytest.mark.crash
def test_ten_thousand_steps_cost_each_the_same(tmp_path: Path, record_property: Any) -> None:
    steps = 9_990
    bytes_a_step = check(tmp_path / "run", steps)
    held = [line["held"] for line in those(lines(tmp_path / "run" / "whole"), "memory")]
    assert held[-1] < held[10] + 8_000_000, "what the process holds does not grow with the steps"
    record_property("crash", f"growth: {bytes_a_step:.0f} bytes a step, {held[10] >> 20} and {held[-1] >> 20} MB held")


@pytest.mark.crash
def test_a_list_may_grow_to_megabytes(tmp_path: Path, record_property: Any) -> None:
    bytes_a_step = check(tmp_path / "run", 3_000, each=1000)
    record_property("crash", f"growth: {bytes_a_step:.0f} bytes a step for a list that grows 1 KB each")
