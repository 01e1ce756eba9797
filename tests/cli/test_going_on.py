"""workflow resume, recover, cancel and watch: runs that failed, died, were stopped, or are somebody else's."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.flows import ASK, FLAKY, GREET, HEAD, SLOW
from tests.cli.terminal import Cli, Spawn, Write


def begun(process: subprocess.Popen[str]) -> None:
    """Wait until the body says that it has begun."""
    assert process.stderr is not None
    for line in process.stderr:
        if "begun" in line:
            return
    raise AssertionError("the run ended before its body began")


@pytest.fixture
def dead(write: Write, spawn: Spawn, cli: Cli) -> str:
    """A run whose process was killed in its first step."""
    write("slow.py", SLOW)
    process = spawn("run", "slow.py")
    begun(process)
    process.kill()
    process.wait()
    return str(cli("runs", "--json").json[0]["run"])


DEADLY = (
    HEAD
    + """
import os
import signal

from workflow_engine import each


class Load(State):
    items: list[int]
    done: list[int] = []


@each("items", writes="done", at_once=1)
async def work(item: int) -> int:
    if item == 3 and not Path("been-here").exists():
        Path("been-here").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item


load = workflow("load", state=Load, edges=[START >> work >> END])
"""
)


# The first item gives up only after the second did.
LATE = (
    HEAD
    + """
from workflow_engine import each


class Load(State):
    items: list[int]
    done: list[int] = []


gone = asyncio.Event()


@each("items", writes="done", at_once=2, on_error="skip")
async def work(item: int) -> int:
    if item == 1:
        await gone.wait()
    gone.set()
    raise ValueError(f"no {item}")


