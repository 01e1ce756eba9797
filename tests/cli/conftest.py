"""A terminal of a test's own: a working directory, files in it, and `workflow` typed into it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import Cli, Spawn, Typed, Write
from workflow_engine.cli.app import call


@pytest.fixture
def cli(write: Write, capsys: pytest.CaptureFixture[str]) -> Cli:
    """`cli("run", "ship.py")` types a command line in this process."""

    def cli(*words: str) -> Typed:
        capsys.readouterr()
        code = call(words)
        said = capsys.readouterr()
        return Typed(int(code), said.out, said.err)

    return cli


@pytest.fixture
def spawn(write: Write) -> Iterator[Spawn]:
    """`spawn("run", "slow.py")` types a command line in a process of its own; whatever is left of it is killed."""
    begun: list[tuple[subprocess.Popen[str], threading.Timer]] = []

    def spawn(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "workflow_engine.cli", *words]
        house = str(Path(__file__).parents[2])
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": house},
        )
        # A child that never says what a test waits for must not hold it for ever.
        watchdog = threading.Timer(60, process.kill)
        watchdog.daemon = True
        watchdog.start()
        begun.append((process, watchdog))
        return process

    yield spawn
    for process, watchdog in begun:
        watchdog.cancel()
        if process.poll() is None:
            process.kill()
        process.communicate()
