"""Workers: every run left to them is driven once, whoever dies, whatever one has, until they are told to stop."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from datetime import timedelta
from typing import Any, Literal

import pytest

from workflow_engine import END, START, Question, State, function, human, subflow, wait, workflow
from workflow_engine.errors import InputError, StoreError, UsageError, WorkflowError
from workflow_engine.testing.clock import FakeClock


class Count(State):
    n: int
    there: int = 0


DONE: list[int] = []
LIVE = Counter[str]()


class Gate:
    """Where the bodies of one test wait."""

    def __init__(self) -> None:
        self.open, self.reached = asyncio.Event(), asyncio.Semaphore(0)


GATE: list[Gate] = []


@function(writes="there")
async def note(n: int) -> int:
    LIVE["now"] += 1
    LIVE["most"] = max(LIVE["most"], LIVE["now"])
    await asyncio.sleep(0)
    LIVE["now"] -= 1
    DONE.append(n)
    return n


@function(writes="there")
async def slowly(n: int) -> int:
    GATE[-1].reached.release()
    await GATE[-1].open.wait()
    DONE.append(n)
    return n


@function(writes="there")
async def again(there: int) -> int:
    return there + 1


@function(writes="there")
async def failing(n: int) -> int:
    raise RuntimeError("it cannot be done")


class Asked(State):
    ruling: Literal["yes"] | None = None


@human(writes="ruling", within=timedelta(days=2))
def ask() -> Question[Literal["yes"]]:
    return Question("go on?")


FLOW = workflow("flow", state=Count, edges=[START >> note >> END])
SLOW = workflow("slow", state=Count, edges=[START >> slowly >> again >> END])
BAD = workflow("bad", state=Count, edges=[START >> failing >> END])
CHANGED = workflow("flow", state=Count, edges=[START >> note.named("renamed") >> END])
ASKING = workflow("asking", state=Asked, edges=[START >> ask, ask["yes"] >> END, ask.expired >> END])


class Outer(State):
    n: int
    got: int | None = None
    word: str | None = None


INNER = subflow(SLOW, name="inner", reads="n", writes={"got": "there"})
NESTED = workflow("nested", state=Outer, edges=[START >> INNER >> END])
PAUSE = wait(timedelta(days=1), name="pause")
WORD = wait("word", str, writes="word")
SLEEPING = workflow("sleeping", state=Outer, edges=[START >> PAUSE >> WORD >> END])


@pytest.fixture(autouse=True)
def fresh() -> None:
    DONE.clear()
    LIVE.clear()
    GATE.append(Gate())


async def test_a_started_run_stands_in_the_queue_in_nobody_s_hands(opened: Any, ledger: Any) -> None:
    async with opened(FLOW) as engine:
        run = await engine.start(FLOW, n=1)
        view = await engine.get(run)
        assert (view.status, view.reason, view.owned, view.interrupted) == ("queued", None, False, False)
        assert [type(each.event).__name__ for each in await engine.journal(run)] == ["RunCreated"]
        with pytest.raises(InputError):
            await engine.start(FLOW, n="none")
    assert DONE == []


async def test_a_worker_drives_what_was_started_and_ends_when_idle(opened: Any) -> None:
    async with opened(FLOW) as engine:
        runs = [await engine.start(FLOW, n=number) for number in range(20)]
        worked = await engine.work(at_once=3, until="idle")
        assert worked.rested == {"succeeded": 20}
        assert list(range(20)) == DONE  # oldest first
        assert LIVE["most"] <= 3
        assert {(await engine.get(run)).status for run in runs} == {"succeeded"}
        claims = [each.event for each in await engine.journal(runs[0])]
        assert [type(each).__name__ for each in claims] == ["RunCreated", "RunClaimed", "StepFinished"]
        assert claims[1].verb == "run"


async def test_opening_an_engine_leaves_the_queue_to_workers(opened: Any) -> None:
    async with opened(FLOW) as engine:
        run = await engine.start(FLOW, n=1)
        assert await engine.recover() == []
        assert (await engine.get(run)).status == "queued"
        assert (await engine.resume(run)).status == "succeeded"  # who asks for this very run gets it


async def test_a_queued_run_can_be_cancelled(opened: Any) -> None:
    async with opened(FLOW) as engine:
        run = await engine.start(FLOW, n=1)
        assert (await engine.cancel(run)).status == "cancelled"
        assert (await engine.work(until="idle")).rested == {}


async def test_once_drives_one_handful(opened: Any) -> None:
    async with opened(FLOW) as engine:
        for number in range(5):
            await engine.start(FLOW, n=number)
        assert (await engine.work(at_once=2, until="once")).rested == {"succeeded": 2}
        assert DONE == [0, 1]


async def test_workers_side_by_side_drive_every_run_once(opened: Any) -> None:
    async with opened(FLOW) as one, opened(FLOW) as two:
        for number in range(100):
            await one.start(FLOW, n=number)
        told: list[Any] = []
        shifts = await asyncio.gather(
            *(
                each.work(at_once=4, until="idle", on_problem=lambda *said: told.append(said))
                for each in (one, two, one)
            )
        )
        assert sum(each.rested["succeeded"] for each in shifts) == 100
        assert sorted(DONE) == list(range(100))
        assert told == []  # losing a race is no event


async def test_a_worker_hears_of_what_is_started_while_it_works(opened: Any) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with opened(FLOW) as engine, opened(FLOW) as other:
        working = asyncio.create_task(engine.work(on_rest=lambda run: heard.put_nowait(run.id)))
        for each in (engine, other, engine):
            run = await each.start(FLOW, n=1)
            assert await asyncio.wait_for(heard.get(), 5) == run
        engine.drain()
        assert (await working).rested == {"succeeded": 3}


async def test_draining_finishes_the_steps_under_way_and_leaves_the_rest(opened: Any) -> None:
    async with opened(SLOW) as engine:
        runs = [await engine.start(SLOW, n=number) for number in range(3)]
        working = asyncio.create_task(engine.work(at_once=2))
        for _ in range(2):
            await GATE[-1].reached.acquire()
        engine.drain()
        GATE[-1].open.set()
        assert (await working).rested == {"interrupted": 2}
        assert sorted(DONE) == [0, 1]
        views = [await engine.get(run) for run in runs]
        assert [(each.status, each.reason) for each in views] == [
            ("running", "interrupted"),
            ("running", "interrupted"),
            ("queued", None),
        ]
    async with opened(SLOW) as engine:  # another goes on where it was left, and counts no death
        assert (await engine.work(until="idle")).rested == {"succeeded": 3}
        assert sorted(DONE) == [0, 1, 2]


async def test_closing_the_engine_ends_its_worker_and_frees_its_runs(opened: Any, ledger: Any) -> None:
    async with opened(SLOW) as engine:
        run = await engine.start(SLOW, n=1)
        working = asyncio.create_task(engine.work())
        await GATE[-1].reached.acquire()
    assert working.cancelled()
    assert not await ledger.owned(run)
    assert (await ledger.read(run)).run.reason == "interrupted"


async def test_a_living_worker_takes_over_what_another_died_with(opened: Any, ledger: Any) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with opened(SLOW) as engine, opened(SLOW) as other:
        run = await engine.start(SLOW, n=1)
        dying = asyncio.create_task(engine.work())
        await GATE[-1].reached.acquire()
        living = asyncio.create_task(other.work(on_rest=lambda run: heard.put_nowait(run.id)))
        await asyncio.sleep(0)
        ledger.abandon()
        GATE[-1].open.set()
        assert await asyncio.wait_for(heard.get(), 5) == run
        verbs = [each.event.verb for each in await other.journal(run) if type(each.event).__name__ == "RunClaimed"]
        assert verbs == ["run", "recover"]
        for each in (dying, living):
            each.cancel()
        await asyncio.gather(dying, living, return_exceptions=True)


async def test_an_answer_and_an_expiry_are_gone_on_with(opened: Any, clock: FakeClock) -> None:
    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    async with opened(ASKING) as engine, opened() as person:
        runs = [await engine.start(ASKING) for _ in range(2)]
        working = asyncio.create_task(engine.work(on_rest=lambda run: heard.put_nowait((run.id, run.status))))
        for run in runs:
            assert await asyncio.wait_for(heard.get(), 5) == (run, "waiting")
        await person.answer(runs[0], "yes")
        assert await asyncio.wait_for(heard.get(), 5) == (runs[0], "succeeded")
        clock.advance(timedelta(days=3).total_seconds())
        assert await asyncio.wait_for(heard.get(), 5) == (runs[1], "succeeded")
        engine.drain()
        await working


async def test_a_failed_run_is_not_taken_again(opened: Any) -> None:
    async with opened(BAD, FLOW) as engine:
        await engine.start(BAD, n=1)
        await engine.start(FLOW, n=1)
        assert (await engine.work(until="idle")).rested == {"failed": 1, "succeeded": 1}
        assert (await engine.work(until="idle")).rested == {}


async def test_runs_without_code_here_are_named_once_and_left_alone(opened: Any) -> None:
    told: list[tuple[Any, WorkflowError]] = []
    async with opened(FLOW) as engine, opened(BAD) as worker:
        runs = [await engine.start(FLOW, {"n": number}, "flows.py:FLOW") for number in range(5)]
        worked = await worker.work(until="idle", on_problem=lambda run, error: told.append((run, error)))
        assert worked.problems == 1
        [(run, error)] = told
        assert run == runs[0]
        assert "workflow 'flow'" in error.what
        assert all(each in error.what for each in runs[:3])
        assert "and more" in error.what
        assert error.cure == "workflow worker flows.py:FLOW"
        assert {(await engine.get(each)).status for each in runs} == {"queued"}


async def test_a_run_that_no_longer_fits_its_code_blocks_no_other(opened: Any) -> None:
    told: list[Any] = []
    async with opened(FLOW) as engine:
        old = await engine.start(FLOW, n=1)
    async with opened(CHANGED) as engine:
        new = await engine.start(CHANGED, n=2)
        worked = await engine.work(at_once=1, until="idle", on_problem=lambda run, error: told.append((run, error)))
        assert worked.rested == {"succeeded": 1}
        [(run, error)] = told
        assert run == old
        assert "no longer fits" in str(error)
        assert (await engine.get(old)).status == "queued"
        assert (await engine.get(new)).status == "succeeded"


async def test_a_refused_run_is_left_to_another_worker(opened: Any) -> None:
    async with opened(FLOW) as engine:
        mine = await engine.start(FLOW, {"n": 1}, "flow.py --model mine")
        other = await engine.start(FLOW, {"n": 2}, "flow.py --model other")
        no = UsageError("not with this model")
        worked = await engine.work(until="idle", refuse=lambda label: no if "other" in str(label) else None)
        assert (worked.rested, worked.problems) == ({"succeeded": 1}, 1)
        assert [(await engine.get(each)).status for each in (mine, other)] == ["succeeded", "queued"]


async def test_refused_runs_keep_no_seat_from_those_behind_them(opened: Any) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with opened(FLOW) as engine:
        for number in range(30):
            await engine.start(FLOW, {"n": number}, "flow.py --model other")
        mine = await engine.start(FLOW, {"n": 2}, "flow.py --model mine")
        no = UsageError("not with this model")
        working = asyncio.create_task(
            engine.work(
                at_once=1,
                refuse=lambda label: no if "other" in str(label) else None,
                on_rest=lambda run: heard.put_nowait(run.id),
                on_problem=lambda *_: None,
            )
        )
        assert await asyncio.wait_for(heard.get(), 5) == mine
        engine.drain()
        assert (await working).problems == 30


async def test_a_store_that_is_locked_for_a_while_ends_no_worker(
    opened: Any, ledger: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    queued, claim = type(ledger).queued, type(ledger).claim
    faults = [3, 2]

    async def locked_queue(self: Any, *asked: Any) -> Any:
        if faults[0]:
            faults[0] -= 1
            raise StoreError("the store is locked")
        return await queued(self, *asked)

    async def locked_claim(self: Any, run: Any) -> Any:
        if faults[1]:
            faults[1] -= 1
            raise StoreError("the store is locked")
        return await claim(self, run)

    monkeypatch.setattr(type(ledger), "queued", locked_queue)
    monkeypatch.setattr(type(ledger), "claim", locked_claim)
    async with opened(FLOW) as engine:
        run = await engine.start(FLOW, n=1)
        with caplog.at_level(logging.ERROR):
            working = asyncio.create_task(engine.work(on_rest=lambda run: heard.put_nowait(run.id)))
            assert await asyncio.wait_for(heard.get(), 5) == run
        engine.drain()
        assert (await working).problems == 2  # each trouble is said once
    assert faults == [0, 0]
    assert caplog.text.count("the store is locked") == 2


async def test_a_worker_that_is_to_end_says_that_the_store_cannot_be_used(
    opened: Any, ledger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def locked(*_: Any) -> Any:
        raise StoreError("the store is locked")

    async with opened(FLOW) as engine:
        run = await engine.start(FLOW, n=1)
        with monkeypatch.context() as broken:
            broken.setattr(type(ledger), "claim", locked)
            worked = await engine.work(until="idle")
            assert (worked.rested, worked.problems) == ({}, 2)
        with monkeypatch.context() as broken:
            broken.setattr(type(ledger), "queued", locked)
            with pytest.raises(StoreError):
                await engine.work(until="idle")
        assert (await engine.get(run)).status == "queued"


@pytest.mark.parametrize("wrong", [0, -1, True, 2.5, "8", None])
async def test_a_worker_without_seats_is_refused(opened: Any, wrong: Any) -> None:
    async with opened(FLOW) as engine:
        with pytest.raises(UsageError, match="at once"):
            await engine.work(at_once=wrong)
        with pytest.raises(UsageError, match="until"):
            await engine.work(until="never")


async def test_a_run_sleeps_and_waits_without_a_seat_and_is_woken(opened: Any, clock: FakeClock) -> None:
    heard: asyncio.Queue[tuple[str, str, str | None]] = asyncio.Queue()
    async with opened(SLEEPING) as engine, opened() as other:
        run = await engine.start(SLEEPING, n=1)
        working = asyncio.create_task(
            engine.work(at_once=1, on_rest=lambda run: heard.put_nowait((run.id, run.status, run.reason)))
        )
        assert await asyncio.wait_for(heard.get(), 5) == (run, "waiting", "time")
        clock.advance(timedelta(days=1).total_seconds())
        assert await asyncio.wait_for(heard.get(), 5) == (run, "waiting", "signal")
        await other.signal(run, "word", "go")
        assert await asyncio.wait_for(heard.get(), 5) == (run, "succeeded", None)
        engine.drain()
        await working
        assert (await engine.get(run)).values["word"] == "go"


async def test_a_run_within_a_run_is_taken_over_with_the_one_around_it(opened: Any, ledger: Any) -> None:
    async with opened(NESTED) as engine:
        run = await engine.start(NESTED, n=7)
        dying = asyncio.create_task(engine.work())
        await GATE[-1].reached.acquire()
        ledger.abandon()
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
    GATE[-1].open.set()
    async with opened(NESTED) as engine:
        worked = await engine.work(until="idle")
        assert worked.rested == {"succeeded": 1}
        assert (await engine.get(run)).values["got"] == 8
        assert DONE == [7]


async def test_what_is_there_to_go_on_with_and_goes_nowhere_is_not_tried_again_and_again(
    opened: Any, ledger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(ASKING) as engine:
        run = await engine.start(ASKING)
        await engine.work(until="idle")

        async def due(self: Any, now: Any) -> Any:
            return [run]

        monkeypatch.setattr(type(ledger), "due", due)
        assert (await engine.work(until="idle")).rested == {}
        assert len(await engine.journal(run)) <= 5
        working = asyncio.create_task(engine.work())
        await asyncio.sleep(0.5)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        assert len(await engine.journal(run)) <= 10


@pytest.mark.parametrize(("flow", "status"), [(FLOW, "succeeded"), (ASKING, "waiting"), (BAD, "failed")])
async def test_a_run_that_another_worker_took_meanwhile_is_left_alone(
    opened: Any, ledger: Any, monkeypatch: pytest.MonkeyPatch, flow: Any, status: str
) -> None:
    """Another is faster: after the run was found in the queue, and before it is claimed."""
    claim = type(ledger).claim
    told: list[Any] = []

    async def slow(self: Any, run: Any) -> Any:
        monkeypatch.undo()
        async with opened(flow) as faster:
            assert (await faster.work(until="idle")).rested == {status: 1}
        return await claim(self, run)

    async with opened(flow) as engine:
        run = await engine.start(flow, {} if flow is ASKING else {"n": 1})
        monkeypatch.setattr(type(ledger), "claim", slow)
        worked = await engine.work(until="idle", on_problem=lambda *said: told.append(said))
        assert (worked.rested, told) == ({}, [])
        claims = [each for each in await engine.journal(run) if type(each.event).__name__ == "RunClaimed"]
        assert len(claims) == 1


async def test_a_run_that_takes_worker_after_worker_down_waits_for_a_person(opened: Any, ledger: Any) -> None:
    async with opened(SLOW) as engine:
        run = await engine.start(SLOW, n=1)
    for _ in range(5):
        async with opened(SLOW) as engine:
            dying = asyncio.create_task(engine.work())
            await GATE[-1].reached.acquire()
            ledger.abandon()
            dying.cancel()
            await asyncio.gather(dying, return_exceptions=True)
    async with opened(SLOW) as engine:
        assert (await engine.work(until="idle")).rested == {"waiting": 1}
        [asked] = await engine.inbox()
        assert asked.question.run == run
        assert asked.question.asks != "human"
        await engine.answer(asked.question.id, "rerun")
        GATE[-1].open.set()
        assert (await engine.work(until="idle")).rested == {"succeeded": 1}


async def test_a_worker_may_drive_on_langgraph(opened: Any) -> None:
    async with opened(FLOW, executor="langgraph") as engine:
        runs = [await engine.start(FLOW, n=number) for number in range(3)]
        assert (await engine.work(until="idle")).rested == {"succeeded": 3}
        claimed = next(each.event for each in await engine.journal(runs[0]) if each.event.type == "RunClaimed")
        assert (claimed.verb, claimed.executor) == ("run", "langgraph")
