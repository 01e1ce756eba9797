"""A process that opens stores somebody forged, through every door there is, and tells what they made it do.

`python -m tests.crash.hostile_world FOLDER` goes through the folder's stores. Of each it prints a line of JSON: the
errors that were not ours, the values that were not of their type, what an audit hook saw (imports, code, files,
processes, sockets), and how long it took. What hangs is ended with the process, and its line is missing. Where a file
`fault` lies beside a store, the fault it names is planted first, and stays; where a file `kinds` does, it is a store of
travellers.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401 (imported late otherwise, which would look like a store's doing)
import faulthandler
import json
import os
import resource
import sys
import time
import traceback
import typing
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import cronsim  # noqa: F401 (as above)

import workflow_engine.langgraph.executor  # noqa: F401 (as above)
from tests.crash.hostile import Doors
from tests.crash.hostile_faults import plant
from tests.crash.hostile_kinds import DoorsOfKinds
from tests.crash.victims import strange
from workflow_engine.cli import app

MEMORY = 2 << 30
PATIENCE = 45.0
"""Seconds for one store: most take one or two, and a busy machine may need many times that."""
ZoneInfo("UTC")  # reads its file once

_seen: list[str] = []
_watching: Path | None = None
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_FILES = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.chmod",
    "os.link",
    "os.symlink",
    "os.truncate",
    "shutil.",
)
_CODE = ("marshal.", "pickle.", "ctypes.", "builtins.breakpoint", "builtins.input")
_WORLD = (
    "subprocess.",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "socket.connect",
    "socket.getaddrinfo",
    "urllib.",
)
_SQLITE = ("sqlite3.enable_load_extension", "sqlite3.load_extension")


class _Imports:
    """Is asked first for each module that is not there yet, and has none. The audit hook hears of few imports."""

    @staticmethod
    def find_spec(name: str, *_: Any) -> None:
        if _watching is not None:
            _seen.append(f"import {name}")


def _audited(name: str, given: tuple[Any, ...]) -> None:
    if _watching is None:
        return
    elsewhere = not any(
        isinstance(each, str | bytes | os.PathLike) and os.fsdecode(each).startswith(str(_watching)) for each in given
    )
    match name:
        case "open":
            suspect = elsewhere and _strange_open(*given)
        case "sqlite3.connect":
            suspect = str(given[0]) != ":memory:" and str(_watching) not in str(given[0])
        case "compile" | "exec":
            suspect = not _of_the_library()
        case _:
            suspect = name.startswith((*_CODE, *_WORLD, *_SQLITE)) or (elsewhere and name.startswith(_FILES))
    if suspect:
        _seen.append(f"{name}{given!r}"[:200])


def _of_the_library() -> bool:
    """Whether an annotation is looked up, as pydantic does where a type is used for the first time, or a body that
    raised is told of: a traceback marks the place in the line.
    """
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_filename in (typing.__file__, traceback.__file__):
            return True
    return False


def _strange_open(path: Any, mode: Any, flags: Any) -> bool:
    if isinstance(path, int):
        return False
    writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & _WRITES)
    if os.fsdecode(path) == "workflow.toml":  # the settings of whoever looks, in their own folder
        return bool(writes)
    # A traceback, or an error of the standard library, looks its sources up.
    return bool(writes) or not os.fsdecode(path).endswith((".py", ".pyc", ".sql", ".typed"))


def main(folder: str) -> None:
    """Open them all. The first is whole: what it imports is not held against the others."""
    global _watching
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    app._command = cache(app._command)  # made anew for each command line otherwise, which takes most of the time
    sys.addaudithook(_audited)
    sys.meta_path.insert(0, _Imports)
    for place in sorted(Path(folder).iterdir()):
        fault = place / "fault"
        patience = plant(fault.read_text()) if fault.exists() else PATIENCE * (4 if _watching is None else 1)
        faulthandler.dump_traceback_later(patience, exit=True)
        begun = time.monotonic()
        _seen.clear()
        strange.clear()
        doors = DoorsOfKinds if (place / "kinds").exists() else Doors
        opened = doors(place / "runs.sqlite")
        opened.typed()
        asyncio.run(opened.through())
        told = {"place": place.name, "wrong": [*opened.wrong, *strange], "seen": list(_seen), "done": opened.done}
        faulthandler.cancel_dump_traceback_later()
        sys.stdout.write(json.dumps({**told, "seconds": time.monotonic() - begun}) + "\n")
        sys.stdout.flush()
        _watching = place.parent


if __name__ == "__main__":
    main(*sys.argv[1:])
