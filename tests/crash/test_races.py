"""Many processes want one run, or answer one question: one wins, and the others are told clearly."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash import child
from tests.crash.deaths import Death, mortal
from tests.crash.life import EXECUTORS, KILLED
from tests.crash.oracle import wrongs
from tests.crash.outside import Line, lines, stand, those
from tests.crash.rivals import appear, number, opine, resume, until
from tests.processes import ended, freeze, started, thaw, waited

HOUSE = Path(__file__).parents[2]


def interrupted(folder: Path, executor: str = "native") -> None:
    """A run whose process was killed in the middle of its first step."""
    owner = started(child.drive, folder, "held", executor)
    until(folder, lambda told: number(told, "body") == 1)
    owner.kill()
    assert waited(owner) == KILLED


def said(folder: Path, what: str) -> list[Line]:
    return list(those(lines(folder), what))


# ------------------------------------------------------------------------------------------------ one run


def raced(folder: Path, many: int, fault: str | None = None) -> list[str]:
    """Let this many processes resume one run, all but one of them at once; what is wrong with what came of it."""
    interrupted(folder)
    rivals = [started(resume, folder, "held", EXECUTORS[each % 2], None, fault) for each in range(many)]
    until(folder, lambda told: number(told, "ready") == many)
    appear(folder, "go")
    # The winner stands at the gate until all others were told so: none came too late to meet it.
    until(folder, lambda told: number(told, "body") == 2 and number(told, "lost") + number(told, "error") == many - 1)
    late = started(resume, folder, "held", "native", None, fault)
    until(folder, lambda told: number(told, "lost") == many or number(told, "body") == 3)
    rivals.append(late)
    appear(folder, "open")
    for each in rivals:
        waited(each)
    told = lines(folder)
    problems = wrongs(told)
    won, lost = list(those(told, "won")), list(those(told, "lost"))
    if len(won) != 1 or len(lost) != many:
        problems.append(f"{len(won)} won and {len(lost)} lost")
    if {line["kind"] for line in lost} != {"RunOwned"} or not all(line["cure"] for line in lost):
        problems.append(f"the others were told {[(line['kind'], line['cure']) for line in lost]}")
    begun = [line["node"] for line in those(told, "body")]
    if sorted(begun) != ["hold", "hold", "shut"]:
        problems.append(f"bodies ran: {begun}")
    return problems


@pytest.mark.slow
def test_of_32_processes_that_resume_one_run_one_wins(tmp_path: Path) -> None:
    assert raced(tmp_path, 31) == []


@pytest.mark.slow
def test_the_race_notices_that_no_lock_is_taken(tmp_path: Path) -> None:
    problems = raced(tmp_path, 6, "no_lock_is_taken")
    assert "bodies ran: ['hold', 'hold', 'hold', 'shut']" in problems


# ------------------------------------------------------------------------------------------------ one question


@pytest.mark.slow
@pytest.mark.parametrize("flow", ["poll", "beside"])
def test_of_50_answers_to_one_question_one_is_accepted(tmp_path: Path, flow: str) -> None:
    """To a run that nobody drives, and to one that is driven meanwhile."""
    owner = started(child.drive, tmp_path, flow, "native")
    until(tmp_path, lambda told: any(line["event"] == "QuestionAsked" for line in those(list(told), "heard")))
    if flow == "poll":
        assert waited(owner) == 0
    voters = [started(opine, tmp_path, value) for value in range(1, 51)]
    until(tmp_path, lambda told: number(told, "ready") == 50)
    appear(tmp_path, "go")
    for each in voters:
        assert waited(each) == 0
    appear(tmp_path, "open")
    if flow == "poll":
        assert ended(child.drive, tmp_path, flow, "native") == 0
    else:
        assert waited(owner) == 0
    assert wrongs(lines(tmp_path)) == []
    (accepted,) = said(tmp_path, "answered")
    assert [line["kind"] for line in said(tmp_path, "lost")] == ["AlreadyAnswered"] * 49
    (kept,) = said(tmp_path, "found")[-1]["runs"].values()
    assert (kept["status"], kept["values"]["opinion"]) == ("succeeded", accepted["value"])


# ------------------------------------------------------------------------------------------------ a thawed owner


def thawed(folder: Path, executor: str, successor: Death | None, fault: str | None = None) -> list[str]:
    """An owner is stopped in its step and loses its lock; another takes over, and may die; then the first goes on."""
    owner = started(child.drive, folder, "held", executor, None, fault)
    until(folder, lambda told: number(told, "body") == 1)
    owner_id = owner.pid
    freeze(owner)
    (folder / f"{child.STORE}.owners").unlink()
    appear(folder, "open")
    appear(folder, "go")
    code = ended(resume, folder, "held", "native", successor)
    assert code == (0 if successor is None else KILLED)
    before = _kept(folder)
    thaw(owner)
    waited(owner)
    after = _kept(folder)
    problems = [] if before == after else [f"the store was changed by one who was superseded: {before} {after}"]
    told_to_it = [line["kind"] for line in said(folder, "error") if line["pid"] == owner_id]
    if told_to_it != ["FenceLost"]:
        problems.append(f"it was told {told_to_it}")
    if fault is None:
        # Whoever comes next finds a run that is whole.
        assert ended(child.drive, folder, "held", executor) == 0
        told = [line for line in lines(folder) if line["what"] != "error"]
        problems += wrongs(told)
        (kept,) = said(folder, "found")[-1]["runs"].values()
        problems += [] if kept["status"] == "succeeded" else [f"it ended {kept['status']}"]
    return problems


def _kept(folder: Path) -> object:
    if ended(look, folder):
        return said(folder, "error")[-1]["text"]
    return said(folder, "found")[-1]["runs"]


def look(folder: Path) -> None:
    async def only_look() -> None:
        ledger = await mortal(folder / child.STORE, None)
        await child.found(stand(folder), ledger)
        await ledger.close()

    child.acted(folder, None, only_look())


CLAIMED = Death("write", 1, "after")
"""The successor dies when it has claimed the run and written nothing: only the epoch has changed."""


@pytest.mark.slow
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("successor", [None, CLAIMED], ids=["goes on", "dies at once"])
def test_a_stopped_and_thawed_owner_writes_nothing(tmp_path: Path, executor: str, successor: Death | None) -> None:
    assert thawed(tmp_path, executor, successor) == []


@pytest.mark.slow
def test_the_thaw_notices_that_the_epoch_is_not_checked(tmp_path: Path) -> None:
    problems = thawed(tmp_path, "native", CLAIMED, "the_epoch_is_not_checked")
    assert any("changed by one who was superseded" in each for each in problems)


# ------------------------------------------------------------------------------------------------ five deaths


@pytest.mark.slow
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_step_that_kills_its_process_five_times_becomes_a_question(tmp_path: Path, executor: str) -> None:
    for _ in range(5):
        assert ended(child.drive, tmp_path, "fall", executor) == KILLED
    assert ended(child.drive, tmp_path, "fall", executor) == 0
    (kept,) = said(tmp_path, "found")[-1]["runs"].values()
    assert (kept["status"], len(kept["waits"])) == ("waiting", 1)
    assert ended(child.answer, tmp_path, "fall") == 0
    assert ended(child.drive, tmp_path, "fall", executor) == 0
    (kept,) = said(tmp_path, "found")[-1]["runs"].values()
    assert (kept["status"], kept["values"]) == ("succeeded", {"stood": "stands", "fallen": "caught"})
    assert wrongs(lines(tmp_path)) == []
    begun = [line["node"] for line in said(tmp_path, "body")]
    assert sorted(begun) == ["fall"] * 6 + ["rest", "stand"]


# ------------------------------------------------------------------------------------------------ two terminals

HELD = '''
"""Waits for a file."""

import time
from pathlib import Path

from workflow_engine import END, START, State, function, workflow


class Held(State):
    passed: str = ""


@function(writes="passed")
def hold() -> str:
    Path("begun").touch()
    while not Path("open").exists():
        time.sleep(0.01)
    return "passed"


held = workflow("held", state=Held, edges=[START >> hold >> END])
'''


@pytest.mark.slow
def test_two_terminals_that_resume_one_run_end_with_one_owner_and_one_clear_message(tmp_path: Path) -> None:
    (tmp_path / "held.py").write_text(HELD, encoding="utf-8")

    def typed(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "workflow_engine.cli", *words, "--store", "runs.sqlite"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(HOUSE), "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    first = typed("run", "held.py")
    until(tmp_path, lambda _: (tmp_path / "begun").exists())
    first.kill()
    first.communicate()
    assert first.returncode == -signal.SIGKILL
    terminals = [typed("resume", "@last"), typed("resume", "@last")]
    until(tmp_path, lambda _: any(each.poll() is not None for each in terminals))
    (tmp_path / "open").touch()
    ends = [(each.communicate(timeout=60), each.returncode) for each in terminals]
    (told, conflict), (shown, fine) = sorted(ends, key=lambda each: -each[1])
    assert (conflict, fine) == (7, 0)
    assert re.match(r"run \w+ is (being )?driven by (a living|another) process\n", told[1])
    assert "Traceback" not in told[1]
    assert len(told[1].strip().splitlines()) <= 3
    assert told[0] == ""
    assert "succeeded" in shown[0]
