"""The channel between a body in a process of its own and the attempt that it belongs to: what it says comes through.

Three named pipes in a folder of the call: `out` and `err` are the child's file descriptors 1 and 2, so that programs it
starts are heard too; `words` brings what Python code prints and logs, one JSON list a line. The parent reads on its
loop and keeps a writing end open itself, so that no pipe ends before the call does. A program that outlives the body
still has somewhere to write: a thread reads what it says, for nobody.
"""

from __future__ import annotations

import asyncio
import codecs
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

from workflow_engine.bodies.capture import Ear
from workflow_engine.record.logs import Source

RAW: dict[str, Source] = {"out": "stdout", "err": "stderr"}
WORDS = "words"
_PIECE = 65_536
_LONGEST = 4 * 2**20


class Channel:
    """The parent's side, for one call: `folder` is what the child needs to know."""

    def __init__(self, ear: Ear) -> None:
        self._ear = ear
        self._loop = asyncio.get_running_loop()
        self.folder = tempfile.mkdtemp(prefix="workflow-said-")
        self._begun = ""
        self._decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in (*RAW, WORDS)}
        self._ends: dict[str, tuple[int, int]] = {}
        for name in self._decoders:
            path = os.path.join(self.folder, name)
            os.mkfifo(path, 0o600)
            reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            self._ends[name] = (reading, os.open(path, os.O_WRONLY | os.O_CLOEXEC))
            self._loop.add_reader(reading, self._read, name)

    def close(self) -> None:
        """Hear what is left, and let go."""
        for name, (reading, writing) in self._ends.items():
            self._loop.remove_reader(reading)
            os.close(writing)
            # What the body wrote is in the pipe already; who writes on is a program that it left behind.
            for _ in range(64):
                if not self._read(name):
                    break
            if _over(reading):
                os.close(reading)
            else:
                threading.Thread(target=_drained, args=(reading,), daemon=True).start()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, name: str) -> bool:
        """Hear a piece; whether there was one."""
        try:
            piece = os.read(self._ends[name][0], _PIECE)
        except OSError:
            return False
        text = self._decoders[name].decode(piece)
        if name in RAW:
            self._ear.hear(RAW[name], text)
        else:
            *lines, self._begun = (self._begun + text).split("\n")
            for line in lines:
                self._say(line)
            if len(self._begun) > _LONGEST:  # no word of ours
                self._begun = ""
        return bool(piece)

    def _say(self, line: str) -> None:
        # A body can write here too, and anything.
        with suppress(ValueError, RecursionError):
            said = json.loads(line)
            if isinstance(said, list) and len(said) == 4 and all(isinstance(each, str) for each in said):
                source, text, level, logger = said
                if source in ("stdout", "stderr", "log"):
                    self._ear.hear(cast("Source", source), text, level, logger)


def _over(reading: int) -> bool:
    try:
        return not os.read(reading, 1)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _drained(reading: int) -> None:
    os.set_blocking(reading, True)
    with suppress(OSError):
        while os.read(reading, _PIECE):
            pass
    os.close(reading)


class Mouth:
    """The child's side: implements capture.Ear by writing what it hears into the pipe of words."""

    def __init__(self, folder: str) -> None:
        self._end = opened(folder, WORDS)
        self._lock = threading.RLock()

    def hear(self, source: Source, text: str, level: str = "", logger: str = "") -> None:
        with self._lock, suppress(OSError):
            for at in range(0, max(len(text), 1), _PIECE):
                line = json.dumps([source, text[at : at + _PIECE], level, logger]) + "\n"
                left = memoryview(line.encode())
                while left and self._end >= 0:
                    left = left[os.write(self._end, left) :]

    def close(self) -> None:
        """Say no more."""
        with self._lock:
            end, self._end = self._end, -1
            if end >= 0:
                os.close(end)


def opened(folder: str, name: str) -> int:
    """A pipe's writing end. Raises OSError where the parent is gone."""
    end = os.open(Path(folder, name), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(end, True)
    return end


@contextmanager
def channel(ear: Ear | None) -> Iterator[str | None]:
    """The folder through which a child says what it has to say; None where nobody hears it."""
    if ear is None:
        yield None
        return
    made = Channel(ear)
    try:
        yield made.folder
    finally:
        made.close()
