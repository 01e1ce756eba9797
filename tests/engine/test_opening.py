"""Opening an engine: `open` recovers what a death left behind, `connect` never does; on a real SQLite file."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from workflow_engine import END, START, Engine, State, agent, function, run_sync, workflow
from workflow_engine.errors import ModelMissing, StoreError, UsageError


class Count(State):
    n: int
    target: int = 0


class Gate:
    """Holds the first body that comes through, until the test lets its process die."""

    def __init__(self) -> None:
        self.shut, self.came, self.calls = True, asyncio.Event(), 0


GATE: list[Gate] = []


@function(writes="target")
async def pass_gate(n: int) -> int:
    gate = GATE[-1]
    gate.calls += 1
    if gate.shut:
        gate.came.set()
        await asyncio.Event().wait()
    return n


FLOW = workflow("flow", state=Count, edges=[START >> pass_gate >> END])


@asynccontextmanager
async def dead_run(store: Path) -> AsyncIterator[str]:
    GATE.append(Gate())
    async with Engine.connect(store, workflows=[FLOW]) as engine:
        running = asyncio.create_task(engine.run(FLOW, n=3))
        await GATE[-1].came.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        run = str(await engine.find("@last"))
    GATE[-1].shut = False
    yield run


async def test_open_goes_on_with_dead_runs_by_itself(tmp_path: Path) -> None:
    async with (
        dead_run(tmp_path / "runs.sqlite") as run,
        Engine.open(tmp_path / "runs.sqlite", workflows=[FLOW]) as engine,
    ):
        while (await engine.get(run)).status != "succeeded":
            async for _ in engine.watch(run):
                pass
        assert [each.event.type for each in await engine.journal(run)][-2:] == ["RunClaimed", "StepFinished"]


async def test_connect_and_reading_recover_nothing(tmp_path: Path) -> None:
    store = tmp_path / "runs.sqlite"
    async with dead_run(store) as run:
        async with Engine.connect(store, workflows=[FLOW]) as engine:
            view = await engine.get(run)
            assert (view.status, view.interrupted) == ("running", True)
            await engine.runs()
            await engine.inbox()
            assert GATE[-1].calls == 1
            assert [each.status for each in await engine.recover()] == ["succeeded"]
        async with Engine.connect(store) as engine:
            assert await engine.recover() == [], "a run whose code is not here is left alone"


async def test_a_run_that_cannot_be_recovered_is_named_and_stops_no_other(tmp_path: Path, caplog: Any) -> None:
    store = tmp_path / "runs.sqlite"

    @function(writes="target")
    async def renamed(n: int) -> int:
        return n

    other = workflow("flow", state=Count, edges=[START >> renamed >> END])
    async with dead_run(store) as run:
        problems: list[Any] = []
        async with Engine.connect(store, workflows=[other]) as engine:
            assert await engine.recover(lambda run, error: problems.append((run, str(error)))) == []
        assert problems[0][0] == run
        assert "pass_gate" in problems[0][1]
        with caplog.at_level(logging.ERROR):
            async with Engine.open(store, workflows=[other]) as engine:
                while not caplog.records:
                    async for _ in engine.watch(run):
                        pass
        assert "was not recovered" in caplog.text


def test_run_sync_is_the_same_run_without_a_loop(tmp_path: Path) -> None:
    GATE.append(Gate())
    GATE[-1].shut = False
    view = run_sync(FLOW, {"n": 4}, tmp_path / "runs.sqlite")
    assert (view.status, view.state) == ("succeeded", Count(n=4, target=4))


async def test_an_input_may_have_any_name(tmp_path: Path) -> None:
    GATE.append(Gate())
    GATE[-1].shut = False
    async with Engine.connect(tmp_path / "runs.sqlite") as engine:
        view = await engine.run(FLOW, n=1, target=9)
        assert view.run.target is None
        assert (await engine.run(FLOW, {"n": 1}, "flow.py")).run.target == "flow.py"


async def test_a_reader_does_not_make_a_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        async with Engine.connect(tmp_path / "none.sqlite", create=False):
            pass
    assert list(tmp_path.iterdir()) == []


SYNC: Any = run_sync  # the type checkers refuse some of these calls too
CONNECT: Any = Engine.connect


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: SYNC(FLOW, n=1), r'has no setting n\n  inputs are one mapping: run_sync\(flow, {"n": ...}\)'),
        (lambda: SYNC(FLOW, {"n": 1}, modle=1), "has no setting modle\n  its settings are store, model, "),
        (lambda: SYNC(FLOW, {"n": 1}, workflows=[FLOW]), "has no setting workflows"),
        (lambda: SYNC(FLOW, 1), "the inputs are of type int"),
        (lambda: SYNC(pass_gate, {"n": 1}), "pass_gate is no workflow"),
        (lambda: SYNC(FLOW, {"n": 1}, model="offline"), "model='offline' is a text.*\n.*model=offline"),
    ],
)
def test_a_slip_in_run_sync_is_told_with_its_cure(
    wrong: Any, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=says):
        wrong()
    assert not list(tmp_path.iterdir()), "no store is made for a call that cannot be meant"


@pytest.mark.filterwarnings("error")
async def test_run_sync_in_a_running_loop_names_the_engine_and_leaves_no_coroutine(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"event loop is running\n  write: async with Engine.open"):
        run_sync(FLOW, {"n": 1}, tmp_path / "runs.sqlite")


@pytest.mark.parametrize(
    ("workflows", "says"), [(FLOW, "workflows=\\[flow\\]"), ([pass_gate], "pass_gate is no"), (3, "3 is no workflow")]
)
async def test_workflows_that_are_no_list_of_workflows_are_refused(workflows: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says):
        async with CONNECT(tmp_path / "runs.sqlite", workflows=workflows):
            pass


def test_from_python_a_missing_model_is_cured_in_python(tmp_path: Path) -> None:
    @agent(writes="target", instructions="Count.")
    def count(n: int) -> str:
        return str(n)

    counting = workflow("counting", state=Count, edges=[START >> count >> END])
    with pytest.raises(ModelMissing, match=r"Engine.open\(..., model=offline\(Path"):
        run_sync(counting, {"n": 1}, tmp_path / "runs.sqlite")
