"""What happened is noticed in the commit it is part of; of several who settle a notice, one succeeds."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

from workflow_engine.record import events as e
from workflow_engine.record.notice import Told
from workflow_engine.testing.tale import START, Tale


class NoticesContract:
    """Sentences of `LedgerContract`, for a ledger that keeps notices."""

    async def test_a_question_is_noticed_in_its_own_commit(self, ledger: Any, elsewhere: Any) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        assert await ledger.notices.next_due() is None
        await ledger.commit(fence, tale.asked())
        [kept] = await elsewhere.notices.due(START + timedelta(days=1))
        asked = next(each for each in await ledger.journal(tale.id) if isinstance(each.event, e.QuestionAsked))
        assert (kept.run, kept.seq, kept.happened) == (tale.id, asked.seq, "question.asked")
        assert (kept.question, kept.at) == (asked.event.question.id, asked.event.at)
        assert await ledger.notices.next_due() == kept.due == asked.event.at
        assert await ledger.notices.due(asked.event.at - timedelta(seconds=1)) == []

    async def test_what_is_settled_is_due_no_more_and_still_known(self, ledger: Any, elsewhere: Any) -> None:
        await _asked(ledger)
        [kept] = await ledger.notices.newest()
        sent = replace(kept, due=None, told={"ops": Told("sent", 1, at=START)})
        assert await ledger.notices.replace(kept, sent)
        assert await elsewhere.notices.due(START + timedelta(days=1)) == []
        assert await elsewhere.notices.next_due() is None
        assert await elsewhere.notices.newest() == [sent]

    async def test_of_many_who_settle_a_notice_one_succeeds(self, ledger: Any, elsewhere: Any) -> None:
        await _asked(ledger)
        [kept] = await ledger.notices.newest()
        later = [replace(kept, due=START + timedelta(seconds=n + 1)) for n in range(10)]
        done = await asyncio.gather(
            *((ledger, elsewhere)[n % 2].notices.replace(kept, each) for n, each in enumerate(later))
        )
        assert sum(done) == 1
        assert await elsewhere.notices.newest() == [later[done.index(True)]]

    async def test_a_change_of_notices_is_noticed(self, ledger: Any, elsewhere: Any) -> None:
        await _asked(ledger)
        [kept] = await ledger.notices.newest()
        theirs = await elsewhere.changed(0)
        assert await ledger.notices.replace(kept, replace(kept, due=None))
        assert await elsewhere.changed(theirs) != theirs

    async def test_a_run_that_failed_is_noticed_each_time(self, ledger: Any, elsewhere: Any) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.failed())
        await ledger.release(fence)
        again, _ = await ledger.claim(tale.id)
        await ledger.commit(again, tale.claimed(again.epoch))
        await ledger.commit(again, tale.failed())
        kept = await elsewhere.notices.newest()
        assert [(each.run, each.happened, each.question) for each in kept] == [("r1", "run.failed", None)] * 2
        assert len({each.id for each in kept}) == 2


async def _asked(ledger: Any) -> None:
    tale = Tale("r1")
    fence = await ledger.create(tale.begun())
    await ledger.commit(fence, tale.asked())
