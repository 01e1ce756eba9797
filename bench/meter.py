"""What a child measures of itself: wall and CPU time, memory, bytes, fsyncs, and the commits that are in the file.

A commit is counted where it cannot be embellished: in the write-ahead log, as the frames that end a transaction, or,
for a database with a rollback journal, as the change counter in its header. So that no checkpoint wipes the log before
it is read, an audited child has automatic checkpoints off; it is not timed for that reason.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sqlite3
import sqlite3.dbapi2
import struct
import sys
import time
from pathlib import Path
from typing import Any

from bench.profiling import Profiler

_HEADER, _FRAME = 32, 24


class Meter:
    """Measures between `begin` and `end`; `mark` is called by every step, and is only a look at the clock."""

    def __init__(self, store: Path, profiler: Profiler | None = None) -> None:
        self.store = store
        self._profiler = profiler
        self.marks: list[float] = []
        self.figures: dict[str, Any] = {}
        self._began: tuple[float, float] = (0.0, 0.0)
        self._before: dict[str, int] = {}
        self._empty = 0
        self.mark = self._mark

    def _mark(self) -> None:
        self.marks.append(time.perf_counter())

    def empty(self) -> None:
        """The store is made, closed, and holds nothing: its size is no work's."""
        self._empty = size(self.store)

    def watch(self) -> None:
        """From here on a profiler looks, if there is one."""
        if self._profiler:
            self._profiler.begin()

    def begin(self) -> None:
        gc.collect()
        self.marks.clear()
        self._before = self._counts()
        # CPU first and last: reading the clock of the wall is the cheaper of the two.
        self.watch()
        cpu = time.process_time()
        self._began = (time.perf_counter(), cpu)

    def end(self) -> None:
        wall = time.perf_counter() - self._began[0]
        cpu = time.process_time() - self._began[1]
        if self._profiler:
            self._profiler.end()
        self.figures |= {"wall": wall, "cpu": cpu}
        self.figures |= {name: count - self._before[name] for name, count in self._counts().items()}
        if len(self.marks) > 200:
            self.figures["first"] = self.marks[100] - self.marks[0]
            self.figures["last"] = self.marks[-1] - self.marks[-101]

    def closed(self) -> None:
        """The store is closed, and what is in the file stays there."""
        self.figures["bytes"] = size(self.store) - self._empty
        self.figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    def _counts(self) -> dict[str, int]:
        counts = {"written": written()}
        if "BENCH_AUDIT" in os.environ:
            counts["commits"] = commits(self.store)
        flushed = fsyncs()
        return counts if flushed is None else {**counts, "fsyncs": flushed}


def size(store: Path) -> int:
    """Bytes of the database and of what lies beside it."""
    return sum(each.stat().st_size for each in store.parent.glob(store.name + "*"))


def written() -> int:
    """Bytes this process has handed to write calls."""
    try:
        lines = Path("/proc/self/io").read_text("ascii").split()
    except OSError:
        return 0
    return int(lines[lines.index("wchar:") + 1])


def fsyncs() -> int | None:
    """How often this process has flushed a file, where the shim of slow.c counts it."""
    try:
        return int(ctypes.c_long.in_dll(ctypes.CDLL(None), "bench_fsyncs").value)
    except ValueError:
        return None


def commits(store: Path) -> int:
    """Transactions that are in the file."""
    log = store.with_name(store.name + "-wal")
    if log.exists():
        return _ends(log)
    if not store.exists():
        return 0
    with store.open("rb") as file:
        head = file.read(28)
    return int(struct.unpack(">I", head[24:28])[0]) if len(head) == 28 else 0


def _ends(log: Path) -> int:
    """The frames that end a transaction: those that say how large the database is after it."""
    with log.open("rb") as file:
        header = file.read(_HEADER)
        if len(header) < _HEADER:
            return 0
        page, salt = struct.unpack(">I", header[8:12])[0], header[16:24]
        found, place, end = 0, _HEADER, os.fstat(file.fileno()).st_size
        while place + _FRAME + page <= end:
            frame = os.pread(file.fileno(), _FRAME, place)
            if frame[8:16] != salt:  # left over from before the log was begun anew
                break
            found += frame[4:8] != b"\0\0\0\0"
            place += _FRAME + page
        return found


def keep_the_log() -> None:
    """Let no connection of this process checkpoint by itself, whoever opens it."""
    connect = sqlite3.connect

    def connected(*args: Any, **settings: Any) -> Any:
        opened = connect(*args, **settings)
        opened.execute("PRAGMA wal_autocheckpoint = 0")
        return opened

    for module in ("sqlite3", "sqlite3.dbapi2"):
        vars(sys.modules[module])["connect"] = connected
