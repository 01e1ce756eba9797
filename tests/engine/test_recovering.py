"""Recovering many runs: what is wrong with one is said, and all the others are gone on with first."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from workflow_engine import END, START, Engine, State, function, workflow
from workflow_engine.errors import UsageError, WorkflowChanged


class Gate:
    """Where the bodies of one test wait."""

    def __init__(self) -> None:
        self.open, self.reached = asyncio.Event(), asyncio.Semaphore(0)


GATE: list[Gate] = []


class Count(State):
    n: int
    there: int = 0


@function(writes="there")
async def slowly(n: int) -> int:
    GATE[-1].reached.release()
    await GATE[-1].open.wait()
    return n


@function(writes="there")
async def renamed(n: int) -> int:
    return n


FLOW = workflow("flow", state=Count, edges=[START >> slowly >> END])
OTHER = workflow("other", state=Count, edges=[START >> slowly >> END])
CHANGED = workflow("other", state=Count, edges=[START >> renamed >> END])


@pytest.fixture
async def dead(opened: Any, ledger: Any) -> list[str]:
    """A run of each workflow, both left behind by a process that died."""
    GATE.append(Gate())
    async with opened(FLOW, OTHER) as engine:
        driving = [asyncio.create_task(engine.run(each, n=1)) for each in (FLOW, OTHER)]
        for _ in driving:
            await GATE[-1].reached.acquire()
        ledger.abandon()
        for each in driving:
            each.cancel()
        await asyncio.gather(*driving, return_exceptions=True)
        return [each.run for each in reversed(await engine.runs())]


async def test_the_others_are_gone_on_with_before_one_run_s_problem_is_raised(opened: Any, dead: list[str]) -> None:
    GATE[-1].open.set()
    async with opened(FLOW, CHANGED) as engine:
        with pytest.raises(WorkflowChanged):
            await engine.recover()
        assert [(await engine.get(run)).status for run in dead] == ["succeeded", "running"]


@function(writes="there")
async def failing(n: int) -> int:
    raise RuntimeError("it cannot be done")


FAILING = workflow("flow", state=Count, edges=[START >> failing.named("slowly") >> END])


@pytest.mark.parametrize(("flow", "status"), [(FLOW, "succeeded"), (FAILING, "failed")])
async def test_a_run_that_somebody_else_took_to_its_end_meanwhile_is_left_alone(
    opened: Any, ledger: Any, dead: list[str], monkeypatch: pytest.MonkeyPatch, flow: Any, status: str
) -> None:
    """Another process is faster: after it was seen that nobody owns the run, and before it is claimed."""
    GATE[-1].open.set()
    claim = type(ledger).claim

    async def slow(self: Any, run: Any) -> Any:
        monkeypatch.undo()
        async with opened(flow) as faster:
            assert [each.status for each in await faster.recover()] == [status]
        return await claim(self, run)

    monkeypatch.setattr(type(ledger), "claim", slow)
    async with opened(flow) as engine:
        assert await engine.recover() == []
        assert (await engine.get(dead[0])).status == status
        claims = [each for each in await engine.journal(dead[0]) if type(each.event).__name__ == "RunClaimed"]
        assert len(claims) == 2


async def test_what_nobody_thought_of_is_logged_where_it_happens_in_the_background(
    ledger: Any, dead: list[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def broken(self: Any) -> Any:
        asked.set()
        raise ZeroDivisionError

    monkeypatch.setattr(type(ledger), "unfinished", broken)
    with caplog.at_level(logging.ERROR):
        async with Engine.open(ledger=ledger, workflows=[FLOW]):
            await asked.wait()
    assert "ZeroDivisionError" in caplog.text


async def test_two_workflows_of_one_name_are_refused(opened: Any) -> None:
    with pytest.raises(UsageError, match="two workflows are called 'other'"):
        async with opened(OTHER, CHANGED):
            pass
    async with opened(OTHER, OTHER):
        pass
