"""Results that are kept: taken where the same code reads the same, and never in the way of anything."""

from __future__ import annotations

import logging
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from tests.policies.cached import CALLS, DAY, Sums, add, adding
from workflow_engine import END, START, Budget, Engine, Store, function, workflow
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.testing import FakeClock, SeededMint

MINT = SeededMint(1)
EXECUTORS = pytest.mark.parametrize("executor", ["native", "langgraph"])


@pytest.fixture(autouse=True)
def _nobody_called_yet() -> None:
    CALLS.clear()


async def more(n: int, more: int) -> int:
    CALLS.append(n)
    return n + more + 1


@EXECUTORS
async def test_the_same_code_that_reads_the_same_does_its_work_once(
    opened: Any, clock: FakeClock, executor: str
) -> None:
    flow, other = adding(), adding(name="other")
    async with opened(flow, other, executor=executor) as engine:
        first = await engine.run(flow, n=1)
        clock.advance(3 * 3600)
        again = await engine.run(flow, n=1)
        elsewhere = await engine.run(other, n=1)
        assert (await engine.run(flow, n=2)).values["total"] == 7
        assert (await engine.run(flow, n=1, more=6)).values["total"] == 7
    assert CALLS == [1, 2, 1]
    assert {view.values["total"] for view in (first, again, elsewhere)} == {6}
    assert [view.history.steps[0].words for view in (first, again)] == ["", "from the cache, 3 h old"]


async def test_its_time_is_what_the_node_says_now(opened: Any, clock: FakeClock) -> None:
    async with opened(adding()) as engine:
        await engine.run(adding(), n=1)
        clock.advance(3600)
        await engine.run(adding(timedelta(minutes=59)), n=1)
        assert CALLS == [1, 1]
        clock.advance(86_399)
        await engine.run(adding(), n=1)
        assert CALLS == [1, 1, 1], "it was kept anew for 59 minutes"
        clock.advance(86_400)
        await engine.run(adding(), n=1)
    assert CALLS == [1] * 4


async def test_a_clock_that_is_set_back_makes_nothing_older(opened: Any, ledger: Any, clock: FakeClock) -> None:
    clock.advance(86_400)
    async with opened(adding()) as engine:
        await engine.run(adding(), n=1)
    async with opened(adding(), clock=FakeClock()) as engine:
        await engine.run(adding(), n=1)
    assert CALLS == [1]


async def test_other_code_does_its_own_work(opened: Any) -> None:
    async with opened() as engine:
        assert (await engine.run(adding(), n=1)).values["total"] == 6
        assert (await engine.run(adding(body=more), n=1)).values["total"] == 7
    assert CALLS == [1, 1]


async def test_a_node_without_cache_neither_keeps_nor_takes(opened: Any) -> None:
    async with opened() as engine:
        await engine.run(adding(None), n=1)
        await engine.run(adding(), n=1)
        await engine.run(adding(None), n=1)
    assert CALLS == [1, 1, 1]


async def test_what_failed_is_not_kept(opened: Any) -> None:
    async with opened() as engine:
        view = await engine.run(adding(writes="small"), n=1)  # it holds less than 5
        assert (view.status, view.error.kind) == ("failed", "validation")
        await engine.resume(view.id)
    assert CALLS == [1, 1]


async def test_a_hit_uses_nothing_up(opened: Any) -> None:
    node = function(name="add", writes="total", cache=DAY)(add)
    flow = workflow("frugal", state=Sums, edges=[START >> node >> END], budget=Budget(steps=1))
    async with opened(flow) as engine:
        first, again = await engine.run(flow, n=1), await engine.run(flow, n=1)
    assert [view.run.frontier.spent.get("", None) is None for view in (first, again)] == [False, True]


async def test_a_ledger_that_keeps_no_results_runs_the_same(opened: Any, clock: FakeClock) -> None:
    class Plain(MemoryLedger):
        def __init__(self) -> None:
            super().__init__()
            del self.results

    async with opened(ledger=Plain()) as engine:
        for _ in range(2):
            assert (await engine.run(adding(), n=1)).status == "succeeded"
    assert CALLS == [1, 1]


