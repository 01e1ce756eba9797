"""Deaths around a wait: nothing acknowledged is lost, nothing counts twice, whoever dies at whichever write."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ended
from tests.waits.flows import BOTH, FIRST, ONE, SLOW, Contract, Payment
from workflow_engine import Engine, Workflow
from workflow_engine.errors import WorkflowError
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.crash import Crashed, crash_after, kill_after
from workflow_engine.testing.mint import SeededMint

SIGNALS: dict[str, list[tuple[str, Any]]] = {
    "both": [("payment", {"amount": 7}), ("contract", {"signed_by": "ana"}), ("payment", {"amount": 9})],
    "first": [("payment", {"amount": 7}), ("contract", {"signed_by": "ana"})],
    "one": [("payment", {"amount": 7})],
    "slow": [],
}


async def _life(flow: Workflow[Any], dies: int, when: Any, executor: str) -> tuple[Any, list[Any]]:
    """A run from its beginning to its end; the process that drives, sends or recovers dies at its `dies`-th write."""
    kept, clock, mint = MemoryLedger(), FakeClock(), SeededMint(1)

    async def act(number: int, work: Any) -> Any:
        dying = crash_after(kept, dies, when=when) if number < 3 else None
        async with Engine.connect(
            "unused", workflows=[flow], ledger=dying or kept, clock=clock, mint=mint, executor=executor
        ) as engine:
            return await (work(engine) if dying is None else dying.until_crash(work(engine)))

    async def often(work: Any) -> Any:
        for number in range(5):
            try:
                return await act(number, work)
            except Crashed:
                continue
        raise AssertionError("it never comes to an end")

    async def begun(engine: Engine) -> str:
        runs = await engine.runs()
        return str(runs[0].run if runs else (await engine.run(flow, order="A")).id)

    async def recovered(engine: Engine) -> Any:
        await engine.recover()
        return await engine.get("@last")

    run = await often(begun)
    if flow.name == "slow":  # its time counts from when it began to wait
        await often(recovered)
    for number, (name, payload) in enumerate(SIGNALS[flow.name]):
        for _ in range(2):  # who is not told that it is kept sends it again, and so does who was not sure

            async def send(engine: Engine, name: str = name, payload: Any = payload, id: str = f"s{number}") -> Any:
                await engine.signal(run, name, payload, id=id)

            await often(send)
    clock.advance(timedelta(days=3).total_seconds() if flow.name == "slow" else 0)
    view = await often(recovered)
    async with Engine.connect("unused", ledger=kept, clock=clock) as engine:
        return view, [each.event for each in await engine.journal(run)]


@pytest.mark.parametrize("executor", ["native", "langgraph"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("flow", [ONE, BOTH, FIRST, SLOW], ids=lambda flow: flow.name)
async def test_a_death_at_any_write_changes_nothing_in_the_end(flow: Any, when: Any, executor: str) -> None:
    whole, _ = await _life(flow, 10_000, when, executor)
    assert whole.status == "succeeded"
    for dies in range(1, 9):
        view, events = await _life(flow, dies, when, executor)
        assert (view.status, view.state) == ("succeeded", whole.state), dies
        came = [(each.name, each.id) for each in events if each.type == "SignalReceived"]
        assert len(came) == len(set(came)), dies
        finished = [(each.node, each.visit) for each in events if each.type == "StepFinished"]
        assert len(finished) == len(set(finished)), dies


# With real kills, on a store in a file


def drive(path: Path, last: int | None, when: Any) -> None:
    """Recover what is there, else begin; die at a write."""

    async def go() -> None:
        ledger: Any = await open_ledger(path)
        if last is not None:
            ledger = kill_after(ledger, last, when=when)
        async with Engine.connect(path, workflows=[BOTH], ledger=ledger) as engine:
            if not await engine.runs():
                await engine.run(BOTH, order="A")
            await engine.recover()

    asyncio.run(go())


def send(path: Path, name: str, payload: Any, id: str) -> None:
    """Send a signal, twice over, from a process that knows no workflow."""

    async def go() -> None:
        async with Engine.connect(path) as engine:
            for _ in range(2):
                await engine.signal("@last", name, payload, id=id)

    asyncio.run(go())


@pytest.mark.parametrize(("last", "when"), [(1, "after"), (2, "before"), (2, "after"), (3, "before"), (3, "after")])
def test_a_kill_between_the_letter_and_its_taking_loses_no_signal(tmp_path: Path, last: int, when: Any) -> None:
    path = tmp_path / "runs.sqlite"
    assert ended(drive, path, None, "after") == 0
    assert ended(send, path, "payment", {"amount": 7}, "p1") == 0
    assert ended(drive, path, last, when) == -9  # claimed; and took the letter, or died before it did
    assert ended(send, path, "contract", {"signed_by": "ana"}, "c1") == 0
    assert ended(send, path, "payment", {"amount": 9}, "p1") == 0
    assert ended(drive, path, None, "after") == 0

    async def look() -> Any:
        async with Engine.connect(path, workflows=[BOTH]) as engine:
            view = await engine.get("@last")
            return view, [each.event for each in await engine.journal(view.id)]

    view, events = asyncio.run(look())
    assert view.status == "succeeded"
    assert (view.state.payment, view.state.contract) == (Payment(amount=7), Contract(signed_by="ana"))
    assert sorted(each.id for each in events if each.type == "SignalReceived") == ["c1", "p1"]


async def test_of_several_that_recover_a_signalled_run_one_does(tmp_path: Path) -> None:
    async with Engine.connect(tmp_path / "runs.sqlite", workflows=[ONE]) as engine:
        view = await engine.run(ONE, order="A")
        await engine.signal(view.id, "payment", {"amount": 7})
    engines = [Engine.connect(tmp_path / "runs.sqlite", workflows=[ONE]) for _ in range(5)]
    opened = [await each.__aenter__() for each in engines]
    problems: list[WorkflowError] = []
    views = await asyncio.gather(*(each.recover(lambda _, error: problems.append(error)) for each in opened))
    assert not problems
    view = await opened[0].get(view.id)
    assert (view.status, view.state.log) == ("succeeded", ["packed A", "shipped for 7 EUR"])
    assert sum(len(each) for each in views) >= 1
    for each in engines:
        await each.__aexit__(None, None, None)
