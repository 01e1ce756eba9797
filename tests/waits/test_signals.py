"""Signals: durable, counted once, early or late or twice, held against what they are to carry before they are kept."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated, Any

import pytest

from tests.waits.flows import BOTH, FIRST, ONE, Contract, Order, Payment, both, pack, paid, ship, tell
from workflow_engine import END, FAIL, START, State, append, function, route, wait, workflow
from workflow_engine.errors import RunEnded, RunNotFound, SignalRejected, UsageError
from workflow_engine.runtime.signal import KEPT

PAID = Payment(amount=7)


def kinds(journal: Any) -> list[str]:
    return [each.event.type for each in journal]


async def test_a_signal_ends_the_wait_with_what_it_carries(opened: Any) -> None:
    async with opened(ONE) as engine:
        view = await engine.run(ONE, order="A")
        assert (view.status, view.reason) == ("waiting", "signal")
        sent = await engine.signal(view.id, "payment", PAID, id="evt-1", by="shop")
        assert (sent.run, sent.name, sent.id, sent.new, sent.awaited) == (view.id, "payment", "evt-1", True, True)
        view = await engine.resume(view.id)
        assert (view.status, view.state.log) == ("succeeded", ["packed A", "shipped for 7 EUR"])
        assert view.history.latest("paid").words == "payment (by shop)"


async def test_plain_json_will_do_and_needs_no_code(opened: Any) -> None:
    async with opened(ONE) as engine:
        view = await engine.run(ONE, order="A")
    async with opened() as engine:
        await engine.signal(view.id, "payment", {"amount": 3, "currency": "USD"})
    async with opened(ONE) as engine:
        (view,) = await engine.recover()
        assert view.state.payment == Payment(amount=3, currency="USD")


async def test_a_signal_sent_twice_counts_once_whenever_it_comes(opened: Any) -> None:
    async with opened(ONE) as engine:
        view = await engine.run(ONE, order="A")
        first = await engine.signal(view.id, "payment", PAID, id="evt-1")
        again = await engine.signal(view.id, "payment", Payment(amount=9), id="evt-1")
        assert (first.new, again.new) == (True, False)
        view = await engine.resume(view.id)
        assert view.state.payment == PAID
        late = await engine.signal(view.id, "payment", PAID, id="evt-1")
        assert not late.new
        assert kinds(await engine.journal(view.id)).count("SignalReceived") == 1


async def test_of_fifty_senders_of_one_id_one_is_new(opened: Any) -> None:
    async with opened(ONE) as engine:
        view = await engine.run(ONE, order="A")
        sent = await asyncio.gather(*(engine.signal(view.id, "payment", PAID, id="evt-1") for _ in range(50)))
        assert sum(each.new for each in sent) == 1


async def test_signals_without_an_id_are_each_their_own(opened: Any) -> None:
    async with opened(ONE) as engine:
        view = await engine.run(ONE, order="A")
        one, two = [await engine.signal(view.id, "payment", PAID) for _ in range(2)]
        assert (one.new, two.new, one.id != two.id) == (True, True, True)


async def test_all_of_several_signals_in_any_order(opened: Any) -> None:
    async with opened(BOTH) as engine:
        view = await engine.run(BOTH, order="A")
        await engine.signal(view.id, "payment", PAID)
        view = await engine.resume(view.id)
        assert (view.status, view.run.wait("both").missing) == ("waiting", ("contract",))
        await engine.signal(view.id, "contract", Contract(signed_by="ana"))
        view = await engine.resume(view.id)
        assert view.state.log == ["packed A", "paid True, signed True"]
        assert view.state.contract == Contract(signed_by="ana")


async def test_the_first_of_several_signals_is_the_way_out(opened: Any) -> None:
    async with opened(FIRST) as engine:
        for name, payload, ended in (
            ("payment", PAID, ["packed A", "shipped for 7 EUR"]),
            ("contract", Contract(signed_by="ana"), ["packed A", "paid False, signed True"]),
        ):
            view = await engine.run(FIRST, order="A")
            await engine.signal(view.id, name, payload)
            view = await engine.resume(view.id)
            assert (view.status, view.state.log, view.history.latest(first_name()).outcome) == (
                "succeeded",
                ended,
                name,
            )
        view = await engine.run(FIRST, order="A")
        await engine.signal(view.id, "stop")
        assert (await engine.resume(view.id)).reason == "stopped"


def first_name() -> str:
    return "contract_or_payment_or_stop"


# Early


class Gate(State):
    payment: Payment | None = None
    contract: Contract | None = None
    log: Annotated[list[str], append] = []


def gated(gate: asyncio.Event, node: Any) -> Any:
    @function(writes="log")
    async def work() -> list[str]:
        await gate.wait()
        return ["worked"]

    rows = [START >> work >> node >> tell >> END]
    if node.within is not None:
        rows.append(node.expired >> FAIL("late"))
    return workflow("gated", state=Gate, edges=rows)


async def the_run(engine: Any) -> str:
    while not (runs := await engine.runs()):  # noqa: ASYNC110 (it is about to begin)
        await asyncio.sleep(0)
    return str(runs[0].run)


async def until(engine: Any, run: str, happened: Any) -> None:
    async for each in engine.watch(run):
        if happened(each.event):
            return


@pytest.mark.parametrize("executor", ["native", "langgraph"])
async def test_signals_that_come_before_the_wait_are_kept_for_it(opened: Any, executor: str) -> None:
    gate = asyncio.Event()
    flow = gated(gate, both)
    async with opened(flow, executor=executor) as engine:
        driving = asyncio.ensure_future(engine.run(flow))
        run = await the_run(engine)
        sent = await engine.signal(run, "payment", PAID, id="p1")
        await engine.signal(run, "payment", Payment(amount=1), id="p2")
        await engine.signal(run, "contract", Contract(signed_by="ana"), id="c1")
        assert not sent.awaited
        await until(engine, run, lambda event: event.type == "SignalReceived" and event.id == "c1")
        gate.set()
        view = await driving
        assert (view.status, view.state.payment) == ("succeeded", PAID)
        assert [(each.name, each.id) for each in view.run.early] == [("payment", "p2")]


async def test_a_signal_for_a_later_wait_does_not_end_this_one(opened: Any) -> None:
    class Steps(State):
        one: int = 0
        two: int = 0

    a, b = wait("one", int, writes="one"), wait("two", int, writes="two")
    flow = workflow("steps", state=Steps, edges=[START >> a >> b >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow)
        await engine.signal(view.id, "two", 2)
        view = await engine.resume(view.id)
        assert (view.status, view.run.wait("one").missing) == ("waiting", ("one",))
        assert [each.name for each in view.run.early] == ["two"]
        await engine.signal(view.id, "one", 1)
        view = await engine.resume(view.id)
        assert (view.status, view.state) == ("succeeded", Steps(one=1, two=2))


async def test_each_visit_takes_the_oldest_signal_of_its_name(opened: Any) -> None:
    class Sum(State):
        n: int = 0
        total: int = 0

    item = wait("item", int, writes="n")

    @function(writes="total")
    async def add(n: int, total: int) -> int:
        return total * 10 + n

    @route
    def enough(total: int) -> Any:
        return "yes" if total > 99 else "no"

    enough.__dict__["_words"] = ("yes", "no")
    flow = workflow(
        "sum", state=Sum, edges=[START >> item >> add >> enough, enough["no"] >> item, enough["yes"] >> END]
    )
    async with opened(flow) as engine:
        view = await engine.run(flow)
        for n in (1, 2, 3):
            await engine.signal(view.id, "item", n)
        view = await engine.resume(view.id)
        assert (view.status, view.state.total) == ("succeeded", 123)


# What is refused


async def test_a_signal_that_nothing_waits_for_is_refused_with_near_names(opened: Any) -> None:
    async with opened(ONE) as engine:
        view = await engine.run(ONE, order="A")
        with pytest.raises(SignalRejected) as refused:
            await engine.signal(view.id, "paymnt", PAID)
        assert refused.value.what == "nothing in one waits for a signal 'paymnt'"
        assert refused.value.cure == "did you mean 'payment'? it waits for payment"
        assert not (await engine.get(view.id)).letters


async def test_a_wrong_payload_is_refused_with_every_way_in_which_it_does_not_fit(opened: Any) -> None:
    async with opened(ONE) as engine:
        view = await engine.run(ONE, order="A")
        with pytest.raises(SignalRejected) as refused:
            await engine.signal(view.id, "payment", {"amount": 0, "currency": 3})
        assert "amount: 0 is less than or equal to the minimum of 0" in refused.value.what
        assert "currency: 3 is not of type 'string'" in refused.value.what
        assert refused.value.cure == "it carries amount, currency (may be left out)"
        for nothing in (None, [], float("nan"), object()):
            with pytest.raises(SignalRejected):
                await engine.signal(view.id, "payment", nothing)
        assert not (await engine.get(view.id)).letters


async def test_what_only_code_can_tell_is_refused_where_the_code_is(opened: Any) -> None:
    async with opened(ONE) as engine:
        view = await engine.run(ONE, order="A")
        with pytest.raises(SignalRejected, match="XXX is no currency we take"):
            await engine.signal(view.id, "payment", {"amount": 1, "currency": "XXX"})


async def test_what_only_code_can_tell_is_refused_by_the_owner_elsewhere_and_the_run_waits_on(opened: Any) -> None:
    async with opened(ONE) as engine:
        view = await engine.run(ONE, order="A")
    async with opened() as engine:
        await engine.signal(view.id, "payment", {"amount": 1, "currency": "XXX"}, id="bad")
    async with opened(ONE) as engine:
        (view,) = await engine.recover()
        assert view.status == "waiting"
        assert "XXX is no currency we take" in view.run.wait("paid").trouble
        assert "SignalRefused" in kinds(await engine.journal(view.id))
        await engine.signal(view.id, "payment", PAID)
        assert (await engine.resume(view.id)).status == "succeeded"


async def test_an_early_signal_that_does_not_fit_leaves_its_place_to_the_next(opened: Any) -> None:
    gate = asyncio.Event()
    flow = gated(gate, paid)
    async with opened(flow) as engine, opened() as elsewhere:
        driving = asyncio.ensure_future(engine.run(flow))
        run = await the_run(engine)
        await elsewhere.signal(run, "payment", {"amount": 1, "currency": "XXX"}, id="bad")
        await elsewhere.signal(run, "payment", {"amount": 2}, id="good")
        await until(engine, run, lambda event: event.type == "SignalReceived" and event.id == "good")
        gate.set()
        view = await driving
        assert (view.status, view.state.payment) == ("succeeded", Payment(amount=2))


async def test_a_signal_that_carries_nothing_carries_nothing(opened: Any) -> None:
    async with opened(FIRST) as engine:
        view = await engine.run(FIRST, order="A")
        with pytest.raises(SignalRejected, match="stop"):
            await engine.signal(view.id, "stop", {"now": True})
        await engine.signal(view.id, "stop", None)


async def test_an_ended_run_takes_no_signal(opened: Any) -> None:
    async with opened(ONE) as engine:
        view = await engine.run(ONE, order="A")
        await engine.cancel(view.id)
        with pytest.raises(RunEnded, match="it cancelled"):
            await engine.signal(view.id, "payment", PAID)
        with pytest.raises(RunNotFound):
            await engine.signal("nobody", "payment", PAID)


@pytest.mark.parametrize("id", ["", "x" * 201, "two\nlines"])
async def test_an_id_is_a_short_word(opened: Any, id: str) -> None:
    async with opened(ONE) as engine:
        view = await engine.run(ONE, order="A")
        with pytest.raises(UsageError, match="1 to 200 characters"):
            await engine.signal(view.id, "payment", PAID, id=id)


async def test_a_run_keeps_so_many_early_signals_and_no_more(opened: Any) -> None:
    flow = workflow(
        "later", state=Order, edges=[START >> wait("go", name="go") >> paid >> ship >> END, paid.expired >> FAIL("x")]
    )
    async with opened(flow) as engine:
        view = await engine.run(flow, order="A")
        for number in range(KEPT):
            await engine.signal(view.id, "payment", PAID, id=str(number))
            if number == KEPT // 2:
                view = await engine.resume(view.id)
        with pytest.raises(SignalRejected, match="100 signals already"):
            await engine.signal(view.id, "payment", PAID, id="more")
        assert not (await engine.signal(view.id, "payment", PAID, id="1")).new
        await engine.signal(view.id, "go")  # what it waits for right now is never one too many
        view = await engine.resume(view.id)
        assert view.status == "succeeded"


# Beside other work


class Arms(State):
    payment: Payment | None = None
    log: Annotated[list[str], append] = []


@pytest.mark.parametrize("executor", ["native", "langgraph"])
async def test_a_signal_is_taken_while_a_sibling_arm_is_at_work(opened: Any, executor: str) -> None:
    gate, shipped = asyncio.Event(), asyncio.Event()

    @function
    async def slow() -> None:
        await gate.wait()

    @function(writes="log")
    async def send(payment: Payment) -> list[str]:
        shipped.set()
        return [str(payment.amount)]

    flow = workflow(
        "arms",
        state=Arms,
        edges=[START >> (slow, only >> send) >> pack_arms >> END],
    )
    async with opened(flow, executor=executor) as engine:
        driving = asyncio.ensure_future(engine.run(flow))
        run = await the_run(engine)
        await until(engine, run, lambda event: event.type == "WaitBegan")
        await engine.signal(run, "payment", PAID)
        await asyncio.wait_for(shipped.wait(), 10)  # while `slow` is still at work
        gate.set()
        assert (await driving).state.log == ["7", "joined"]


only = wait("payment", Payment, writes="payment", name="only")


@function(writes="log")
async def pack_arms() -> list[str]:
    return ["joined"]


async def test_two_arms_that_wait_for_one_name_take_one_signal_each(opened: Any) -> None:
    class Two(State):
        one: int = 0
        two: int = 0

    a, b = wait("n", int, writes="one", name="a"), wait("n", int, writes="two", name="b")

    @function
    async def end() -> None:
        return None

    flow = workflow("two", state=Two, edges=[START >> (a, b) >> end >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow)
        await engine.signal(view.id, "n", 1)
        view = await engine.resume(view.id)
        assert (view.status, view.state) == ("waiting", Two(one=1))
        await engine.signal(view.id, "n", 2)
        assert (await engine.resume(view.id)).state == Two(one=1, two=2)


async def test_a_step_after_the_signal_that_fails_is_resumed_without_sending_again(opened: Any) -> None:
    broken = [True]

    @route
    def sure(payment: Payment | None) -> Any:
        if broken[0]:
            raise RuntimeError("not yet")
        return "yes"

    sure.__dict__["_words"] = ("yes",)
    flow = workflow("unsure", state=Order, edges=[START >> only >> sure, sure["yes"] >> pack >> END])
    async with opened(flow) as engine:
        view = await engine.run(flow, order="A")
        await engine.signal(view.id, "payment", PAID)
        view = await engine.resume(view.id)
        assert (view.status, view.error.node) == ("failed", "only")
        broken[0] = False
        view = await engine.resume(view.id)
        assert (view.status, view.state.payment) == ("succeeded", PAID)


async def test_a_fork_hears_only_what_is_sent_to_itself(opened: Any) -> None:
    async with opened(ONE) as engine:
        view = await engine.run(ONE, order="A")
        await engine.signal(view.id, "payment", PAID, id="evt-1")
        fork = await engine.fork(view.id, at=1)
        assert (fork.status, fork.run.waits[0].missing) == ("waiting", ("payment",))
        assert (await engine.signal(fork.id, "payment", PAID, id="evt-1")).new


async def test_within_counts_from_the_wait_and_expires_as_declared(opened: Any, clock: Any) -> None:
    async with opened(BOTH) as engine:
        view = await engine.run(BOTH, order="A")
        await engine.signal(view.id, "payment", PAID)
        clock.advance(timedelta(days=7).total_seconds())
        (view,) = await engine.recover()
        assert (view.status, view.reason, view.state.payment) == ("failed", "not in time", None)
        assert kinds(await engine.journal(view.id))[-2:] == ["WaitExpired", "StepFinished"]


async def test_a_signal_sent_in_time_counts_however_late_anybody_looks(opened: Any, clock: Any) -> None:
    async with opened(ONE) as engine:
        view = await engine.run(ONE, order="A")
        clock.advance(timedelta(days=1).total_seconds())
        await engine.signal(view.id, "payment", PAID)
        clock.advance(timedelta(days=9).total_seconds())
        assert (await engine.resume(view.id)).status == "succeeded"


async def test_a_signal_sent_too_late_does_not_count(opened: Any, clock: Any) -> None:
    async with opened(ONE) as engine:
        view = await engine.run(ONE, order="A")
        clock.advance(timedelta(days=2, seconds=1).total_seconds())
        await engine.signal(view.id, "payment", PAID)
        view = await engine.resume(view.id)
        assert (view.status, view.reason) == ("failed", "nobody paid")
