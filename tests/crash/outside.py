"""The world outside the engine: one file that everybody appends to, so its lines are in the order of what happened.

A line is written by one `write` to a file opened with O_APPEND: no process tears another's line, and what was written
before a `kill -9` is there after it (the kernel has it; nothing needs to be synced). A torn line was not told.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Outside:
    """The log of one folder, as one process writes it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "log"
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._pid = os.getpid()

    def note(self, what: str, **facts: Any) -> None:
        """Add a line."""
        line = {"what": what, "pid": self._pid, "at": time.monotonic(), **facts}
        # Begun with a line's end as well: a kill may tear a write where it crosses a page, and only that line is lost.
        os.write(self._fd, f"\n{json.dumps(line)}\n".encode())

    def close(self) -> None:
        os.close(self._fd)


_HERE: list[Outside] = []


def stand(folder: Path) -> Outside:
    """This process acts on this folder's world from now on."""
    _HERE.append(Outside(folder))
    return _HERE[-1]


def here() -> Outside:
    """The world of this process."""
    return _HERE[-1]


def lines(folder: Path) -> list[Line]:
    """Everything that happened, in order."""
    path = folder / "log"
    if not path.exists():
        return []
    return [told for text in path.read_text(encoding="utf-8").split("\n") if (told := _whole(text)) is not None]


def _whole(text: str) -> Line | None:
    """A line as it was told; None for one that was torn, or is being written."""
    try:
        line: Line = json.loads(text)
    except json.JSONDecodeError:
        return None
    return line


def count(folder: Path, what: str) -> int:
    """How many lines of a kind there are, without reading them all."""
    path = folder / "log"
    return path.read_bytes().count(f'{{"what": "{what}",'.encode()) if path.exists() else 0


def those(told: list[Line], what: str) -> Iterator[Line]:
    """The lines of one kind."""
    return (line for line in told if line["what"] == what)


def done(folder: Path, key: str) -> Any:
    """The value with which the effect of this key was really done; None if it was not."""
    return next((line["value"] for line in those(lines(folder), "done") if line["key"] == key), None)
