"""What nodes share across the runs of a process: slots of named resources, and breakers that leave one alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_engine import END, START, Breaker, Budget, Failure, Retry, State, function, workflow
from workflow_engine.record.events import AttemptFailed, EffectStarted, StepFinished
from workflow_engine.spec.breaker import Circuit
from workflow_engine.spec.policies import Wait
from workflow_engine.spec.slots import admitted
from workflow_engine.steps.slots import Slots
from workflow_engine.testing import FakeClock

EXECUTORS = pytest.mark.parametrize("executor", ["native", "langgraph"])
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


class Job(State):
    n: int = 0
    a: int = 0
    b: int = 0
    why: str = ""


async def turns(number: int = 200) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def until(there: Callable[[], object]) -> None:
    for _ in range(1_000_000):
        if there():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came")


# Who may go, decided


GPU, NET, BOTH = {"gpu": 1}, {"net": 1}, {"gpu": 1, "net": 1}


@pytest.mark.parametrize(
    ("waiting", "held", "places"),
    [
        ([GPU, GPU], {}, (0,)),
        ([{"gpu": 2}, {"gpu": 2}, {"gpu": 2}], {}, (0, 1)),
        ([GPU], {"gpu": 1}, ()),
        ([GPU, NET], {"gpu": 1}, (1,)),  # nobody stands behind those who wait for something else
        ([BOTH, NET], {"gpu": 1}, ()),  # and nobody overtakes: who needs two would wait for ever
        ([BOTH, {"disk": 1}, GPU], {"net": 1}, (1,)),
        ([], {"gpu": 1}, ()),
    ],
)
def test_first_come_is_first_served(waiting: Any, held: Any, places: Any) -> None:
    assert admitted(waiting, held) == places


WANTS = st.dictionaries(st.sampled_from("abc"), st.just(2), min_size=1)


@given(st.lists(st.tuples(WANTS, st.booleans()), max_size=30))
def test_no_slot_is_lent_twice_and_everybody_comes_in_the_end(asked: Any) -> None:
    async def play() -> None:
        slots, inside, queue = Slots(), [], []
        for wants, stays in asked:
            queue.append((wants, slots.ask(wants), stays))
        for wants, coming, stays in queue:
            if not stays:  # some are cancelled while they wait, or while they hold
                slots.give_back(wants, coming)
        left = [(wants, coming) for wants, coming, stays in queue if stays]
        while left:
            inside = [each for each in left if each[1].done()]
            assert inside, "somebody holds what the rest waits for"
            for name in "abc":
                assert sum(name in wants for wants, _ in inside) == slots.held[name] <= 2
            left.remove(inside[0])
            slots.give_back(*inside[0])
        assert slots.held == {}

    asyncio.run(play())


# Slots


class Room:
    """How many are in it at one moment; each stays until it is let out."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.most = 0
        self.doors: dict[str, asyncio.Event] = {}

    async def stay(self, who: str) -> int:
        self.inside.append(who)
        self.most = max(self.most, len(self.inside))
        try:
            await self.doors.setdefault(who, asyncio.Event()).wait()
        finally:
            self.inside.remove(who)
        return 1

    def open(self, who: str) -> None:
        self.doors.setdefault(who, asyncio.Event()).set()


def arms(room: Room, **limits: int) -> Any:
    """Two arms that need the gpu, and one that does not."""

    @function(writes="a", uses="gpu")
    async def left() -> int:
        return await room.stay("left")

    @function(writes="b", uses="gpu")
    async def right() -> int:
        return await room.stay("right")

    @function(writes="n")
    async def free() -> int:
        return await room.stay("free")

    return workflow("arms", state=Job, edges=[START >> (left, right, free) >> END], limits=limits)


@EXECUTORS
async def test_a_sibling_that_needs_no_slot_goes_on_meanwhile(opened: Any, executor: str) -> None:
    room = Room()
    flow = arms(room, gpu=1)
    async with opened(flow, executor=executor) as engine:
        run = asyncio.create_task(engine.run(flow))
        await until(lambda: len(room.inside) == 2)
        await turns()
        assert len(room.inside) == 2
        assert "free" in room.inside
        first, second = ("left", "right") if "left" in room.inside else ("right", "left")
        room.open("free")
        room.open(first)
        await until(lambda: room.inside == [second])
        room.open(second)
        assert (await run).status == "succeeded"