load = workflow("load", state=Load, edges=[START >> work >> END])
"""
)


def log() -> list[str]:
    return Path("log.txt").read_text().split()


def test_a_failed_run_goes_on_at_its_failed_step_once_the_cause_is_mended(write: Write, cli: Cli) -> None:
    write("job.py", FLAKY)
    assert cli("run", "job.py").code == 1
    Path("mended").touch()
    typed = cli("resume", "@last", "--json")
    assert typed.code == 0
    assert typed.json["state"] == {"count": 1, "done": True}
    assert log() == ["prepared"]


def test_an_edited_body_is_what_goes_on(write: Write, cli: Cli) -> None:
    write("job.py", FLAKY)
    assert cli("run", "job.py").code == 1
    write("job.py", FLAKY.replace('raise RuntimeError("the disk is on fire")', "return True"))
    from workflow_engine.targets import load

    load("job.py", fresh=True)  # what a new process would do
    assert cli("resume", "@last", "--json").json["status"] == "succeeded"
    assert log() == ["prepared"]


def test_a_changed_shape_that_does_not_fit_exits_5_and_loses_nothing(write: Write, cli: Cli) -> None:
    write("job.py", FLAKY)
    assert cli("run", "job.py").code == 1
    write("job.py", FLAKY.replace("def work(", "def toil(").replace("prepare >> work", "prepare >> toil"))
    from workflow_engine.targets import load

    load("job.py", fresh=True)
    typed = cli("resume", "@last")
    assert typed.code == 5
    assert "no longer fits" in typed.err
    assert "Traceback" not in typed.err
    assert cli("show", "@last", "--json").json["status"] == "failed"


def test_a_finished_run_cannot_be_resumed(write: Write, cli: Cli) -> None:
    write("greet.py", GREET)
    cli("run", "greet.py", "name=Ada")
    typed = cli("resume", "@last")
    assert typed.code == 7
    assert "there is nothing to resume" in typed.err


def test_a_run_whose_code_moved_asks_for_it(write: Write, cli: Cli) -> None:
    write("job.py", FLAKY)
    run = cli("run", "job.py", "--json").json["run"]
    Path("job.py").rename("moved.py")
    typed = cli("resume", run)
    assert typed.code == 2
    assert f"workflow resume {run} TARGET" in typed.err
    write("greet.py", GREET)
    other = cli("resume", run, "greet.py")
    assert other.code == 2
    assert "is one of 'job'" in other.err
    Path("mended").touch()
    assert cli("resume", run, "moved.py").code == 0


def test_an_effect_whose_process_died_is_shown_in_doubt(write: Write, spawn: Spawn, cli: Cli) -> None:
    write("slow.py", SLOW.replace('writes="a"', 'writes="a", effect=True'))
    process = spawn("run", "slow.py")
    begun(process)
    doubt = "in doubt: it began and its end was not recorded"
    assert doubt not in cli("show", "@last").out
    process.kill()
    process.wait()
    assert doubt in cli("show", "@last").out
    assert cli("recover").code == 3
    assert doubt not in cli("show", "@last").out


def test_a_dead_run_is_shown_as_interrupted_and_recovered(dead: str, cli: Cli) -> None:
    listed = cli("runs", "--json").json[0]
    assert (listed["status"], listed["reason"]) == ("running", "interrupted")
    assert "↯" in cli("runs").out
    assert cli("show", dead).next == f"workflow resume {dead}"
    Path("go").touch()
    typed = cli("recover", "--json")
    assert typed.code == 0
    assert [(each["run"], each["status"]) for each in typed.json] == [(dead, "succeeded")]
    assert log() == ["first", "second"]
    again = cli("recover", "--json")
    assert again.json == []
    assert "no run was left behind" in again.err


def test_recovery_of_one_run_does_not_hinge_on_another(dead: str, write: Write, cli: Cli, spawn: Spawn) -> None:
    write("gone.py", SLOW.replace('workflow("slow"', 'workflow("gone"'))
    process = spawn("run", "gone.py")
    begun(process)
    process.kill()
    process.wait()
    Path("gone.py").unlink()
    Path("go").touch()
    typed = cli("recover", "--json")
    assert [each["run"] for each in typed.json] == [dead]
    assert typed.code == 2
    assert "was not recovered" in typed.err
    write("here.py", SLOW.replace('workflow("slow"', 'workflow("gone"'))
    assert [each["workflow"] for each in cli("recover", "here.py", "--json").json] == ["gone"]


def test_a_run_somebody_drives_exits_7_and_may_be_watched_and_cancelled(write: Write, cli: Cli, spawn: Spawn) -> None:
    write("slow.py", SLOW)
    owner = spawn("run", "slow.py")
    begun(owner)
    typed = cli("resume", "@last")
    assert typed.code == 7
    assert "workflow watch" in typed.err
    assert cli("recover", "--json").json == []
    watcher = spawn("watch", "@last", "--jsonl")
    assert watcher.stdout is not None
    first = json.loads(watcher.stdout.readline())
    assert (first["seq"], first["type"]) == (1, "RunCreated")
    cancelled = cli("cancel", "@last", "--by", "ana", "--json")
    assert cancelled.code == 0
    assert cancelled.json["status"] == "cancelled"
    owner.communicate(timeout=20)
    assert owner.returncode == 4
    rest, _ = watcher.communicate(timeout=20)
    assert watcher.returncode == 4
    last = json.loads(rest.splitlines()[-1])
    assert (last["type"], last["by"]) == ("RunCancelled", "ana")
    assert cli("cancel", "@last").code == 7


def test_a_resting_run_is_cancelled_here(write: Write, cli: Cli) -> None:
    write("job.py", FLAKY)
    cli("run", "job.py")
    typed = cli("cancel", "@last")
    assert typed.code == 0
    assert "is cancelled" in typed.out
    assert cli("resume", "@last").code == 7


def test_watching_a_run_at_rest_tells_it_again_and_exits_as_it_did(write: Write, cli: Cli) -> None:
    write("job.py", FLAKY)
    cli("run", "job.py")
    typed = cli("watch", "@last")
    assert typed.code == 1
    assert "✔  prepare" in typed.out
    assert "✖  work" in typed.out
    events = [json.loads(each) for each in cli("watch", "@last", "--jsonl").out.splitlines()]
    assert [each["seq"] for each in events] == list(range(1, len(events) + 1))
    some = cli("watch", "@last", "--jsonl", "--after", "3")
    assert [json.loads(each)["seq"] for each in some.out.splitlines()] == [each["seq"] for each in events][3:]


@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGTERM])
def test_one_interrupt_finishes_the_step_and_leaves_a_resumable_run(
    write: Write, cli: Cli, spawn: Spawn, word: signal.Signals
) -> None:
    write("slow.py", SLOW)
    process = spawn("run", "slow.py")
    begun(process)
    process.send_signal(word)
    assert process.stderr is not None
    assert "stopping after the step" in process.stderr.readline()
    Path("go").touch()
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted" in out
    assert "workflow resume " in err.splitlines()[-1]
    assert log() == ["first"]
    assert cli("resume", "@last", "--json").json["state"] == {"a": 1, "b": 2}
    assert log() == ["first", "second"]


@pytest.mark.slow
@pytest.mark.parametrize("body", ["async def first", "def first"])
def test_two_interrupts_stop_at_once_even_a_body_in_a_thread(write: Write, cli: Cli, spawn: Spawn, body: str) -> None:
    text = SLOW.replace("async def first", body)
    write(
        "slow.py", text if body.startswith("async") else text.replace("await asyncio.sleep", "import time; time.sleep")
    )
    process = spawn("run", "slow.py")
    begun(process)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert "stopping after the step" in process.stderr.readline()
    # The second is told from an echo of the first by the time between them.
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "workflow resume " in err.splitlines()[-1]
    assert not Path("log.txt").exists()
    Path("go").touch()
    assert cli("resume", "@last").code == 0


DEADLINE = """
from datetime import timedelta
from typing import Literal
from workflow_engine import END, FAIL, START, Question, State, human, workflow

