"""Topics: what is published once wakes all who listen and starts all who subscribed, and one's failure is its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import cli
from tests.cli.terminal import Cli, Write
from tests.waits.flows import Payment
from workflow_engine import END, FAIL, START, Engine, State, function, verify, wait, workflow
from workflow_engine.errors import SignalRejected, UsageError
from workflow_engine.record.publication import Publication
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.crash import Crashed, crash_after
from workflow_engine.testing.mint import SeededMint

__all__ = ["cli"]


class Order(State):
    order: str = ""
    payment: Payment | None = None


class Other(State):
    text: str = ""


class Begun(State):
    payment: Payment
    done: bool = False


paid = wait("payment", Payment, writes="payment", topic="payments", within=timedelta(days=2))
ORDER = workflow("order", state=Order, edges=[START >> paid >> END, paid.expired >> FAIL("nobody paid")])
told = wait("told", str, writes="text", topic="payments")
OTHER = workflow("other", state=Other, edges=[START >> told >> END])


@function(writes="done")
async def book(payment: Payment) -> bool:
    return payment.amount > 0


BEGUN = workflow("begun", state=Begun, edges=[START >> book >> END], starts_on={"payments": "payment"})
SPREAD = workflow("spread", state=Begun, edges=[START >> book >> END], starts_on={"payments": None})
PAID = {"amount": 7}
PUBLICATION = Publication("payments", "p1", "bank", datetime(2026, 1, 1, tzinfo=UTC), PAID, {"begun": None})


async def test_a_publication_wakes_every_run_that_waits_on_its_topic(opened: Any) -> None:
    async with opened(ORDER) as engine:
        runs = [(await engine.run(ORDER, order=str(number))).id for number in range(3)]
        done = await engine.publish("payments", PAID, id="p1", by="bank")
        assert (done.new, list(done.woke), done.started, done.failed) == (True, runs, (), {})
        views = await engine.recover()
        assert {view.status for view in views} == {"succeeded"}
        assert [view.state.payment for view in views] == [Payment(amount=7)] * 3
        (came,) = [each.event for each in await engine.journal(runs[0]) if each.event.type == "SignalReceived"]
        assert (came.topic, came.id, came.by) == ("payments", "p1", "bank")


async def test_a_publication_starts_a_run_of_every_workflow_that_subscribed(opened: Any) -> None:
    async with opened(ORDER, BEGUN, SPREAD) as engine:
        begun = await engine.publish("payments", {"amount": 7}, id="p1")
        assert (len(begun.started), list(begun.failed)) == (1, ["spread"])
        (view,) = [await engine.get(run) for run in begun.started]
        assert (view.status, view.run.workflow) == ("queued", "begun")
        whole = await engine.publish("payments", {"payment": PAID}, id="p2")
        assert [(await engine.get(run)).run.workflow for run in whole.started] == ["spread"]
        assert (await engine.resume(view.id)).state.done


async def test_published_twice_it_counts_once_for_each(opened: Any) -> None:
    async with opened(ORDER, BEGUN) as engine:
        await engine.run(ORDER)
        first = await engine.publish("payments", PAID, id="p1")
        late = (await engine.run(ORDER)).id  # listens since the publication, and is none of those it was for
        again = await engine.publish("payments", PAID, id="p1")
        assert (first.new, again.new, again.woke, again.started) == (True, False, (), ())
        await engine.recover()
        assert (await engine.get(late)).status == "waiting"
        assert len(await engine.runs(workflow="begun")) == 1


async def test_one_subscribers_failure_leaves_the_others_alone(opened: Any) -> None:
    async with opened(ORDER, OTHER) as engine:
        order, other = await engine.run(ORDER), await engine.run(OTHER)
        done = await engine.publish("payments", PAID)
        assert done.woke == (order.id,)
        assert list(done.failed) == [other.id]
        assert isinstance(done.failed[other.id], SignalRejected)
        assert (await engine.get(other.id)).status == "waiting"
        assert [view.id for view in await engine.recover()] == [order.id]


async def test_a_topic_nobody_listens_to_is_published_to_nobody(opened: Any) -> None:
    async with opened(ORDER) as engine:
        done = await engine.publish("orders", {"n": 1}, id="o1")
        assert (done.new, done.woke, done.started, done.failed) == (True, (), (), {})
        assert not (await engine.publish("orders", {"n": 1}, id="o1")).new
        for topic in ("", "two\nlines", "x" * 201):
            with pytest.raises(UsageError, match="1 to 200"):
                await engine.publish(topic)
        with pytest.raises(SignalRejected, match="no plain JSON"):
            await engine.publish("orders", object())


async def test_a_run_that_does_not_wait_at_the_moment_hears_nothing(opened: Any) -> None:
    go = wait("go", name="go")
    flow = workflow("later", state=Order, edges=[START >> go >> paid >> END, paid.expired >> FAIL("x")])
    async with opened(flow) as engine:
        view = await engine.run(flow)
        assert (await engine.publish("payments", PAID)).woke == ()
        await engine.signal(view.id, "go")
        view = await engine.resume(view.id)
        assert (view.status, view.run.topics) == ("waiting", {"payments"})
        assert (await engine.publish("payments", PAID)).woke == (view.id,)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("dies", range(1, 8))
async def test_a_publisher_that_dies_in_the_middle_is_stood_in_for(dies: int, when: Any) -> None:
    kept, clock, mint = MemoryLedger(), FakeClock(), SeededMint(1)
    settings: dict[str, Any] = {"clock": clock, "mint": mint}
    async with Engine.connect("unused", workflows=[ORDER], ledger=crash_after(kept, 10**6), **settings) as engine:
        runs = [(await engine.run(ORDER)).id for _ in range(3)]
    kept.abandon()
    dying = crash_after(kept, dies, when=when)
    crashed = False
    async with Engine.connect("unused", workflows=[ORDER, BEGUN], ledger=dying, **settings) as engine:
        try:
            await dying.until_crash(engine.publish("payments", PAID, id="p1"))
        except Crashed:
            crashed = True
    async with Engine.connect("unused", workflows=[ORDER, BEGUN], ledger=kept, **settings) as engine:
        if crashed and when == "before" and dies == 1:  # nothing was kept: its publisher knows, and tries again
            assert (await engine.publish("payments", PAID, id="p1")).new
        await engine.recover()
        assert {(await engine.get(run)).status for run in runs} == {"succeeded"}
        assert [each.status for each in await engine.runs(workflow="begun")] == ["queued"]
        for run in runs:
            events = [each.event.type for each in await engine.journal(run)]
            assert events.count("SignalReceived") == 1
        assert await engine.deliver() == []


async def test_what_an_engine_cannot_start_is_left_for_one_that_can(opened: Any, ledger: Any) -> None:
    await ledger.publish(PUBLICATION)
    async with opened() as engine:
        (done,) = await engine.deliver()
        assert "its code is not here" in str(done.failed["begun"])
    async with opened(BEGUN) as engine:
        (done,) = await engine.deliver()
        assert len(done.started) == 1
        assert await engine.deliver() == []


def test_subscriptions_that_cannot_begin_a_run_are_findings() -> None:
    def codes(starts_on: Any) -> list[str]:
        flow = workflow("begun", state=Begun, edges=[START >> book >> END], starts_on=starts_on)
        return [each.code for each in verify(flow)]

    class Two(State):
        one: str
        two: str

    assert codes({"payments": "payment"}) == []
    assert codes({"payments": "paymnt"}) == ["W566"]
    assert codes({"two\nlines": "payment"}) == ["W566"]
    flow = workflow("two", state=Two, edges=[START >> wait("x") >> END], starts_on={"t": "one"})
    assert [each.code for each in verify(flow)] == ["W566"]


async def test_the_file_keeps_what_was_published_and_forgets_it_with_its_runs(tmp_path: Path) -> None:
    from workflow_engine import Store

    path = tmp_path / "runs.sqlite"
    clock = FakeClock()
    async with Engine.connect(path, workflows=[ORDER], clock=clock) as engine:
        await engine.run(ORDER)
        await engine.publish("payments", PAID, id="p1")
        await engine.recover()
    store = Store(path)
    assert (await store.check()).whole
    async with Engine.connect(path, clock=clock) as engine:
        assert not (await engine.publish("payments", PAID, id="p1")).new
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE publications SET text = replace(text, '7', '8')")
    health = await store.check()
    assert [each.what for each in health.harms] == ["publication p1 to payments is damaged: it does not fit its seal"]


TOPIC = """
from pydantic import BaseModel
from workflow_engine import END, START, State, function, wait, workflow