def single(room: Room, name: str = "single", **settings: Any) -> Any:
    @function(writes="n", uses="gpu", **settings)
    async def work(a: int) -> int:
        return await room.stay(str(a))

    return workflow(name, state=Job, edges=[START >> work >> END], limits={"gpu": 1})


@EXECUTORS
async def test_all_runs_of_a_process_share_the_slots_in_the_order_in_which_they_came(
    opened: Any, executor: str
) -> None:
    room = Room()
    one, other = single(room), single(room, "other")
    async with opened(one, other, executor=executor) as engine:
        runs = []
        for number in range(6):
            runs.append(asyncio.create_task(engine.run(one if number % 2 else other, a=number)))
            await turns()
        order: list[str] = []
        while len(order) < 6:
            assert len(room.inside) == 1
            order.append(room.inside[0])
            room.open(order[-1])
            await until(lambda: room.inside != order[-1:])
            await turns()
        assert {(await each).status for each in runs} == {"succeeded"}
    assert (order, room.most) == (["0", "1", "2", "3", "4", "5"], 1)


async def test_who_waits_for_a_retry_holds_no_slot(opened: Any, clock: FakeClock) -> None:
    at_work: list[str] = []

    @function(
        name="flaky", writes="a", uses="gpu", retry=Retry(2, first=seconds(3600), most=seconds(3600), jitter=False)
    )
    async def flaky() -> int:
        at_work.append("flaky")
        if at_work.count("flaky") == 1:
            raise OSError("down")
        return 1

    @function(name="steady", writes="b", uses="gpu")
    async def steady() -> int:
        at_work.append("steady")
        return 1

    flow = workflow("both", state=Job, edges=[START >> (flaky, steady) >> END], limits={"gpu": 1})
    async with opened(flow) as engine:
        assert (await engine.run(flow)).status == "succeeded"
    assert at_work == ["flaky", "steady", "flaky"]


async def test_who_is_cancelled_while_it_waits_or_works_leaves_no_slot_behind(opened: Any) -> None:
    room = Room()
    flow = single(room)
    async with opened(flow) as engine:
        working = asyncio.create_task(engine.run(flow, a=1))
        await until(lambda: room.inside)
        waiting = asyncio.create_task(engine.run(flow, a=2))
        third = asyncio.create_task(engine.run(flow, a=3))
        await turns()
        newest = await engine.runs()
        await engine.cancel(newest[1].run)
        assert (await waiting).status == "cancelled"
        await engine.cancel(newest[2].run)
        assert (await working).status == "cancelled"
        await until(lambda: room.inside == ["3"])
        room.open("3")
        assert (await third).status == "succeeded"


@EXECUTORS
async def test_a_drain_does_not_wait_for_a_slot(opened: Any, executor: str) -> None:
    room = Room()
    flow = single(room)
    async with opened(flow, executor=executor) as engine:
        working = asyncio.create_task(engine.run(flow, a=1))
        await until(lambda: room.inside)
        waiting = asyncio.create_task(engine.run(flow, a=2))
        await turns()
        engine.drain()
        view = await waiting
        assert (view.reason, view.run.steps) == ("interrupted", 0)
        room.open("1")
        assert (await working).status == "succeeded"


@EXECUTORS
async def test_a_sibling_that_failed_keeps_nobody_waiting_for_a_slot(opened: Any, executor: str) -> None:
    room = Room()

    @function(writes="a")
    async def breaks() -> int:
        await until(lambda: room.inside)
        await turns()
        raise OSError("down")

    @function(writes="b", uses="gpu")
    async def waits() -> int:
        return await room.stay("never")

    holding = single(room)
    flow = workflow("failing", state=Job, edges=[START >> (breaks, waits) >> END], limits={"gpu": 1})
    async with opened(flow, holding, executor=executor) as engine:
        holder = asyncio.create_task(engine.run(holding, a=1))
        await until(lambda: room.inside)
        view = await engine.run(flow)
        assert (view.status, view.error.node, view.run.frontier.due) == ("failed", "breaks", ("breaks", "waits"))
        room.open("1")
        await holder