class Case(State):
    word: Literal["yes", "no"] | None = None

@human(writes="word", within=timedelta(microseconds=1))
def ask() -> Question[Literal["yes", "no"]]:
    return Question("Quick?")

case = workflow("case", state=Case, edges=[
    START >> ask >> END,
    ask.expired >> FAIL("nobody answered"),
])
"""


def test_recover_goes_on_with_a_run_whose_question_expired(write: Write, cli: Cli) -> None:
    write("case.py", DEADLINE)
    assert cli("run", "case.py").code == 3
    typed = cli("recover", "--json")
    assert (typed.code, typed.json[0]["status"], typed.json[0]["reason"]) == (1, "failed", "nobody answered")


def test_a_run_that_died_among_its_items_says_how_many_are_done(write: Write, spawn: Spawn, cli: Cli) -> None:
    write("load.py", DEADLY)
    spawn("run", "load.py", "items=[1, 2, 3, 4]").wait()
    assert "due, 2 items done" in cli("show", "@last").out
    assert cli("recover").code == 0
    assert cli("show", "@last", "--json").json["state"]["done"] == [1, 2, 3, 4]


def test_the_row_of_a_person_who_is_waited_for_shows_what_is_asked(write: Write, cli: Cli) -> None:
    write("draft.py", ASK)
    assert cli("run", "draft.py", "text=x").code == 3
    (question,) = cli("inbox", "--json").json
    (row,) = [each for each in cli("show", "@last").out.splitlines() if each.strip().startswith("‖")]
    assert row.endswith(question["message"])


def test_items_that_failed_are_told_in_their_own_order(write: Write, cli: Cli) -> None:
    write("late.py", LATE)
    assert cli("run", "late.py", "items=[1, 2]").code == 0
    told = [each for each in cli("show", "@last", "work").out.splitlines() if each.startswith("  item ")]
    assert told == ["  item 0       error: ValueError: no 1", "  item 1       error: ValueError: no 2"]
