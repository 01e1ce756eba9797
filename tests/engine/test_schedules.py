"""Schedules: each due time begins one run, whoever looks, however late, and whatever clocks do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from workflow_engine import END, START, State, function, workflow
from workflow_engine.errors import InputError, ScheduleNotFound, ScheduleTaken, UsageError, WorkflowError
from workflow_engine.record.schedule import Schedule
from workflow_engine.runtime.calendar import expression, first_after, interval, last_until
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.crash import Crashed, crash_after

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Night(State):
    region: str
    at: datetime | None = None
    day: date | None = None
    there: int = 0


DONE: list[Any] = []


@function(writes="there")
async def note(region: str, at: datetime | None, day: date | None) -> int:
    DONE.append(at or day or region)
    return 1


FLOW = workflow("flow", state=Night, edges=[START >> note >> END])
EU = {"region": "eu"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(BEGUN, jump=False)


@pytest.fixture(autouse=True)
def fresh() -> None:
    DONE.clear()


def nightly(**changes: Any) -> Schedule:
    return replace(Schedule("s", "flow", BEGUN, BEGUN, "0 6 * * *"), **changes)


def dues(schedule: Schedule, moment: datetime, count: int) -> list[datetime]:
    found: list[datetime] = []
    for _ in range(count):
        due = first_after(schedule, found[-1] if found else moment)
        assert due is not None
        found.append(due)
    return found


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# ------------------------------------------------------------------------------------------------ the calendar


def test_a_cron_expression_follows_its_time_zone() -> None:
    assert dues(nightly(), BEGUN, 2) == [utc("2026-01-01T06:00"), utc("2026-01-02T06:00")]
    berlin = nightly(timezone="Europe/Berlin")
    assert dues(berlin, BEGUN, 1) == [utc("2026-01-01T05:00")]
    assert dues(berlin, utc("2026-07-01T00:00"), 1) == [utc("2026-07-01T04:00")]


@pytest.mark.parametrize(
    ("cron", "day", "expected"),
    [
        # Clocks are put forward at 02:00 to 03:00 (01:00 UTC): what was set for 02:30 comes when the gap ends.
        ("30 2 * * *", "2026-03-29", ["2026-03-29T01:00", "2026-03-30T00:30"]),
        ("0 6 * * *", "2026-03-29", ["2026-03-29T04:00", "2026-03-30T04:00"]),
        ("0 * * * *", "2026-03-29T00:30", ["2026-03-29T01:00", "2026-03-29T02:00", "2026-03-29T03:00"]),
        # Put back at 03:00 to 02:00 (01:00 UTC): a time of the day comes once, an hour's beginning twice.
        ("30 2 * * *", "2026-10-25", ["2026-10-25T00:30", "2026-10-26T01:30"]),
        ("0 * * * *", "2026-10-24T23:30", ["2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T02:00"]),
        ("*/30 * * * *", "2026-10-25T00:15", ["2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30"]),
    ],
)
def test_daylight_saving_skips_and_doubles_nothing_set_for_a_time_of_the_day(
    cron: str, day: str, expected: list[str]
) -> None:
    schedule = nightly(cron=cron, timezone="Europe/Berlin")
    assert dues(schedule, utc(day), len(expected)) == [utc(each) for each in expected]


@pytest.mark.parametrize("cron", ["30 2 * * *", "15,45 1-3 * * *", "0 * * * *", "*/20 * * * *", "59 23 L * *"])
@pytest.mark.parametrize("begin", ["2026-03-28T20:00", "2026-10-24T20:00"])
def test_due_times_are_the_same_from_wherever_they_are_looked_for(cron: str, begin: str) -> None:
    schedule = nightly(cron=cron, timezone="Europe/Berlin")
    start = utc(begin)
    end = start + 2 * DAY
    every: list[datetime] = []
    due = first_after(schedule, start)
    while due is not None and due <= end:
        every.append(due)
        due = first_after(schedule, due)
    moment = start
    while moment <= end:
        after = [each for each in every if each > moment]
        before = [each for each in every if each <= moment]
        found = first_after(schedule, moment)
        assert found == after[0] if after else found is not None and found > end
        assert last_until(schedule, start, moment) == (before[-1] if before else None)
        moment += timedelta(minutes=7, seconds=30)


def test_an_interval_counts_from_its_beginning_and_follows_elapsed_time() -> None:
    quarter = nightly(cron=None, every=900.0)
    assert dues(quarter, BEGUN, 2) == [BEGUN + timedelta(minutes=15), BEGUN + timedelta(minutes=30)]
    assert dues(quarter, BEGUN - DAY, 1) == [BEGUN + timedelta(minutes=15)]
    assert last_until(quarter, BEGUN, BEGUN + timedelta(days=400, minutes=16)) == BEGUN + timedelta(
        days=400, minutes=15
    )
    assert last_until(quarter, BEGUN, BEGUN + timedelta(minutes=14)) is None


def test_the_last_of_a_year_of_minutes_is_found_at_once() -> None:
    minutely = nightly(cron="* * * * *")
    assert last_until(minutely, BEGUN, BEGUN + 365 * DAY + timedelta(seconds=30)) == BEGUN + 365 * DAY
    rare = nightly(cron="0 0 29 2 *")
    assert last_until(rare, BEGUN, utc("2031-01-01")) == utc("2028-02-29")


@pytest.mark.parametrize(
    "wrong", ["", "* * * *", "61 * * * *", "0 0 31 2 *", "0 6 * * * * *", "soon", "@often", "0 6 * * ☃", "* * * * */0"]
)
def test_what_is_no_cron_expression_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match=r"is no cron expression|never comes"):
        expression(wrong)


def test_short_names_of_cron_are_known() -> None:
    assert (expression("@daily"), expression(" 0  6 * *   mon ")) == ("0 0 * * *", "0 6 * * mon")


@pytest.mark.parametrize("wrong", ["", "m", "15", "15 parsecs", "-5m", "9e99d", "1" * 400 + "d"])
def test_what_is_no_duration_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match=r"duration|longer"):
        interval(wrong)


# ------------------------------------------------------------------------------------------------ the verbs


async def test_a_schedule_is_added_looked_at_and_removed(opened: Any, clock: FakeClock) -> None:
    async with opened(FLOW) as engine:
        made = await engine.schedules.add(FLOW, "0 6 * * *", EU, timezone="Europe/Berlin")
        assert (made.name, made.workflow, made.inputs) == ("flow", "flow", EU)
        assert engine.schedules.next(made) == utc("2026-01-01T05:00")
        with pytest.raises(ScheduleTaken):
            await engine.schedules.add(FLOW, every=HOUR, inputs=EU)
        other = await engine.schedules.add(FLOW, every=HOUR, inputs=EU, name="hourly")
        assert await engine.schedules.list() == [made, other]
        await engine.schedules.remove("flow")
        assert await engine.schedules.list() == [other]
        with pytest.raises(ScheduleNotFound):
            await engine.schedules.remove("flow")


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"cron": "0 6 * * *", "every": HOUR}, UsageError),
        ({}, UsageError),
        ({"every": timedelta(0)}, UsageError),
        ({"every": -HOUR}, UsageError),
        ({"cron": "0 6 * * *", "timezone": "Europe/Atlantis"}, UsageError),
        ({"cron": "0 6 * * *", "timezone": "../etc/passwd"}, UsageError),
        ({"cron": "0 6 * * *", "timezone": ""}, UsageError),
        ({"cron": "0 6 * * *", "name": "no name"}, UsageError),
        ({"cron": "0 6 * * *", "name": ""}, UsageError),
        ({"cron": "0 6 * * *", "inputs": {}}, InputError),
        ({"cron": "0 6 * * *", "inputs": {"region": "eu", "there": "x"}}, InputError),
        ({"cron": "0 6 * * *", "due_as": "there"}, InputError),
        ({"cron": "0 6 * * *", "due_as": "nothing"}, InputError),
        ({"cron": "0 6 * * *", "due_as": "region"}, InputError),
    ],
)
async def test_what_makes_no_schedule_is_refused(opened: Any, given: Any, error: type[WorkflowError]) -> None:
    async with opened(FLOW) as engine:
        with pytest.raises(error):
            await engine.schedules.add(FLOW, **{"inputs": EU, **given})
        assert await engine.schedules.list() == []


# ------------------------------------------------------------------------------------------------ firing


async def worked(engine: Any) -> int:
    """One shift; how many runs it drove."""
    return sum((await engine.work(until="idle")).rested.values())


async def test_each_due_time_begins_one_run(opened: Any, clock: FakeClock) -> None:
    async with opened(FLOW) as engine:
        await engine.schedules.add(FLOW, "0 6 * * *", EU, due_as="at", timezone="Europe/Berlin")
        assert await worked(engine) == 0
        for number in range(3):
            clock.advance((DAY if number else 6 * HOUR).total_seconds())
            assert await worked(engine) == 1
            assert await worked(engine) == 0
    assert [each.isoformat() for each in DONE] == [f"2026-01-0{day}T06:00:00+01:00" for day in (1, 2, 3)]


async def test_a_living_worker_fires_as_time_goes_on_with_every_seat_taken(opened: Any, clock: FakeClock) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with opened(FLOW) as engine, opened() as other:
        working = asyncio.create_task(engine.work(at_once=1, on_rest=lambda run: heard.put_nowait(run.id)))
        await other.schedules.add(FLOW, every=HOUR, inputs=EU, due_as="at")
        for _ in range(3):
            clock.advance(HOUR.total_seconds())
            await asyncio.wait_for(heard.get(), 5)
        engine.drain()
        await working
    assert len(DONE) == 3


async def test_any_number_of_workers_begin_a_due_time_once(opened: Any, clock: FakeClock) -> None:
    async with opened(FLOW) as one, opened(FLOW) as two, opened(FLOW) as three:
        await one.schedules.add(FLOW, every=HOUR, inputs=EU, due_as="at")
        for _ in range(20):
            clock.advance(HOUR.total_seconds())
            await asyncio.gather(*(each.work(until="idle") for each in (one, two, three, one)))
        while await worked(one):
            pass
    assert [each - BEGUN for each in DONE] == [HOUR * number for number in range(1, 21)]


async def test_due_while_nothing_ran_for_a_month_begins_one_run(opened: Any, clock: FakeClock) -> None:
    async with opened(FLOW) as engine:
        await engine.schedules.add(FLOW, "0 6 * * *", EU, due_as="day")
        clock.advance((30 * DAY + 12 * HOUR).total_seconds())
        assert await worked(engine) == 1
        assert [date(2026, 1, 31)] == DONE
        clock.advance(DAY.total_seconds())
        assert await worked(engine) == 1
        assert DONE[-1] == date(2026, 2, 1)


async def test_a_schedule_that_catches_up_begins_every_one_that_was_missed(opened: Any, clock: FakeClock) -> None:
    async with opened(FLOW) as engine:
        await engine.schedules.add(FLOW, "0 */2 * * *", EU, due_as="at", catch_up=True)
        clock.advance((30 * DAY).total_seconds())
        assert await worked(engine) == 360  # more than are caught up with in one look
        assert sorted(DONE) == [BEGUN + 2 * HOUR * number for number in range(1, 361)]
        assert await worked(engine) == 0


async def test_a_clock_that_jumps_forward_a_day_and_back_begins_no_due_time_twice(
    opened: Any, clock: FakeClock
) -> None:
    async with opened(FLOW) as engine:
        await engine.schedules.add(FLOW, every=HOUR, inputs=EU, due_as="at")
        clock.advance(HOUR.total_seconds())
        assert await worked(engine) == 1
        clock.advance(DAY.total_seconds())  # wrongly
        assert await worked(engine) == 1
        assert DONE == [BEGUN + HOUR, BEGUN + DAY + HOUR]
        clock._now -= DAY  # set right again: the schedule follows, and is not silent for a day
        assert await worked(engine) == 0
        for _ in range(25):
            clock.advance(HOUR.total_seconds())
            await worked(engine)
        # Of the day that was jumped over, all that was not begun then; what was, once.
        assert sorted(DONE) == [BEGUN + HOUR * number for number in range(1, 27)]
        assert len(DONE) == len(set(DONE))


async def test_a_clock_that_jumps_back_a_day_begins_nothing_that_was_begun(opened: Any, clock: FakeClock) -> None:
    async with opened(FLOW) as engine:
        await engine.schedules.add(FLOW, every=HOUR, inputs=EU, due_as="at")
        for _ in range(30):
            clock.advance(HOUR.total_seconds())
            await worked(engine)
        assert len(DONE) == 30
        clock._now -= DAY
        for _ in range(24):
            clock.advance(HOUR.total_seconds())
            assert await worked(engine) == 0
        clock.advance(HOUR.total_seconds())
        assert await worked(engine) == 1
        assert len(DONE) == len(set(DONE)) == 31


async def test_a_clock_that_is_corrected_by_a_moment_is_not_followed(opened: Any, clock: FakeClock) -> None:
    async with opened(FLOW) as engine:
        made = await engine.schedules.add(FLOW, every=HOUR, inputs=EU)
        clock.advance(HOUR.total_seconds())
        assert await worked(engine) == 1
        clock._now -= timedelta(seconds=30)
        assert await worked(engine) == 0
        assert (await engine.schedules.get(made.name)).settled == BEGUN + HOUR


async def test_a_paused_schedule_passes_its_due_times_over(opened: Any, clock: FakeClock) -> None:
    async with opened(FLOW) as engine:
        await engine.schedules.add(FLOW, every=HOUR, inputs=EU, due_as="at", catch_up=True)
        paused = await engine.schedules.pause("flow")
        assert engine.schedules.next(paused) is None
        clock.advance((5 * HOUR).total_seconds() + 60)
        assert await worked(engine) == 0
        await engine.schedules.resume("flow")
        assert await worked(engine) == 0
        clock.advance(HOUR.total_seconds())
        assert await worked(engine) == 1
        assert DONE == [BEGUN + 6 * HOUR]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("writes", [1, 2, 3])
async def test_a_worker_that_dies_while_it_fires_leaves_one_run(
    opened: Any, ledger: Any, clock: FakeClock, writes: int, when: Any
) -> None:
    async with opened(FLOW) as engine:
        await engine.schedules.add(FLOW, every=HOUR, inputs=EU, due_as="at")
    clock.advance(HOUR.total_seconds())
    dying = crash_after(ledger, writes, when=when)
    async with opened(FLOW, ledger=dying) as engine:
        with pytest.raises(Crashed):
            await dying.until_crash(engine.work(until="idle"))
    async with opened(FLOW) as engine:
        await worked(engine)
        assert len(await engine.runs()) == 1
        assert [each.status for each in await engine.runs()] == ["succeeded"]


async def test_a_worker_that_is_faster_is_no_trouble(
    opened: Any, ledger: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins the same due time after this one saw that it is due, and before this one does."""
    create = type(ledger).create

    async def slow(self: Any, batch: Any) -> Any:
        monkeypatch.undo()
        async with opened(FLOW) as faster:
            assert await worked(faster) == 1
        return await create(self, batch)

    async with opened(FLOW) as engine:
        await engine.schedules.add(FLOW, every=HOUR, inputs=EU, due_as="at")
        clock.advance(HOUR.total_seconds())
        monkeypatch.setattr(type(ledger), "create", slow)
        shift = await engine.work(until="idle")
        assert (shift.rested, shift.problems) == ({}, 0)
        assert DONE == [BEGUN + HOUR]


