"""Bodies for a process of their own: noisy ones, failing ones, dying ones."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

from workflow_engine import StepError, function


class Refused(Exception):
    """An error of the user's own."""


class Locked(Exception):
    """An error that cannot leave its process."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.lock = threading.Lock()


@function(writes="said", process=True)
def noisy(n: int) -> str:
    sys.stdout.write("print\n")
    os.write(1, b"write\n" * n)
    subprocess.run([sys.executable, "-c", "import sys; print('x' * 200_000, file=sys.stderr); print('y')"], check=True)
    return "said"


@function(writes="said", process=True)
def listening(n: int) -> str:
    return sys.stdin.read(n) + os.read(0, n).decode()


@function(writes="said", process=True)
def raising(n: int) -> str:
    errors: list[Any] = [
        Refused("no"),
        StepError("final", kind="validation", retryable=False),
        Locked("in there"),
        SystemExit(4),
    ]
    raise errors[n]


@function(writes="said", process=True)
def dying(n: int) -> str:
    os._exit(n)


@function(writes="said", process=True)
def lying(n: int) -> str:
    return n  # type: ignore[return-value]
