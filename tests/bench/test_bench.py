"""The bench tells what it measured: a tiny work of ours and of plain LangGraph, and goals that can be missed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.disk import Shim
from bench.driver import HOUSE, Driver, child
from bench.goals import GOALS, Goal, to_profile
from bench.measurement import Measurement, Profile, Results
from bench.meter import Meter, commits
from bench.model import LAST
from bench.order import Order
from bench.report import summary, write
from bench.roster import BY_NAME as SUBJECT
from bench.roster import SUBJECTS, Subject, chosen
from bench.subjects.talking import measure, served
from bench.works import BY_NAME as WORK
from bench.works import WORKS, Work, quick

TINY = replace(WORK["small"], steps=5, rounds=1)


def results() -> Results:
    return Results({}, {"cores": "1"})


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    here = Path(sys.executable)
    return Driver(results(), lambda: None, Shim(None, "no compiler"), lambda _: here, lambda _: None, tmp_path)


# ------------------------------------------------------------------------------------------------ measuring


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ours", "plain", "raw"])
def test_a_subject_is_measured_and_its_steps_are_found_in_the_file(driver: Driver, name: str) -> None:
    measured = driver.one(TINY, SUBJECT[name], 0, audit=True)
    assert measured.problem == ""
    assert measured.figures["durable"] == 5
    assert measured.figures["synchronous"] == "full"
    # Ours commits once to begin with and once a step; plain twice a step, and once for the input and for START.
    assert measured.figures["commits"] == {"ours": 6, "plain": 13, "raw": 5}[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ours-agents", "ours-openai", "agents", "openai"])
def test_agent_turns_are_equal_work_for_all_and_ours_leave_a_receipt_of_every_call(driver: Driver, name: str) -> None:
    work = replace(WORK["turn"], steps=2, runs=2)
    measured = driver.one(work, SUBJECT[name], 0)
    assert measured.problem == ""
    assert measured.steps == 4
    assert measured.figures["requests"] == 6
    # Of each turn three answers of the model and two of the tool.
    assert measured.figures["durable"] == (10 if name.startswith("ours") else 0)
    assert (measured.figures["bytes"] > 0) == name.startswith("ours")


async def test_a_turn_that_asks_more_often_than_the_work_says_has_no_figures(tmp_path: Path) -> None:
    order = Order("bench.subjects.bare", replace(WORK["turn"], steps=1, runs=1), str(tmp_path))

    async def ask_twice() -> str:
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(model.base_url.split(":")[2][:-3]))
            writer.write(b'POST / HTTP/1.1\r\nContent-Length: 16\r\n\r\n{"messages": []}')
            assert b"200" in await reader.readline()
            writer.close()
        return LAST

    async with served(order) as model:
        with pytest.raises(AssertionError, match="'requests': 3"):
            await measure(order, Meter(order.store), model, ask_twice)


def test_a_subject_that_fails_costs_its_own_figures_and_no_others(driver: Driver) -> None:
    broken = Subject("ours", "broken", "bench.subjects.nobody")
    lost = Subject("plain", "not there", "bench.subjects.plain", home="nowhere")
    driver.pythons = lambda home: Path(sys.executable) if home == "ours" else "not installed: no network"
    driver.measure([replace(TINY, audited=False)], [broken, lost], rounds=2, slow=False)
    said = [each.problem for each in driver.results.measurements]
    assert len(said) == 4
    assert sum("nobody" in each for each in said) == 2
    assert said.count("not installed: no network") == 2


def test_a_child_that_is_too_slow_is_ended_and_said_to_be(tmp_path: Path) -> None:
    order = Order("bench.subjects.raw", replace(TINY, steps=10**9), str(tmp_path), {"level": "off", "bytes": 1})
    assert child(Path(sys.executable), order, {}, 0.5) == {"problem": "too slow: not done in 0 s"}


def test_commits_are_counted_in_the_file_whichever_journal_it_has(tmp_path: Path) -> None:
    import sqlite3

    for journal in ("wal", "delete"):
        path = tmp_path / f"{journal}.sqlite"
        db = sqlite3.connect(path, isolation_level=None)
        db.execute(f"PRAGMA journal_mode = {journal}")
        db.execute("CREATE TABLE t (x)")
        before = commits(path)
        for each in range(7):
            db.execute("INSERT INTO t VALUES (?)", (each,))
        assert commits(path) - before == 7, journal
        db.close()
    assert commits(tmp_path / "missing.sqlite") == 0


# ------------------------------------------------------------------------------------------------ judging


def planted(faster: float) -> Results:
    """Results in which ours is so many times faster than everybody, in rounds of a machine that slows down."""
    told = results()
    for work in WORKS:
        for subject in SUBJECTS:
            for number in range(3):
                wall = (1 + number) * (1.0 if subject.name.startswith(("ours", "saver")) else faster)
                figures = {"wall": wall, "cpu": wall, "bytes": 5.0, "commits": 0, "first": wall, "last": wall}
                figures |= {"list_ms": 1.0, "resume_ms": 1.0, "p99_ms": 1.0, "journal_bytes": 0}
                told.measurements.append(Measurement(work.name, subject.name, number, steps=100_000, figures=figures))
                if not number:
                    counted = Measurement(work.name, subject.name, -1, audit=True, steps=100_000, figures=figures)
                    told.measurements.append(counted)
    return told


def the(work: str, what: str) -> Goal:
    return next(each for each in GOALS if each.work == work and each.what == what)


def test_a_goal_is_met_or_missed_by_the_numbers_alone() -> None:
    goal = the("small", "FULL against plain")
    assert goal.verdict(planted(faster=2.6)) == "met"
    assert goal.verdict(planted(faster=2.4)) == "**missed**"
    assert goal.verdict(results()) == "not measured"


def test_every_goal_is_met_by_figures_that_are_good_enough() -> None:
    told = planted(faster=25)
    assert [each for each in GOALS if each.wanted is not None and each.verdict(told) != "met"] == []
    assert to_profile(told) == []


def test_every_goal_that_compares_is_missed_by_equals() -> None:
    told = planted(faster=1)
    compared = [each for each in GOALS if each.unit == "×" and each.wanted is not None and each.wanted > 1]
    assert [each for each in compared if not each.ceiling and not each.missed(told)] == []
    assert ("small", "ours") in to_profile(told)


@pytest.mark.parametrize(
    ("work", "what", "figure", "good", "bad"),
    [
        ("takeover", "from the kill to the first line of the body, p99", "p99_ms", 99.9, 100.0),
        ("small", "bytes a step", "bytes", 700.0, 700.1),
        ("many", "the first page", "list_ms", 10.0, 10.1),
    ],
)
def test_a_ceiling_is_kept_or_broken(work: str, what: str, figure: str, good: float, bad: float) -> None:
    for value, verdict in ((good, "met"), (bad, "**missed**")):
        told = results()
        told.measurements.append(Measurement(work, "ours", 0, steps=1, figures={figure: value}))
        assert the(work, what).verdict(told) == verdict


def test_a_ratio_is_taken_within_a_round_not_between_medians() -> None:
    told = results()
    for number, (mine, theirs) in enumerate([(1.0, 3.0), (10.0, 30.0), (2.0, 6.0)]):
        told.measurements.append(Measurement("small", "ours", number, figures={"wall": mine}))
        told.measurements.append(Measurement("small", "plain", number, figures={"wall": theirs}))
    told.measurements.append(Measurement("small", "plain", 3, problem="it broke"))
    assert told.ratio("small", "ours", "plain") == 3.0
    assert told.more("small", "plain", "ours", "wall") == 4.0


# ------------------------------------------------------------------------------------------------ reporting


def test_the_report_says_what_was_missed_why_a_row_is_empty_and_what_bounds_it(tmp_path: Path) -> None:
    told = planted(faster=2.4)
    told.measurements = [each for each in told.measurements if each.subject != "dbos"]
    told.measurements.append(Measurement("small", "dbos", 0, problem="not installed: no network"))
    told.profiles.append(Profile("small", "ours", [{"what": "rows.py:1 slow", "calls": 1, "own": 2.0, "all": 3.0}]))
    page = write(told, tmp_path)
    assert "| FULL against plain | ≥ 2.5× (3.9) | 2.40× | **missed** |" in page
    assert "| DBOS on SQLite, as it comes | not installed: no network |" in page
    assert "| FULL against DBOS | ≥ 3× (4.4) | – | not measured |" in page
    assert "`rows.py:1 slow`" in page
    assert "missed" in summary(told)


def test_results_are_read_back_as_they_were_kept(tmp_path: Path) -> None:
    told = planted(faster=3)
    told.profiles.append(Profile("small", "ours", []))
    told.keep(tmp_path / "results.json")
    again = Results.kept(tmp_path / "results.json")
    assert (again.measurements, again.profiles, again.machine) == (told.measurements, told.profiles, told.machine)


def test_a_part_that_was_measured_by_itself_takes_the_place_of_its_own_works_and_no_others() -> None:
    told, talkers = planted(faster=3), WORK["turn"].subjects
    others = [each for each in told.measurements if (each.work, each.subject in talkers) != ("turn", True)]
    machine = {"measured": "today", "commit": "abc", "load": "7.0 when it began", "openai": "1"}
    new = [Measurement("turn", each, 0, steps=1, figures={"wall": 7.0}) for each in talkers]
    told.add(Results({}, machine, new))
    assert told.measurements == [*others, *new]
    assert told.of("turn", "plain") != []
    ours = {"turn": "measured by itself, today, commit abc, load 7.0 when it began"}
    assert told.machine == {"cores": "1", "openai": "1"} | ours


def test_agent_turns_are_told_beside_those_without_an_engine(tmp_path: Path) -> None:
    told = results()
    for number in range(3):  # ours takes 2 ms a call more than openai-agents, however slow the round
        for name, wall in (("ours-agents", 30 + number), ("agents", 10 + number), ("openai", 5)):
            measured = Measurement("turn", name, number, steps=10, figures={"wall": wall / 1000, "requests": 11})
            told.measurements.append(measured)
    told.measurements.append(Measurement("turn", "ours-openai", 0, problem="not built yet"))
    page = write(told, tmp_path)
    assert "| ours on openai-agents, FULL | 3.1 | 2 | 2.6 |" in page
    assert "| bare openai-agents | 1.1 | – | 0.6 |" in page
    assert "| ours on plain openai, FULL | not built yet |" in page
    assert "| wall time of an agent's call, FULL over bare openai-agents | – | 2 ms |" in page
    assert "two durable commits for\neach model call and two for each use of a tool" in page


def test_what_nobody_is_called_is_refused_with_what_there_is() -> None:
    assert [each.name for each in chosen("plain=")] == ["plain"]
    with pytest.raises(SystemExit, match="nobody is called 'temporal'"):
        chosen("temporal")
    asked = [sys.executable, "-m", "bench", "--only", "smal"]
    done = subprocess.run(asked, cwd=HOUSE, capture_output=True, text=True, check=False)
    assert "no work is called 'smal'" in done.stderr


def test_an_order_arrives_as_it_was_given() -> None:
    order = Order("bench.subjects.ours", quick(WORK["c100"]), "/nowhere", {"level": "full"}, phase="die", audit=True)
    assert Order.of(order.text()) == order
    assert isinstance(order.work, Work)


def test_every_peer_is_pinned_by_name_and_version() -> None:
    pins = (HOUSE / "bench" / "peers.txt").read_text("utf-8").splitlines()
    assert all(line.count("==") == 1 and "/" not in line for line in pins)
    assert pins == sorted(pins, key=lambda line: line.encode().upper())
