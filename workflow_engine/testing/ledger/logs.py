"""What attempts say is kept beside the journal: as far as it goes, in its order, never in the way of a commit."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from workflow_engine.errors import RunNotFound
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.ids import RunId
from workflow_engine.record.logs import LogLine, LogPage, LogPart
from workflow_engine.testing.tale import Tale

AT = datetime(2026, 1, 1, 12, 30, 15, 250_000, tzinfo=UTC)


def part(number: int, *texts: str, take: int = 1) -> LogPart:
    """Lines of the first attempt of `work`."""
    lines = tuple(LogLine(place, AT, "stdout", text) for place, text in enumerate(texts, start=1))
    return LogPart("work", 1, 1, take, number, lines)


class LogsContract:
    """Sentences of `LedgerContract`."""

    async def test_what_was_said_is_there_with_the_next_commit(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        said = part(1, "ünï\u2028code", "\x1b[31m\x00\n two lines", "")
        told = LogPart("work", 2, 3, 7, 1, (LogLine(4, AT, "log", "no", "error", "mine"),), 5)
        ledger.log(fence, LogPage([said]))
        ledger.log(fence, LogPage([told]))
        await ledger.commit(fence, tale.stepped())
        assert [each.part for each in await elsewhere.logs(tale.id)] == [said, told]

    async def test_logs_are_read_in_pages(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        ledger.log(fence, LogPage([part(number, str(number)) for number in range(1, 8)]))
        await ledger.commit(fence, tale.stepped())
        first = await elsewhere.logs(tale.id, 0, 3)
        rest = await elsewhere.logs(tale.id, first[-1].place)
        assert [each.part.part for each in (*first, *rest) if each.part] == [1, 2, 3, 4, 5, 6, 7]
        assert await elsewhere.logs(tale.id, rest[-1].place) == []

    async def test_parts_that_make_room_are_gone(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        ledger.log(fence, LogPage([part(number, "one") for number in (1, 2, 3)]))
        ledger.log(fence, LogPage([part(2, "another", take=2)]))
        ledger.log(fence, LogPage([part(4, "four")], gone=(2, 3)))
        await ledger.commit(fence, tale.stepped())
        kept = [each.part for each in await elsewhere.logs(tale.id)]
        assert [(each.take, each.part) for each in kept if each] == [(1, 1), (2, 2), (1, 4)]

    async def test_a_superseded_owner_says_nothing_and_harms_no_commit(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        old = await ledger.create(tale.begun())
        await ledger.release(old)
        fence, _ = await ledger.claim(tale.id)
        ledger.log(old, LogPage([part(1, "too late")]))
        ledger.log(fence, LogPage([part(1, "in time", take=2)]))
        await ledger.commit(fence, tale.claimed(2))
        assert [each.part for each in await ledger.logs(tale.id)] == [part(1, "in time", take=2)]

    async def test_logs_are_told_apart_by_run(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tales = [Tale("r1"), Tale("r2")]
        for tale in tales:
            fence = await ledger.create(tale.begun())
            ledger.log(fence, LogPage([part(1, tale.id)]))
            await ledger.commit(fence, tale.stepped())
        assert [each.part for each in await elsewhere.logs(RunId("r2"))] == [part(1, "r2")]
        with pytest.raises(RunNotFound):
            await elsewhere.logs(RunId("r3"))

    async def test_what_was_said_is_noticed(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        seen = await elsewhere.changed(0)
        ledger.log(fence, LogPage([part(1, "a word")]))
        while await elsewhere.changed(seen) == seen:
            await elsewhere.read(tale.id)
        assert [each.part for each in await elsewhere.logs(tale.id)] == [part(1, "a word")]
