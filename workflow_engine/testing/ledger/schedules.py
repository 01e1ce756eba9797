"""Schedules are kept under their names; of several who change one at once, one succeeds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from workflow_engine.errors import ScheduleNotFound, ScheduleTaken
from workflow_engine.record.ids import RunId
from workflow_engine.record.schedule import Schedule
from workflow_engine.testing.tale import START

NIGHTLY = Schedule("nightly", "tale", START, START, "0 6 * * *", None, "Europe/Berlin", {"text": "ü", "n": [1, {}]})


class SchedulesContract:
    """Sentences of `LedgerContract`, for a ledger that keeps schedules."""

    async def test_a_schedule_is_kept_as_it_was_given(self, ledger: Any, elsewhere: Any) -> None:
        often = Schedule("often", "tale", START, START, every=0.5, due_as="at", target="tale.py", catch_up=True)
        assert await elsewhere.schedules.every() == []
        for each in (often, NIGHTLY):
            await ledger.schedules.add(each)
        assert await elsewhere.schedules.every() == [NIGHTLY, often]
        assert await elsewhere.schedules.get("often") == often

    async def test_a_name_is_taken_once(self, ledger: Any, elsewhere: Any) -> None:
        adding = [
            each.schedules.add(replace(NIGHTLY, cron=f"{n} 6 * * *")) for n, each in enumerate([ledger, elsewhere])
        ]
        outcomes = await asyncio.gather(*adding, return_exceptions=True)
        assert [type(each) for each in outcomes if each is not None] == [ScheduleTaken]
        assert len(await ledger.schedules.every()) == 1

    async def test_of_many_who_replace_it_one_succeeds(self, ledger: Any, elsewhere: Any) -> None:
        await ledger.schedules.add(NIGHTLY)
        later = [replace(NIGHTLY, settled=START + timedelta(seconds=n + 1), last=RunId(f"r{n}")) for n in range(20)]
        done = await asyncio.gather(
            *((ledger, elsewhere)[n % 2].schedules.replace(NIGHTLY, each) for n, each in enumerate(later))
        )
        assert sum(done) == 1
        assert await elsewhere.schedules.get("nightly") == later[done.index(True)]

    async def test_one_that_is_gone_is_neither_found_replaced_nor_removed(self, ledger: Any, elsewhere: Any) -> None:
        await ledger.schedules.add(NIGHTLY)
        await elsewhere.schedules.remove("nightly")
        assert await ledger.schedules.every() == []
        assert not await ledger.schedules.replace(NIGHTLY, replace(NIGHTLY, paused=True))
        for act in (ledger.schedules.get, ledger.schedules.remove):
            with pytest.raises(ScheduleNotFound, match="nightly"):
                await act("nightly")
        await ledger.schedules.add(NIGHTLY)

    async def test_a_change_of_schedules_is_noticed(self, ledger: Any, elsewhere: Any) -> None:
        acts: list[Callable[[], Awaitable[Any]]] = [
            lambda: ledger.schedules.add(NIGHTLY),
            lambda: ledger.schedules.replace(NIGHTLY, replace(NIGHTLY, paused=True)),
            lambda: ledger.schedules.remove("nightly"),
        ]
        for act in acts:
            mine, theirs = await ledger.changed(0), await elsewhere.changed(0)
            await act()
            assert await ledger.changed(mine) != mine
            assert await elsewhere.changed(theirs) != theirs
