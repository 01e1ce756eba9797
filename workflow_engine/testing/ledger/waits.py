"""What waits is found when its time comes, or when something is said on its topic."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from workflow_engine.errors import RunEnded
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.inbox import Letter, SignalRecord
from workflow_engine.record.publication import Publication
from workflow_engine.testing.tale import Tale

AT = datetime(2030, 1, 1, 12, tzinfo=UTC)
SOON, LATER = AT + timedelta(microseconds=1), AT + timedelta(days=400)


class WaitsContract:
    """Sentences of `LedgerContract`."""

    async def test_runs_are_due_when_a_question_or_a_wait_is_over(self, ledger: Ledger, elsewhere: Ledger) -> None:
        asks, waits, idle, later = Tale("asks"), Tale("waits"), Tale("idle"), Tale("later")
        for tale in (asks, waits, idle, later):
            fence = await ledger.create(tale.begun())
            if tale is asks:
                await ledger.commit(fence, tale.asked(due=SOON))
            elif tale is waits:
                await ledger.commit(fence, tale.waits("paid", until=AT))
            elif tale is later:
                await ledger.commit(fence, tale.waits("paid", until=LATER))
            await ledger.release(fence)
        assert await elsewhere.due(AT - timedelta(microseconds=1)) == []
        assert await elsewhere.due(AT) == ["waits"]
        assert await elsewhere.due(SOON) == ["waits", "asks"]
        assert await elsewhere.due(LATER) == ["waits", "asks", "later"]

    async def test_the_next_time_anything_is_due_is_told(self, ledger: Ledger, elsewhere: Ledger) -> None:
        assert await elsewhere.next_due(AT) is None
        for name, until in (("r1", AT), ("r2", SOON), ("r3", LATER)):
            tale = Tale(name)
            fence = await ledger.create(tale.begun())
            await ledger.commit(fence, tale.waits("paid", until=until))
        assert await elsewhere.next_due(AT - timedelta(days=1)) == AT
        assert await elsewhere.next_due(AT) == SOON
        assert await elsewhere.next_due(SOON) == LATER
        assert await elsewhere.next_due(LATER) is None

    async def test_what_a_run_waits_for_no_longer_is_not_due(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.waits("paid", until=AT, topic="orders"))
        await ledger.release(fence)
        assert (await elsewhere.due(AT), await elsewhere.listening("orders")) == (["r1"], ["r1"])
        fence, _ = await ledger.claim(tale.id)
        await ledger.commit(fence, tale.claimed(fence.epoch))
        await ledger.commit(fence, tale.signalled())
        assert (await elsewhere.due(LATER), await elsewhere.next_due(AT - timedelta(days=1))) == ([], None)
        assert await elsewhere.listening("orders") == []

    async def test_a_run_that_takes_a_question_up_again_is_due_again(self, ledger: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.asked(due=AT))
        await ledger.commit(fence, tale.expired())
        assert await ledger.due(LATER) == []
        await ledger.commit(fence, tale.asked(due=SOON))
        assert (await ledger.due(AT), await ledger.due(SOON)) == ([], ["r1"])

    async def test_what_waits_beside_other_work_is_found_too(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.waits_beside(AT, "orders"))
        assert (await elsewhere.read(tale.id)).run.status == "running"
        assert (await elsewhere.due(AT), await elsewhere.listening("orders")) == (["r1"], ["r1"])
        await ledger.commit(fence, tale.stepped())
        assert (await elsewhere.due(AT), await elsewhere.listening("orders")) == ([], [])

    async def test_a_run_that_ended_is_not_due(self, ledger: Ledger) -> None:
        for name, ending in (("cancelled", Tale.cancelled), ("failed", Tale.failed)):
            tale = Tale(name)
            fence = await ledger.create(tale.begun())
            await ledger.commit(fence, tale.waits("paid", until=AT, topic="orders"))
            await ledger.commit(fence, ending(tale))
        assert await ledger.due(LATER) == []
        assert await ledger.listening("orders") == ["failed"]  # it can go on, and hears what was said meanwhile

    async def test_who_listens_to_a_topic_is_found_by_its_whole_name(self, ledger: Ledger, elsewhere: Ledger) -> None:
        for name, topic in (("r1", "orders"), ("r2", "orders/eu"), ("r3", None), ("r4", "orders")):
            tale = Tale(name)
            fence = await ledger.create(tale.begun())
            await ledger.commit(fence, tale.waits("paid", topic=topic))
        assert await elsewhere.listening("orders") == ["r1", "r4"]
        assert await elsewhere.listening("orders/eu") == ["r2"]
        assert await elsewhere.listening("order") == []
        assert await elsewhere.listening("") == []

    async def test_a_publication_is_kept_once_with_those_who_listen(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.waits("paid", topic="orders"))
        said = Publication("orders", "p1", "ann", AT, {"n": "ü 🙂"}, {"ship": None})
        kept, open_ = await elsewhere.publish(said)
        assert (kept.payload, kept.runs, kept.starts, open_) == ({"n": "ü 🙂"}, ("r1",), {"ship": None}, True)
        later = Tale("r2")
        fence = await ledger.create(later.begun())
        await ledger.commit(fence, later.waits("paid", topic="orders"))
        again, open_ = await ledger.publish(replace(said, payload="other"))
        assert (again, open_) == (kept, True)
        assert await ledger.undelivered() == [kept]
        for each in (ledger, elsewhere):
            await each.delivered(kept)
            assert await each.undelivered() == []
            assert await each.publish(said) == (kept, False)
        other, open_ = await ledger.publish(replace(said, topic="payments"))
        assert (other.runs, open_) == ((), True)

    async def test_of_many_publications_at_once_each_is_kept_once(self, ledger: Ledger, elsewhere: Ledger) -> None:
        said = [Publication("orders", f"p{number % 5}", "ann", AT) for number in range(40)]
        await asyncio.gather(*((ledger, elsewhere)[at % 2].publish(each) for at, each in enumerate(said)))
        assert sorted(each.id for each in await ledger.undelivered()) == ["p0", "p1", "p2", "p3", "p4"]

    async def test_a_signal_of_one_id_is_sent_once_and_said_so(self, ledger: Ledger, elsewhere: Ledger) -> None:
        tale = Tale("r1")
        fence = await ledger.create(tale.begun())
        await ledger.commit(fence, tale.waits("paid"))
        letter = Letter("r1.signal.paid.e1", tale.id, "signal", "ann", AT, signal=SignalRecord("paid", "e1", {"n": 1}))
        outcomes = await asyncio.gather(*((ledger, elsewhere)[at % 2].send(letter) for at in range(20)))
        assert outcomes.count(True) == 1
        assert await elsewhere.letters(tale.id) == [letter]
        await ledger.commit(fence, tale.signalled(taken=[letter.id]))
        assert await ledger.letters(tale.id) == []
        assert not await elsewhere.send(letter)
        await ledger.commit(fence, tale.succeeded())
        assert not await elsewhere.send(letter)
        with pytest.raises(RunEnded, match="nothing waits"):
            await elsewhere.send(replace(letter, id="r1.signal.paid.e2"))


__all__ = ["WaitsContract"]