class Order(State):
    order: str = ""
    amount: int = 0

paid = wait("paid", int, writes="amount", topic="payments")
order = workflow("order", state=Order, edges=[START >> paid >> END])

@function
def book(amount: int) -> None:
    print(amount)

book_it = workflow("book", state=Order, edges=[START >> book >> END], starts_on={"payments": "amount"})
"""


def test_the_command_publishes_and_says_who_has_it(cli: Cli, write: Write) -> None:
    write("pay.py", TOPIC)
    assert "nobody listens" in cli("publish", "payments", "3").out
    cli("run", "pay.py:order", "order=A")
    cli("run", "pay.py:order", "order=B")
    done = cli("publish", "payments", "7", "--id", "p1", "--start", "pay.py:book_it")
    assert done.code == 0
    assert "it woke 2 runs and began 1 run" in done.out
    assert "workflow recover" in done.err
    assert "counts once" in cli("publish", "payments", "7", "--id", "p1").out
    assert cli("recover").code == 0
    assert cli("worker", "pay.py:book_it", "--until-idle").code in (0, 2)
    wrong = cli("publish", "payments", "7", "--start", "pay.py:order")
    assert (wrong.code, "does not start on 'payments'" in wrong.err) == (2, True)
    cli("run", "pay.py:order", "order=C")
    failed = cli("publish", "payments", "many", "--json")
    assert (failed.code, '"failed"' in failed.out, "does not have it" in failed.err) == (2, True, True)
