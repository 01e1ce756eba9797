"""`start` leaves a run to `worker`; workers that are killed, stopped or many drive every run, and each once."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.flows import ASK, FLAKY, GREET, HEAD, SLOW
from tests.cli.terminal import Cli, Spawn, Write
from workflow_engine import Engine
from workflow_engine.targets import load

# Each run writes one line, and takes a moment so that several workers get a share.
COUNTED = (
    HEAD
    + """
class Counted(State):
    n: int
    by: int = 0

@function(writes="by")
async def count(n: int) -> int:
    await asyncio.sleep(0.002)
    file = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{n} {os.getpid()}\\n".encode())
    os.close(file)
    return os.getpid()

counted = workflow("counted", state=Counted, edges=[START >> count >> END])
"""
)


def test_start_prints_the_run_and_how_it_is_driven(cli: Cli, write: Write) -> None:
    write("greet.py", GREET)
    typed = cli("start", "greet.py", "name=Ana")
    run = typed.out.strip()
    assert typed.code == 0
    assert typed.err.splitlines()[-1].split() == ["drive", "workflow", "worker", "greet.py:greeting"]
    [listed] = cli("runs", "--json").json
    assert (listed["run"], listed["status"], listed["reason"]) == (run, "queued", None)
    shown = cli("show", run)
    assert "workflow worker greet.py:greeting" in shown.err
    assert cli("start", "greet.py", "name=Ana", "--json").json["status"] == "queued"


def test_a_worker_drives_what_was_started(cli: Cli, write: Write) -> None:
    write("greet.py", GREET)
    run = cli("start", "greet.py", "name=Ana").out.strip()
    typed = cli("worker", "greet.py", "--until-idle")
    assert typed.code == 0
    assert run in typed.out
    assert "succeeded" in typed.out
    assert cli("show", run, "--json").json["state"]["said"] == "hello Ana"
    assert cli("worker", "greet.py", "--once").out == ""


def test_bad_inputs_of_start_store_nothing(cli: Cli, write: Write) -> None:
    write("greet.py", GREET)
    typed = cli("start", "greet.py", "nam=Ana")
    assert typed.code == 2
    assert "did you mean name" in typed.err
    assert not Path("checkpoints/runs.sqlite").exists()


@pytest.mark.parametrize(("flow", "code"), [(FLAKY, 1), (ASK, 3)])
def test_a_worker_that_ends_says_how_the_runs_ended(cli: Cli, write: Write, flow: str, code: int) -> None:
    write("flow.py", flow)
    cli("start", "flow.py", *(["text=a"] if flow is ASK else []))
    assert cli("worker", "flow.py", "--until-idle").code == code


def test_runs_of_other_workflows_are_named_and_left(cli: Cli, write: Write) -> None:
    write("greet.py", GREET)
    write("flaky.py", FLAKY)
    run = cli("start", "greet.py", "name=Ana").out.strip()
    typed = cli("worker", "flaky.py", "--until-idle")
    assert (typed.code, typed.out) == (2, "")
    assert f"was not given workflow 'greeting': {run}" in typed.err
    assert "workflow worker greet.py:greeting" in typed.err
    assert cli("runs", "--json").json[0]["status"] == "queued"


def test_a_run_begun_with_a_named_model_is_left_to_a_worker_with_it(cli: Cli, write: Write) -> None:
    write("greet.py", GREET)
    cli("start", "greet.py", "name=Ana", "--model", "offline")
    typed = cli("worker", "greet.py", "--until-idle")
    assert typed.code == 2
    assert "begun with --model offline" in typed.err
    assert "workflow worker greet.py:greeting --model offline" in typed.err
    assert cli("worker", "greet.py", "--until-idle", "--model", "offline").code == 0


def test_once_and_until_idle_exclude_each_other(cli: Cli, write: Write) -> None:
    write("greet.py", GREET)
    assert cli("worker", "greet.py", "--once", "--until-idle").code == 2
    assert cli("worker", "greet.py", "--at-once", "0").code == 2


def begun(worker: subprocess.Popen[str]) -> None:
    """Wait until a worker's run is in its first step."""
    assert worker.stderr is not None
    for line in worker.stderr:
        if line.startswith("begun"):
            return
    raise AssertionError("the worker ended before it began")


def test_a_killed_worker_s_run_is_taken_over_by_another(cli: Cli, spawn: Spawn, write: Write) -> None:
    write("slow.py", SLOW)
    run = cli("start", "slow.py").out.strip()
    first = spawn("worker", "slow.py")
    begun(first)
    second = spawn("worker", "slow.py")
    assert second.stderr is not None
    second.stderr.readline()
    first.kill()
    begun(second)
    Path("go").touch()
    assert second.stdout is not None
    assert run in second.stdout.readline()
    second.send_signal(signal.SIGTERM)
    assert second.wait(20) == 0  # nothing was left in the middle
    assert Path("log.txt").read_text().split() == ["first", "second"]
    assert cli("show", run, "--json").json["status"] == "succeeded"


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_worker_finishes_its_step_and_says_that_it_left_a_run(
    cli: Cli, spawn: Spawn, write: Write, stop: signal.Signals
) -> None:
    write("slow.py", SLOW)
    run = cli("start", "slow.py").out.strip()
    worker = spawn("worker", "slow.py")
    begun(worker)
    worker.send_signal(stop)
    assert worker.stderr is not None
    assert "stopping" in worker.stderr.readline()
    Path("go").touch()
    assert worker.wait(20) == 130
    assert Path("log.txt").read_text().split() == ["first"]
    assert cli("runs", "--json").json[0]["reason"] == "interrupted"
    assert cli("worker", "slow.py", "--until-idle").code == 0
    assert cli("show", run, "--json").json["status"] == "succeeded"
    assert Path("log.txt").read_text().split() == ["first", "second"]


def test_two_workers_drive_two_hundred_runs_once_each_though_one_is_killed(
    cli: Cli, spawn: Spawn, write: Write
) -> None:
    write("counted.py", COUNTED)
    counted = load("counted.py").workflow

    async def fill() -> None:
        async with Engine.connect(workflows=[counted]) as engine:
            await asyncio.gather(*(engine.start(counted, {"n": n}) for n in range(200)))

    asyncio.run(fill())
    workers = [spawn("worker", "counted.py", "--at-once", "4") for _ in range(3)]
    for each in workers:
        assert each.stderr is not None
        assert each.stderr.readline().startswith("working on counted")
    log = Path("log.txt")
    until = time.monotonic() + 30
    while not log.exists() or len(log.read_text().splitlines()) < 40:
        assert time.monotonic() < until
        time.sleep(0.005)
    workers[0].kill()
    while {each["status"] for each in cli("runs", "-n", "300", "--json").json} != {"succeeded"}:
        assert time.monotonic() < until
        time.sleep(0.05)
    for each in workers[1:]:
        each.send_signal(signal.SIGTERM)
        assert each.wait(20) == 0
    lines = [line.split() for line in log.read_text().splitlines()]
    times = Counter(number for number, _ in lines)
    assert set(times) == {str(number) for number in range(200)}
    # Only a step that was under way when its process was killed may have run twice: committed ones never.
    twice = [number for number, count in times.items() if count > 1]
    assert len(twice) <= 4
    killed = str(workers[0].pid)
    assert all([number, killed] in lines for number in twice)
    assert len({pid for _, pid in lines}) >= 2
