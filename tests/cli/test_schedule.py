"""`workflow schedule`: schedules are added, listed, paused and removed, and a living worker begins what is due."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.flows import GREET
from tests.cli.terminal import Cli, Spawn, Write


@pytest.fixture(autouse=True)
def greet(write: Write) -> None:
    write("greet.py", GREET)


def test_a_schedule_is_added_listed_paused_and_removed(cli: Cli) -> None:
    typed = cli("schedule", "add", "greet.py", "0 6 * * MON-FRI", "name=Ana", "times=2", "--timezone", "Europe/Berlin")
    assert typed.code == 0
    assert typed.out.startswith("schedule greeting: 0 6 * * MON-FRI Europe/Berlin, next ")
    assert typed.next == "workflow worker greet.py:greeting"
    [listed] = cli("schedule", "list", "--json").json
    assert (listed["schedule"], listed["inputs"], listed["paused"]) == ("greeting", {"name": "Ana", "times": 2}, False)
    assert "greeting" in cli("schedule", "list").out
    assert "is paused" in cli("schedule", "pause", "greeting").out
    [listed] = cli("schedule", "list", "--json").json
    assert (listed["paused"], listed["next"]) == (True, None)
    assert "next" in cli("schedule", "resume", "greeting").out
    assert cli("schedule", "remove", "greeting").code == 0
    assert cli("schedule", "list", "--json").json == []
    assert "no schedule yet" in cli("schedule", "list").err


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (["name=Ana"], 2, "when it is due is not said"),
        (["0 6 * * *", "name=Ana", "--every", "5m"], 2, "both"),
        (["0 6 * *", "name=Ana"], 2, "no cron expression"),
        (["0 0 31 2 *", "name=Ana"], 2, "no cron expression"),
        (["--every", "often", "name=Ana"], 2, "no duration"),
        (["--every", "0.5s", "name=Ana"], 2, "too often"),
        (["@daily", "name=Ana", "--timezone", "Mars/Olympus"], 2, "no time zone"),
        (["@daily"], 2, "name: missing"),
        (["@daily", "nam=Ana"], 2, "did you mean name"),
        (["@daily", "name=Ana", "--due-as", "times"], 2, "takes no due time"),
        (["@daily", "name=Ana", "--name", "a b"], 2, "no name of a schedule"),
    ],
)
def test_what_makes_no_schedule_is_refused(cli: Cli, words: list[str], code: int, what: str) -> None:
    typed = cli("schedule", "add", "greet.py", *words)
    assert typed.code == code
    assert what in typed.err
    assert "Traceback" not in typed.err


def test_a_name_that_is_taken_or_unknown_is_told(cli: Cli) -> None:
    cli("schedule", "add", "greet.py", "--every", "1h", "name=Ana")
    typed = cli("schedule", "add", "greet.py", "--every", "2h", "name=Ben")
    assert typed.code == 7
    assert "'greeting' already" in typed.err
    assert cli("schedule", "add", "greet.py", "--every", "2h", "name=Ben", "--name", "other").code == 0
    for act in ("pause", "resume", "remove"):
        typed = cli("schedule", act, "none")
        assert typed.code == 2
        assert "workflow schedule list" in typed.err


def test_a_living_worker_begins_what_is_due(cli: Cli, spawn: Spawn) -> None:
    worker = spawn("worker", "greet.py")
    assert worker.stderr is not None
    assert worker.stdout is not None
    worker.stderr.readline()
    cli("schedule", "add", "greet.py", "--every", "1s", "name=Ana", "--due-as", "said")
    began = time.monotonic()
    for _ in range(2):
        assert "succeeded" in worker.stdout.readline()
    assert time.monotonic() - began < 20
    cli("schedule", "remove", "greeting")
    worker.terminate()
    assert worker.wait(20) == 0
    runs = cli("runs", "--json").json
    assert len(runs) >= 2
    assert {each["status"] for each in runs} == {"succeeded"}


def test_of_three_workers_one_is_killed_and_each_due_time_begins_one_run(cli: Cli, spawn: Spawn) -> None:
    cli("schedule", "add", "greet.py", "--every", "1s", "--due-as", "name", "--catch-up")
    workers = [spawn("worker", "greet.py") for _ in range(3)]
    begun: list[object] = []
    until = time.monotonic() + 40
    while len(begun) < 6:
        assert time.monotonic() < until
        begun = cli("runs", "-n", "100", "--json").json
        if len(begun) == 3:
            workers[0].kill()
        time.sleep(0.05)
    cli("schedule", "remove", "greeting")
    for each in workers[1:]:
        assert each.stderr is not None
        each.stderr.readline()
        each.terminate()
        each.wait(20)
    runs = cli("runs", "-n", "100", "--json").json
    dues = sorted(cli("show", each["run"], "--json").json["state"]["name"] for each in runs)
    assert len(set(dues)) == len(dues) >= 6
    moments = [datetime.fromisoformat(each) for each in dues]
    assert moments[-1] - moments[0] == timedelta(seconds=len(dues) - 1)  # and none was passed over


def test_a_damaged_schedule_is_told_by_the_check_and_can_be_removed(cli: Cli) -> None:
    import sqlite3

    cli("schedule", "add", "greet.py", "--every", "1h", "name=Ana")
    cli("schedule", "add", "greet.py", "--every", "1h", "name=Ana", "--name", "other")
    assert cli("store", "check").code == 0
    with sqlite3.connect(Path("checkpoints/runs.sqlite")) as db:
        db.execute("UPDATE schedules SET text = replace(text, '3600', '1') WHERE name = 'greeting'")
    typed = cli("store", "check")
    assert typed.code == 8
    assert "schedule 'greeting' is damaged" in typed.out + typed.err
    assert [each["schedule"] for each in cli("schedule", "list", "--json").json] == ["other"]
    assert cli("schedule", "pause", "greeting").code == 8
    assert cli("schedule", "remove", "greeting").code == 0
    assert cli("store", "check").code == 0


def test_a_backup_keeps_schedules(cli: Cli) -> None:
    cli("schedule", "add", "greet.py", "--every", "1h", "name=Ana")
    assert cli("store", "backup", "copy.sqlite").code == 0
    assert len(cli("schedule", "list", "--json", "--store", "copy.sqlite").json) == 1