async def test_nodes_that_need_two_in_either_order_do_not_lock_each_other_out(opened: Any) -> None:
    done: list[str] = []

    def node(name: str, field: str, uses: tuple[str, str]) -> Any:
        @function(name=name, writes=field, uses=uses)
        async def work() -> int:
            await turns(5)
            done.append(name)
            return 1

        return work

    both = (node("one", "a", ("gpu", "net")), node("two", "b", ("net", "gpu")))
    flow = workflow("both", state=Job, edges=[START >> both >> END], limits={"gpu": 1, "net": 1})
    async with opened(flow) as engine:
        views = await asyncio.gather(*(engine.run(flow) for _ in range(5)))
    assert {view.status for view in views} == {"succeeded"}
    assert len(done) == 10


async def test_an_effect_that_never_got_its_slot_is_not_in_doubt(opened: Any) -> None:
    room = Room()
    flow = single(room, effect=True)
    async with opened(flow) as engine:
        working = asyncio.create_task(engine.run(flow, a=1))
        await until(lambda: room.inside)
        waiting = asyncio.create_task(engine.run(flow, a=2))
        await turns()
        engine.drain()
        view = await waiting
        assert view.run.doubts == {}
        room.open("1")
        first = await working
        kinds = [type(each.event) for each in await engine.journal(first.id)]
        assert kinds.index(EffectStarted) < kinds.index(StepFinished)


# Breakers, decided


BREAKER = Breaker(3, on=ConnectionError, rest=seconds(30))
WINDOWED = Breaker(3, on=ConnectionError, rest=seconds(30), within=seconds(60))


def played(breaker: Breaker, *told: tuple[float, bool | None]) -> Circuit:
    circuit = Circuit()
    for moment, failed in told:
        circuit = circuit.told(breaker, NOW + seconds(moment), failed, probe=False)
    return circuit


@pytest.mark.parametrize(
    ("breaker", "told", "is_open"),
    [
        (BREAKER, [(0, True), (1, True)], False),
        (BREAKER, [(0, True), (1, True), (9999, True)], True),
        (BREAKER, [(0, True), (1, True), (2, False), (3, True)], False),  # in a row
        (BREAKER, [(0, True), (1, True), (2, None), (3, True)], True),  # what was stopped tells nothing
        (WINDOWED, [(0, True), (1, False), (2, True), (3, True)], True),  # within a time, whatever works in between
        (WINDOWED, [(0, True), (1, True), (61, True)], False),
        (WINDOWED, [(0, True), (50, True), (61, True), (62, True)], True),
    ],
)
def test_a_breaker_opens_after_so_many_failures(breaker: Breaker, told: Any, is_open: bool) -> None:
    assert (played(breaker, *told).opened is not None) == is_open


def test_an_open_breaker_lets_one_probe_through_after_its_rest() -> None:
    circuit = Circuit((), NOW)
    assert circuit.wait(BREAKER, NOW + seconds(10)) == Wait(seconds(20))
    assert circuit.wait(BREAKER, NOW - timedelta(days=1)) == Wait(seconds(30)), "a clock that was set back"
    assert circuit.wait(BREAKER, NOW + seconds(30)) is None
    probing = circuit.passed()
    assert probing.probing
    assert probing.wait(BREAKER, NOW + seconds(31)) == Wait(seconds(30))
    later = NOW + seconds(40)
    assert probing.told(BREAKER, later, False, probe=True) == Circuit()
    assert probing.told(BREAKER, later, True, probe=True) == Circuit((), later)
    assert probing.told(BREAKER, later, None, probe=True) == circuit, "a probe that was stopped may be tried again"
    assert probing.told(BREAKER, later, False, probe=False) == probing, "it began before it opened"


# Breakers at work


class Service:
    """Breaks so often, then works."""

    def __init__(self, clock: FakeClock, breaks: int, error: Callable[[], BaseException] = ConnectionError) -> None:
        self.clock, self.breaks, self.error = clock, breaks, error
        self.calls: list[float] = []
        self._start = clock.now()

    async def call(self, n: int) -> int:
        self.calls.append((self.clock.now() - self._start).total_seconds())
        if self.breaks:
            self.breaks -= 1
            raise self.error()
        return 1


def paying(service: Service, name: str = "paying", breaker: Breaker = BREAKER, **settings: Any) -> Any:
    pay = function(name="pay", writes="n", uses="payments", **settings)(service.call)

    @function(writes="why")
    async def tell(failure: Failure | None) -> str:
        return failure.kind if failure else ""

    edges = [START >> pay >> END, pay.failed >> tell >> END]
    return workflow(name, state=Job, edges=edges, breakers={"payments": breaker})