OTHER = workflow("other", state=Night, edges=[START >> note >> END])


class Changed(State):
    area: str
    there: int = 0


@function(writes="there")
async def elsewhere(area: str) -> int:
    return 1


CHANGED = workflow("flow", state=Changed, edges=[START >> elsewhere >> END])


async def test_a_schedule_of_another_workflow_is_named_once_and_left(opened: Any, clock: FakeClock) -> None:
    told: list[str] = []
    async with opened(FLOW) as engine:
        await engine.schedules.add(FLOW, every=HOUR, inputs=EU, label="flow.py")
    clock.advance(HOUR.total_seconds())
    async with opened(OTHER) as engine:
        worked = await engine.work(until="idle", on_problem=lambda _, error: told.append(str(error)))
        assert worked.rested == {}
        [said] = told
        assert "not given workflow 'flow'" in said
        assert "workflow worker flow.py" in said


async def test_inputs_that_no_longer_fit_are_told_and_stop_no_other(opened: Any, clock: FakeClock) -> None:
    told: list[str] = []
    async with opened(FLOW, OTHER) as engine:
        await engine.schedules.add(FLOW, every=HOUR, inputs=EU)
        await engine.schedules.add(OTHER, every=HOUR, inputs=EU)
    clock.advance(HOUR.total_seconds())
    async with opened(CHANGED, OTHER) as engine:
        worked = await engine.work(until="idle", on_problem=lambda _, error: told.append(str(error)))
        assert worked.rested == {"succeeded": 1}
        [said] = told
        assert "nothing was begun for 2026-01-01 01:00:00 UTC" in said
        assert "region" in said
        kept = await engine.schedules.get("flow")
        assert "region" in kept.trouble
        assert kept.settled == BEGUN + HOUR  # the next due time is tried, not this one for ever


@pytest.mark.parametrize(
    "forged",
    [
        {"cron": None, "every": 0.0},
        {"cron": None, "every": 1e-9},
        {"cron": None, "every": -1.0},
        {"cron": None},
        {"cron": "garbage"},
        {"timezone": "No/Where"},
        {"cron": None, "every": 1e300},
    ],
)
async def test_a_schedule_that_makes_no_sense_stops_no_other(
    opened: Any, ledger: Any, clock: FakeClock, forged: dict[str, Any]
) -> None:
    told: list[str] = []
    async with opened(FLOW, OTHER) as engine:
        await engine.schedules.add(OTHER, every=HOUR, inputs=EU)
        await ledger.schedules.add(nightly(name="a", **forged))
        clock.advance(HOUR.total_seconds())
        worked = await engine.work(until="idle", on_problem=lambda _, error: told.append(str(error)))
        assert worked.rested == {"succeeded": 1}
        assert len(told) == 1
