"""Bodies that speak in a process of their own."""

# ruff: noqa: T201 (bodies that print are what is tested)

from __future__ import annotations

import logging
import os
import subprocess
import sys

from workflow_engine import State, function

log = logging.getLogger("tests.apart")


class Spoken(State):
    n: int = 1
    place: str = ""
    done: bool = False
    more: bool = False


@function(writes="done", process=True)
def apart(n: int) -> bool:
    print("printed", n)
    print("complaint", file=sys.stderr)
    log.warning("logged %s", "\udc80")
    program = "import sys; print('from a program', flush=True); print(\"a program's complaint\", file=sys.stderr)"
    subprocess.run([sys.executable, "-c", program], check=True)
    os.write(1, b"from the descriptor\n")
    return True


@function(writes="more", process=True)
def failing(n: int) -> bool:
    print("before the end")
    raise ValueError(n)


LEFT = """
import pathlib, sys, time
place = pathlib.Path(sys.argv[1])
while not (place / "go").exists():
    time.sleep(0.01)
print("nobody hears this", flush=True)
(place / "done").touch()
"""


@function(writes="done", process=True)
def leaving(place: str) -> bool:
    print("left something")
    subprocess.Popen([sys.executable, "-c", LEFT, place])
    return True
