"""A process that dies while it forks: the fork is there whole or not at all, and its parent is as it was."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from tests.crash.deaths import Death, Statements, mortal
from tests.crash.life import KILLED
from tests.processes import ended
from workflow_engine import END, START, Engine, State, Store, append, function, run_sync, workflow
from workflow_engine.testing.crash import When

STORE = "runs.sqlite"


class Trip(State):
    cargo: str
    word: str = ""
    log: Annotated[list[str], append] = Field(default_factory=list)


@function(writes=("word", "log"))
async def load(cargo: str) -> tuple[str, list[str]]:
    return "loaded", [f"{len(cargo)} of cargo"]


@function(writes="log")
async def sail(word: str) -> list[str]:
    return [f"{word} and sailed"]


@function(writes="log")
async def land(log: list[str]) -> list[str]:
    return [f"landed after {len(log)}"]


trip = workflow("trip", state=Trip, edges=[START >> load >> sail >> land >> END])
WHEN: tuple[When, When] = ("before", "after")
CARGO = "c" * 50_000
FORKED = ["50000 of cargo", "mended and sailed", "landed after 2"]


def fork(folder: Path, death: Death | None) -> None:
    """Fork the one run there is after its first step, in a process that dies so."""

    async def act() -> None:
        ledger: Any = await mortal(folder / STORE, death)
        async with Engine.connect(ledger=ledger, workflows=[trip]) as engine:
            view = await engine.fork("@last", at=1, word="mended")
            assert view.values["log"] == FORKED
            (folder / "places").write_text(f"{ledger.writes} {Statements.count}")

    asyncio.run(act())


async def look(folder: Path, parent: Any) -> bool:
    """Whether there is a fork, which then goes on to its end; its parent must be the same, and the store whole."""
    async with Engine.connect(folder / STORE, workflows=[trip]) as engine:
        assert await engine.get(parent.id) == parent
        forks = [each.run for each in await engine.runs() if each.run != parent.id]
        assert len(forks) <= 1
        for each in forks:
            await engine.recover()
            view = await engine.get(each)
            assert (view.status, view.values["log"], view.run.parent) == ("succeeded", FORKED, (parent.id, 1))
            assert view.values["cargo"] == CARGO
        again = await engine.fork(parent.id, at=1, word="mended")
        assert again.values["log"] == FORKED
    assert (await Store(folder / STORE).check()).harms == ()
    return bool(forks)


def lived(folder: Path, death: Death | None) -> bool | None:
    """Whether the fork survived such a death; None where nobody died."""
    folder.mkdir()
    parent = run_sync(trip, {"cargo": CARGO}, store=folder / STORE)
    code = ended(fork, folder, death)
    survived = asyncio.run(look(folder, parent))
    assert survived or code == KILLED
    return survived if code == KILLED else None


def deaths(folder: Path) -> list[Death]:
    """Before and after each write of a process that forks, and each of its first statements."""
    assert lived(folder, None) is None
    writes, statements = map(int, (folder / "places").read_text().split())
    found = [Death("write", each + 1, when) for each in range(writes) for when in WHEN]
    return found + [Death("statement", each + 1, when) for each in range(min(statements, 12)) for when in WHEN]


def survived(folder: Path, chosen: list[Death]) -> list[bool | None]:
    return [lived(folder / f"{number}", death) for number, death in enumerate(chosen)]


@pytest.mark.slow
def test_a_fork_whose_process_dies_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    assert {True, False} <= set(survived(tmp_path, deaths(tmp_path / "undisturbed")[::5]))


@pytest.mark.crash
def test_a_fork_is_whole_or_not_at_all_wherever_its_process_dies(tmp_path: Path) -> None:
    found = survived(tmp_path, deaths(tmp_path / "undisturbed"))
    assert min(found.count(True), found.count(False)) > len(found) // 4
    assert found.count(None) <= 2
