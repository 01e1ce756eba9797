"""The power is cut while a story is told to a store: what was acknowledged is there, and nothing is read wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.crash.disk import CREATE, WRITE, Change, Disk, changes, watched
from tests.crash.story import MOST, Story, of_all, of_run, portrait
from workflow_engine.errors import StoreError
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.ids import RunId
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.stores.sqlite.reader import Reader

HOUSE = Path(__file__).parent.parent.parent
RUNS = [RunId(f"run{number}") for number in range(MOST)]
Seen = dict[str, str]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is one: what is synced to it is worked out, not done."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(prefix="power-", dir=memory if memory.is_dir() else None) as made:
        yield Path(made)


async def truth(seed: int, acts: int) -> list[Seen]:
    """What can be read of the store after each act: first of all, nothing."""
    ledger = MemoryLedger()
    seen: Seen = {name: text for run in RUNS for name, text in (await _of(ledger, run)).items()}
    seen |= await portrait(ledger, of_all())
    stood = [seen]

    async def opened() -> Ledger:
        return ledger

    async def told(number: int, run: RunId) -> None:
        assert number == len(stood)
        stood.append(stood[-1] | await _of(ledger, run) | await portrait(ledger, of_all()))

    await Story(opened, seed, told, lambda number: None).tell(acts)
    return stood


async def _of(ledger: Ledger, run: RunId) -> Seen:
    return {f"{run}: {name}": text for name, text in (await portrait(ledger, of_run(run, (3, 9)))).items()}


async def whole(ledger: Ledger) -> Seen:
    seen = await portrait(ledger, of_all())
    for run in RUNS:
        seen |= await _of(ledger, run)
    return seen


def told(folder: Path, seed: int, acts: int, level: str, plant: str = "") -> list[Change]:
    """The changes that the telling of a story makes to a folder."""
    place, log = folder / "disk", folder / "log"
    place.mkdir()
    subprocess.run(
        [sys.executable, "-m", "tests.crash.teller", str(place), str(seed), str(acts), level, plant],
        cwd=HOUSE,
        env=watched(place, log),
        check=True,
    )
    made = changes(log)
    shutil.rmtree(place)
    log.unlink()
    return made


@dataclass
class Cuts:
    """What became of many cuts: those that lost what was acknowledged, and those that left what never was."""

    made: int = 0
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    behind: int = 0


async def cut(folder: Path, made: list[Change], stood: list[Seen], count: int, seed: int) -> Cuts:
    """Cut the power that often, at moments all over a story, and look at what each leaves."""
    chance = Random(seed)
    notes = next(each.file for each in made if each.kind == CREATE and each.data.endswith(b"acks"))
    moments = sorted(chance.choices(range(1, len(made) + 1), k=count))
    disk, cuts = Disk(), Cuts()
    acknowledged = issued = 0
    for moment, change in enumerate(made, start=1):
        if change.file == notes:
            if change.kind == WRITE:
                word, number = change.data.split()
                if word == b"known":
                    acknowledged = max(acknowledged, int(number))
                else:
                    issued = int(number)
        else:
            disk.take(change)
        while moments and moments[0] == moment:
            moments.pop(0)
            cuts.made += 1
            async with _left(folder, disk, chance) as seen:
                # An act that the ledger was given is told of a moment later.
                fits = [number for number in range(min(issued + 1, len(stood) - 1) + 1) if stood[number] == seen]
                place = f"cut {cuts.made}, after {moment} of {len(made)} changes"
                if isinstance(seen, str) or not fits:
                    cuts.wrong.append(f"{place}: {seen if isinstance(seen, str) else _odd(seen, stood, acknowledged)}")
                elif max(fits) < acknowledged:
                    cuts.lost.append(f"{place}: {acknowledged} acts were acknowledged and {max(fits)} are there")
                elif min(fits) < issued:
                    cuts.behind += 1
    return cuts


@asynccontextmanager
async def _left(folder: Path, disk: Disk, chance: Random) -> AsyncIterator[Seen | str]:
    place = folder / "image"
    place.mkdir()
    try:
        for name, content in disk.left(chance).items():
            (place / name).write_bytes(content)
        yield await _looked(place)
    finally:
        shutil.rmtree(place)


async def _looked(place: Path) -> Seen | str:
    try:
        ledger = await open_ledger(place / "runs.sqlite")
    except StoreError as error:
        return f"it does not open: {error}"
    try:
        return await whole(ledger)
    finally:
        await ledger.close()


def _odd(seen: Seen, stood: list[Seen], acknowledged: int) -> str:
    """The readings that fit no moment of the story, or do not fit together."""
    near = min(stood[acknowledged:], key=lambda other: sum(seen[name] != other[name] for name in seen))
    return "; ".join(
        f"{name}: {seen[name][:200]} and not {near[name][:200]}" for name in seen if seen[name] != near[name]
    )


async def survived(folder: Path, level: str, *, seed: int, acts: int, count: int, plant: str = "") -> Cuts:
    """Tell a story, and cut the power."""
    return await cut(folder, told(folder, seed, acts, level, plant), await truth(seed, acts), count, seed)


async def test_a_power_cut_loses_nothing_that_was_acknowledged(folder: Path) -> None:
    cuts = await survived(folder, "full", seed=1, acts=60, count=50)
    assert (cuts.lost, cuts.wrong, cuts.made) == ([], [], 50)


async def test_at_the_weaker_level_a_power_cut_loses_the_last_commits_at_most(folder: Path) -> None:
    cuts = await survived(folder, "normal", seed=2, acts=60, count=30)
    assert (cuts.wrong, cuts.made) == ([], 30)


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(10, 16))
async def test_many_power_cuts_lose_nothing_that_was_acknowledged(folder: Path, seed: int) -> None:
    cuts = await survived(folder, "full", seed=seed, acts=150, count=260)
    assert (cuts.lost, cuts.wrong, cuts.made) == ([], [], 260)
    assert cuts.behind > 10, "the cuts have to fall between an act and its end, too"


@pytest.mark.crash
@pytest.mark.parametrize("seed", [20, 21])
async def test_many_power_cuts_at_the_weaker_level_leave_nothing_wrong(folder: Path, seed: int) -> None:
    cuts = await survived(folder, "normal", seed=seed, acts=150, count=200)
    assert (cuts.wrong, cuts.made) == ([], 200)


# ------------------------------------------------------------------------------------------------ planted faults


@pytest.mark.parametrize("plant", ["lax", "hasty"])
async def test_a_store_that_acknowledges_what_is_not_on_disk_is_found_out(folder: Path, plant: str) -> None:
    cuts = await survived(folder, "full", seed=1, acts=60, count=60, plant=plant)
    assert cuts.lost
    assert cuts.wrong == []


async def test_a_store_that_answers_from_memory_is_found_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, stood = told(folder, 1, 60, "full"), await truth(1, 60)
    kept: dict[str, Any] = {}
    read = Reader.read

    async def remembered(self: Reader, work: Any) -> Any:
        named = f"{work.func.__name__} {work.keywords}" if isinstance(work, partial) else work.__name__
        if named not in kept:
            kept[named] = await read(self, work)
        return kept[named]

    monkeypatch.setattr(Reader, "read", remembered)
    assert (await cut(folder, made, stood, 30, 1)).wrong
