"""The kit's crashes: at every write, on both sides of it, in this process and in one of its own."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ended
from workflow_engine import END, START, Engine, State, function, workflow
from workflow_engine.errors import UsageError
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.testing import Crashed, Tale, crash_after, kill_after


class Count(State):
    n: int = 0


@function(writes="n")
def one() -> int:
    return 1


@function(writes="n")
async def more(n: int) -> int:
    return n + 1


COUNT = workflow("count", state=Count, edges=[START >> one >> more >> END])
WRITES = 4  # the run, two steps, and letting go


@pytest.mark.parametrize("executor", ["native", "langgraph"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_run_goes_on_from_what_was_durable_at_every_write(when: Any, executor: str) -> None:
    left = []
    for write in range(1, WRITES + 1):
        kept = MemoryLedger()
        dying = crash_after(kept, write, when=when)
        async with Engine.connect(ledger=dying, workflows=[COUNT], executor=executor) as engine:
            with pytest.raises(Crashed, match=f"write {write}, {when}"):
                await dying.until_crash(engine.run(COUNT))
        assert dying.crashed
        async with Engine.connect(ledger=kept, workflows=[COUNT]) as engine:
            left.append([each.steps for each in await engine.runs()])
            await engine.recover()
            assert [each.status for each in await engine.runs()] == ["succeeded"] * len(left[-1])
    assert left == ([[], [0], [1], [2]] if when == "before" else [[0], [1], [2], [2]])


async def test_work_that_writes_less_is_done() -> None:
    dying = crash_after(MemoryLedger(), WRITES + 1)
    async with Engine.connect(ledger=dying, workflows=[COUNT]) as engine:
        run = await dying.until_crash(engine.run(COUNT))
    assert (run.status, dying.writes, dying.crashed) == ("succeeded", WRITES, False)


async def test_a_dead_ledger_answers_nobody() -> None:
    kept = MemoryLedger()
    dying = crash_after(kept, 1)
    tale = Tale("r1")
    with pytest.raises(Crashed):
        await dying.until_crash(dying.create(tale.begun()))
    for asked in (dying.read(tale.id), dying.owned(tale.id), dying.claim(tale.id)):
        with pytest.raises(asyncio.CancelledError):
            await asyncio.ensure_future(asked)
    assert not await kept.owned(tale.id)


async def test_what_goes_wrong_before_the_crash_is_raised() -> None:
    dying = crash_after(MemoryLedger(), 9)

    async def slip() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await dying.until_crash(slip())


async def test_who_stops_waiting_for_a_crash_stops_the_work() -> None:
    dying = crash_after(MemoryLedger(), 9)
    began, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(dying.until_crash(work()))
    await began.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await ended.wait()


async def test_slips_are_told_with_their_cure(tmp_path: Path) -> None:
    ledger = await open_ledger(tmp_path / "runs.sqlite")
    with pytest.raises(UsageError, match="SqliteLedger cannot be abandoned") as told:
        crash_after(ledger, 1)
    assert "kill_after" in str(told.value.cure)
    with pytest.raises(UsageError, match="no write 0"):
        kill_after(ledger, 0)
    with pytest.raises(UsageError, match="when='during'"):
        kill_after(ledger, 1, when="during")  # type: ignore[arg-type]
    await ledger.close()


# ------------------------------------------------------------------------------------------------ a process of its own


def counting(path: Path, write: int, when: Any) -> None:
    async def main() -> None:
        ledger = kill_after(await open_ledger(path), write, when=when)
        async with Engine.connect(ledger=ledger, workflows=[COUNT]) as engine:
            await engine.run(COUNT)

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize(("write", "when", "steps"), [(2, "before", [0]), (2, "after", [1]), (9, "after", [2])])
async def test_a_process_is_killed_at_its_write(tmp_path: Path, write: int, when: str, steps: list[int]) -> None:
    path = tmp_path / "runs.sqlite"
    assert ended(counting, path, write, when) == (0 if write > WRITES else -signal.SIGKILL)
    async with Engine.connect(path, workflows=[COUNT]) as engine:
        assert [each.steps for each in await engine.runs()] == steps
        await engine.recover()
        assert (await engine.get("@last")).values == {"n": 2}
