"""What a power cut leaves of a folder: every change to its files as they were made, and the images that may be found.

A file that was written is on the disk once it was synced, and its name once its folder was. Until then anything may be
there: nothing, all of it, the pieces of it in any order and torn at any sector, on one file and not on another. That is
more than most disks do, and what POSIX allows.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Literal

import pytest

_HEAD = struct.Struct("=QQQQ")
WRITE, TRUNCATE, SYNC, CREATE, UNLINK, FOLDER, READ, OPEN = range(1, 9)
Fate = Literal["none", "all", "prefix", "some", "few", "most"]
FATES: tuple[Fate, ...] = ("none", "all", "prefix", "some", "few", "most")


@cache
def _built() -> str | None:
    """The compiled disk.c, or None where nothing compiles C."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    made = Path(mkdtemp(prefix="disk-")) / "disk.so"
    source = Path(__file__).with_name("disk.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(source), "-ldl", "-lpthread"], check=True)
    return str(made)


def watched(folder: Path, log: Path | None = None) -> dict[str, str]:
    """The environment of a process whose changes beneath a folder are logged, and can be made to fail."""
    made = _built()
    if made is None:
        pytest.skip("a C compiler on Linux is needed to watch the disk (Debian and Ubuntu: gcc and libc6-dev)")
    named = {"LD_PRELOAD": made, "DISK_WATCH": str(folder)}
    return {**os.environ, **named, **({} if log is None else {"DISK_LOG": str(log)})}


@dataclass(frozen=True)
class Change:
    """One record of the log; a truncation leaves `offset` bytes."""

    kind: int
    file: int
    offset: int
    length: int
    data: bytes


def changes(log: Path) -> list[Change]:
    """Everything that was logged, in the order in which it happened."""
    content = log.read_bytes()
    made: list[Change] = []
    at = 0
    while at < len(content):
        kind, file, offset, length = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        held = length if kind in (WRITE, CREATE, UNLINK, FOLDER) else 0
        made.append(Change(kind, file, offset, length, content[at : at + held]))
        at += held
    return made


@dataclass
class _File:
    """A file: what was there at its last sync, and what happened to it since."""

    synced: bytearray = field(default_factory=bytearray)
    since: list[Change] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.since:
            _apply(self.synced, change)
        self.since.clear()

    def left(self, fate: Fate, chance: Random) -> bytes:
        content = bytearray(self.synced)
        pieces = [piece for change in self.since for piece in _pieces(change, chance)]
        for piece in _surviving(pieces, fate, chance):
            _apply(content, piece)
        return bytes(content)


def _apply(content: bytearray, change: Change) -> None:
    if change.kind == TRUNCATE:
        del content[change.offset :]
    content.extend(bytes(max(0, change.offset - len(content))))
    content[change.offset : change.offset + len(change.data)] = change.data


def _pieces(change: Change, chance: Random) -> Iterator[Change]:
    """A write as the disk sees it: by sectors, or torn at any byte."""
    if change.kind != WRITE:
        yield change
        return
    size = chance.choice((512, 4096, 4096, chance.randrange(1, 3000)))
    end = change.offset + len(change.data)
    start = change.offset
    while start < end:
        stop = min(end, (start // size + 1) * size)
        yield Change(WRITE, change.file, start, stop - start, change.data[start - change.offset : stop - change.offset])
        start = stop


def _surviving(pieces: list[Change], fate: Fate, chance: Random) -> list[Change]:
    match fate:
        case "none":
            return []
        case "all":
            return pieces
        case "prefix":
            return pieces[: chance.randrange(len(pieces) + 1)]
        case _:
            likely = {"some": 0.5, "few": 0.1, "most": 0.9}[fate]
            return [piece for piece in pieces if chance.random() < likely]


class Disk:
    """A folder on a disk, changed by a log of changes."""

    def __init__(self) -> None:
        self._files: dict[int, _File] = {}
        self._names: dict[str, _File] = {}
        self._renamed: list[tuple[str, _File | None]] = []

    def take(self, change: Change) -> None:
        """One more change happened."""
        match change.kind:
            case 4:  # CREATE
                made = self._files[change.file] = _File()
                self._renamed.append((Path(os.fsdecode(change.data)).name, made))
            case 5:  # UNLINK
                self._renamed.append((Path(os.fsdecode(change.data)).name, None))
            case 6:  # FOLDER
                self._names = self._named(len(self._renamed))
                self._renamed.clear()
            case 3:  # SYNC
                self._files[change.file].sync()
            case _:
                self._files[change.file].since.append(change)

    def _named(self, count: int) -> dict[str, _File]:
        names = dict(self._names)
        for name, file in self._renamed[:count]:
            if file is None:
                names.pop(name, None)
            else:
                names[name] = file
        return names

    def left(self, chance: Random) -> Mapping[str, bytes]:
        """What may be found after the power was cut now: the files by name."""
        fates: list[Fate] = [chance.choice(FATES)] * len(self._files)
        if chance.random() < 0.5:  # the disk wrote one file's back and not another's
            fates = [chance.choice(FATES) for _ in self._files]
        fate: dict[int, Fate] = dict(zip(map(id, self._files.values()), fates, strict=True))
        names = self._named(chance.choice((0, len(self._renamed), chance.randrange(len(self._renamed) + 1))))
        return {name: file.left(fate.get(id(file), "all"), chance) for name, file in names.items()}


__all__ = ["OPEN", "READ", "SYNC", "TRUNCATE", "UNLINK", "WRITE", "Change", "Disk", "changes", "watched"]
