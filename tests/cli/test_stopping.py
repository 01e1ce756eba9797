"""Stopping with real processes: what a body started ends with it, and Ctrl-C in a terminal lets bodies finish."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.flows import HEAD
from tests.cli.terminal import Cli, Write

APART = (
    HEAD
    + """
import os, subprocess, time
from pathlib import Path

class Work(State):
    a: int = 0
    b: int = 0

@function(writes="a", process=True)
def first() -> int:
    child = subprocess.Popen(["sleep", "1000"])
    Path("pids.txt").write_text(f"{os.getpid()} {child.pid}")
    while not Path("go").exists():
        time.sleep(0.02)
    child.kill()
    child.wait()
    Path("log.txt").write_text("first finished")
    return 1

@function(writes="b")
async def second() -> int:
    return 2

apart = workflow("apart", state=Work, edges=[START >> first >> second >> END])
"""
)


def until(true: Callable[[], object], within: float = 20.0) -> None:
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def pids() -> list[int]:
    text = Path("pids.txt").read_text() if Path("pids.txt").exists() else ""
    return [int(each) for each in text.split()] if len(text.split()) == 2 else []


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def group(write: Write) -> Iterator[subprocess.Popen[str]]:
    """A run of APART in a process group of its own, as a shell starts it, with its body under way."""
    write("apart.py", APART)
    process = subprocess.Popen(
        [sys.executable, "-m", "workflow_engine.cli", "run", "apart.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        process_group=0,
    )
    until(lambda: pids() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    yield process
    process.kill()
    process.communicate(timeout=10)
    for pid in pids():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_lets_a_body_in_a_process_finish(
    group: subprocess.Popen[str], cli: Cli, word: signal.Signals
) -> None:
    os.killpg(group.pid, word)
    assert group.stderr is not None
    said = group.stderr.readline()
    assert ("Ctrl-C again" if word == signal.SIGINT else "a second SIGTERM") in said
    Path("go").touch()
    out, _ = group.communicate(timeout=20)
    assert (group.returncode, "interrupted" in out) == (130, True)
    assert Path("log.txt").read_text() == "first finished"
    assert cli("resume", "@last", "--json").json["state"] == {"a": 1, "b": 2}


@pytest.mark.slow
@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_body_and_what_it_started(group: subprocess.Popen[str], word: signal.Signals) -> None:
    started = pids()
    os.killpg(group.pid, word)
    assert group.stderr is not None
    group.stderr.readline()
    with pytest.raises(subprocess.TimeoutExpired):
        group.wait(0.2)
    os.killpg(group.pid, word)
    _, err = group.communicate(timeout=20)
    assert group.returncode == 130
    assert "workflow resume " in err.splitlines()[-1]
    until(lambda: all(map(gone, started)), 3.0)
    assert not Path("log.txt").exists()


def test_a_cancel_from_elsewhere_ends_the_body_and_what_it_started(group: subprocess.Popen[str], cli: Cli) -> None:
    started = pids()
    assert cli("cancel", "@last", "--by", "ana").code == 0
    group.communicate(timeout=20)
    assert group.returncode == 4
    until(lambda: all(map(gone, started)), 3.0)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells a child of its parent's death")
def test_a_body_does_not_outlive_an_engine_that_was_killed(group: subprocess.Popen[str]) -> None:
    body, _ = pids()
    group.kill()
    group.wait(10)
    until(lambda: gone(body), 3.0)
