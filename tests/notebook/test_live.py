"""The live view: it follows what is driven here or elsewhere, and never stands in the way of a run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from workflow_engine import END, START, Engine, State, function, workflow
from workflow_engine.errors import InputError, RunNotFound, UsageError
from workflow_engine.notebook import live
from workflow_engine.stores.memory import MemoryLedger


class Doors(State):
    first: str | None = None
    second: str | None = None


def gated(gate: asyncio.Event) -> Any:
    """A workflow whose second step waits for the gate."""

    @function(writes="first")
    async def one() -> str:
        return "open"

    @function(writes="second")
    async def two() -> str:
        await gate.wait()
        return "open"

    return workflow("doors", state=Doors, edges=[START >> one >> two >> END])


async def until(capsys: pytest.CaptureFixture[str], words: str) -> str:
    """What was printed, once it has these words in it."""
    told = ""
    async with asyncio.timeout(20):
        while words not in told:
            await asyncio.sleep(0.01)
            told += capsys.readouterr().err
    return told


async def test_a_run_is_followed_while_it_is_driven_here(capsys: pytest.CaptureFixture[str]) -> None:
    gate = asyncio.Event()
    async with Engine.connect(ledger=MemoryLedger(), workflows=[doors := gated(gate)]) as engine:
        watching = asyncio.create_task(live(engine, engine.run(doors), every=0.01))
        await until(capsys, "of doors: running after 1 step\n")
        assert list(engine.driven)
        gate.set()
        view = await watching
        assert view.status == "succeeded"
        assert not engine.driven
    assert f"run {view.id} of doors: succeeded after 2 steps\n" in capsys.readouterr().err


async def test_a_run_that_another_engine_drives_is_followed_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = asyncio.Event()
    store = tmp_path / "runs.sqlite"
    async with Engine.connect(store, workflows=[doors := gated(gate)]) as owner, Engine.connect(store) as onlooker:
        driving = asyncio.create_task(owner.run(doors))
        while not owner.driven:  # noqa: ASYNC110 (nobody rings when a run is begun)
            await asyncio.sleep(0.01)
        watching = asyncio.create_task(live(onlooker, "@last", every=0.01))
        await until(capsys, "running after 1 step\n")
        gate.set()
        assert (await watching).status == "succeeded"
        assert (await driving).status == "succeeded"


async def test_who_interrupts_the_cell_stops_a_run_that_can_be_resumed(capsys: pytest.CaptureFixture[str]) -> None:
    gate = asyncio.Event()
    async with Engine.connect(ledger=MemoryLedger(), workflows=[doors := gated(gate)]) as engine:
        watching = asyncio.create_task(live(engine, engine.run(doors), every=0.01))
        await until(capsys, "running after 1 step\n")
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        assert not engine.driven
        gate.set()
        assert (await live(engine, engine.resume("@last"))).status == "succeeded"


async def test_what_the_drive_raises_is_raised() -> None:
    async with Engine.connect(ledger=MemoryLedger(), workflows=[doors := gated(asyncio.Event())]) as engine:
        with pytest.raises(InputError):
            await live(engine, engine.run(doors, third="?"))
        with pytest.raises(RunNotFound):
            await live(engine, "nobody")
        with pytest.raises(UsageError, match="is no run"):
            await live(engine, doors)