# In a file


def on(path: Path, clock: FakeClock) -> Any:
    return Engine.connect(path, clock=clock, mint=MINT)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


def beneath(path: Path, statement: str) -> list[Any]:
    db = sqlite3.connect(path)
    try:
        with db:
            return db.execute(statement).fetchall()
    finally:
        db.close()


async def test_a_file_keeps_it_for_the_next_process(path: Path, clock: FakeClock) -> None:
    for _ in range(2):
        async with on(path, clock) as engine:
            assert (await engine.run(adding(), n=1)).values["total"] == 6
    assert CALLS == [1]


HARM = {
    "a text": "UPDATE results SET text = replace(text, '6', '7')",
    "a seal": "UPDATE results SET seal = x'00'",
    "a type": "UPDATE results SET text = 7",
    "a key": "UPDATE results SET key = 'other'",
    "a time": "UPDATE results SET until = 'soon'",
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
async def test_a_damaged_one_is_none_and_no_error(path: Path, clock: FakeClock, harm: str, caplog: Any) -> None:
    async with on(path, clock) as engine:
        await engine.run(adding(), n=1)
    beneath(path, harm)
    with caplog.at_level(logging.WARNING, "workflow_engine.stores"):
        async with on(path, clock) as engine:
            view = await engine.run(adding(), n=1)
            assert (view.status, view.values["total"]) == ("succeeded", 6)
            await engine.run(adding(), n=1)
    if "text" in harm or "seal" in harm:
        assert "a kept result was not used: the kept result" in caplog.text
        assert CALLS == [1, 1], "the second one was kept anew"


async def test_check_tells_of_damaged_ones(path: Path, clock: FakeClock) -> None:
    async with on(path, clock) as engine:
        await engine.run(adding(), n=1)
    assert (await Store(path).check()).harms == ()
    beneath(path, HARM["a text"])
    [harm] = (await Store(path).check()).harms
    assert (harm.run, "is damaged: it does not fit its seal" in harm.what) == (None, True)


async def test_those_whose_time_is_over_go(path: Path) -> None:
    clock = FakeClock(datetime(2001, 1, 1, tzinfo=UTC))
    async with on(path, clock) as engine:
        for n in range(30):
            await engine.run(adding(timedelta(hours=1)), n=n)
        clock.advance(7200)
        await engine.run(adding(timedelta(hours=1)), n=99)
    assert beneath(path, "SELECT count(*) FROM results") == [(11,)], "some go with each that comes"
    await Store(path).prune(older_than=timedelta(days=36500))
    assert beneath(path, "SELECT count(*) FROM results") == [(0,)], "the rest with a prune, whatever runs it leaves"


async def test_an_answer_out_of_the_cache_fits_the_type_of_now(path: Path, clock: FakeClock) -> None:
    class Small(Sums):
        total: Annotated[int, Field(lt=5)] = 0

    async with on(path, clock) as engine:
        await engine.run(adding(), n=1)
        node = function(name="add", writes="total", cache=DAY)(add)
        flow = workflow("small", state=Small, edges=[START >> node >> END])
        view = await engine.run(flow, n=1)
    assert CALLS == [1, 1], "what was kept is too much"
    assert view.error.kind == "validation"


async def test_a_step_that_knows_of_a_failure_does_its_own_work(opened: Any) -> None:
    @function(name="breaks", writes="n")
    async def breaks() -> int:
        raise OSError("down")

    node = function(name="add", writes="total", cache=DAY)(add)
    flow = workflow("caught", state=Sums, edges=[START >> breaks >> END, breaks.failed >> node >> END])
    async with opened(flow) as engine:
        for _ in range(2):
            await engine.run(flow)
    assert len(CALLS) == 2


def test_kept_results_are_no_part_of_the_shape() -> None:
    assert adding().shape == adding(None).shape