QUICK = Retry(9, on=ConnectionError, first=seconds(1), factor=1, jitter=False)


@EXECUTORS
async def test_steps_wait_for_an_open_breaker_as_for_a_retry(opened: Any, clock: FakeClock, executor: str) -> None:
    service = Service(clock, 4)
    flow = paying(service, retry=QUICK)
    async with opened(flow, executor=executor) as engine:
        view = await engine.run(flow)
        failed = [each.event for each in await engine.journal(view.id) if isinstance(each.event, AttemptFailed)]
    assert (view.status, view.history.steps[0].attempts, len(failed)) == ("succeeded", 5, 4)
    # Three in a row open it at 2 s; the probe breaks at 32 s, the next one works.
    assert service.calls == [0, 1, 2, 32, 62]


async def test_it_is_open_for_all_runs_of_the_process_and_only_one_probes(opened: Any, clock: FakeClock) -> None:
    service = Service(clock, 3)
    one, other = paying(service, retry=QUICK), paying(service, "other", retry=QUICK)
    async with opened(one, other) as engine:
        views = await asyncio.gather(*(engine.run(flow) for flow in (one, other) * 4))
    assert {view.status for view in views} == {"succeeded"}
    assert sum(moment < 30 for moment in service.calls) <= 8, "those under way when it opened, and no retry of theirs"
    assert sorted(service.calls)[-1] >= 30


async def test_where_it_says_so_steps_fail_at_once_and_can_be_routed(opened: Any, clock: FakeClock) -> None:
    service = Service(clock, 99)
    flow = paying(service, breaker=Breaker(2, on=ConnectionError, meanwhile="fail"), retry=Retry(1))
    async with opened(flow) as engine:
        told = [(await engine.run(flow)).values["why"] for _ in range(4)]
        assert told == ["error", "error", "unavailable", "unavailable"]
        clock.advance(30)
        assert (await engine.run(flow)).values["why"] == "error", "the probe"
        assert (await engine.run(flow)).values["why"] == "unavailable"
    assert len(service.calls) == 3


async def test_errors_it_does_not_name_leave_it_closed(opened: Any, clock: FakeClock) -> None:
    service = Service(clock, 5, KeyError)
    flow = paying(service, retry=Retry(9, first=seconds(1), factor=1, jitter=False))
    async with opened(flow) as engine:
        assert (await engine.run(flow)).status == "succeeded"
    assert service.calls == [0, 1, 2, 3, 4, 5]


async def test_a_probe_that_is_cancelled_lets_another_one_try(opened: Any, clock: FakeClock) -> None:
    hangs = asyncio.Event()
    calls: list[int] = []

    @function(name="pay", writes="n", uses="payments", retry=Retry(1))
    async def pay(a: int) -> int:
        calls.append(a)
        if a == 0:
            raise ConnectionError
        if a == 1:
            await hangs.wait()
        return 1

    flow = workflow(
        "paying", state=Job, edges=[START >> pay >> END], breakers={"payments": Breaker(1, on=ConnectionError)}
    )
    async with opened(flow) as engine:
        await engine.run(flow, a=0)
        clock.advance(30)
        probe = asyncio.create_task(engine.run(flow, a=1))
        await until(lambda: calls == [0, 1])
        await engine.cancel((await engine.runs())[0].run)
        assert (await probe).status == "cancelled"
        assert engine._shop.around.circuits.standing("payments").opened is not None, "it told nothing"
        assert (await engine.run(flow, a=2)).status == "succeeded"


async def test_a_spent_budget_is_no_failure_of_what_is_used(opened: Any, clock: FakeClock) -> None:
    service = Service(clock, 0)
    flow = paying(service, breaker=Breaker(1), budget=Budget(steps=1))
    other = paying(service, "other", breaker=Breaker(1))
    async with opened(flow, other) as engine:
        run = await engine.run(flow)
        assert run.status == "succeeded"
        assert engine._shop.around.circuits.standing("payments") == Circuit()
        assert (await engine.run(other)).status == "succeeded"


def test_names_and_slots_are_no_part_of_the_shape() -> None:
    room = Room()
    assert arms(room, gpu=1).shape == arms(room, gpu=4).shape
