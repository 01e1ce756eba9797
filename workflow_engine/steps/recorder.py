"""The recorder of one attempt: what it says, cut into lines, kept within bounds, and handed to the ledger.

Lines are handed over together: a moment after the first of them, and at the attempt's end just before its commit, so
that they share its transaction. An attempt that says nothing has no recorder. The first half of the room keeps how it
began and stays; the second half keeps what was said last, from which the oldest parts go.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress

from workflow_engine.record.logs import LogLine, LogPage, LogPart, Source
from workflow_engine.spec.nodes import Node
from workflow_engine.steps.live import Live

EVERY = 0.25
"""Seconds between two pages. What a process that is killed said longer ago is in the store, if its loop was running."""
PART = 16_384
LONGEST = 4_000
_WEIGHT = 64
"""Bytes a line takes besides its text."""


class Recorder:
    """Implements bodies.capture.Ear for one attempt, until it is closed on its loop. Heard anywhere."""

    def __init__(
        self, live: Live, node: Node, visit: int, attempt: int, item: int | None, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._live = live
        self._about = (node.name, visit, attempt)
        self._item = item
        self._room = live.around.limits.log // 2
        self._take = 0
        self._lock = threading.RLock()  # a signal's handler may print within a print
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._ticking = self._closed = False
        self._number = self._part = self._spent = 0
        self._streams: dict[Source, _Stream] = {}
        self._first: list[LogLine] = []
        self._last: deque[LogLine] = deque()
        self._waiting = 0
        self._kept: deque[tuple[int, int]] = deque()
        self._stored = 0

    def hear(self, source: Source, text: str, level: str = "", logger: str = "") -> None:
        with self._lock:
            if self._closed:
                return
            if source in ("stdout", "stderr"):
                stream = self._streams.get(source)
                if stream is None:
                    stream = self._streams[source] = _Stream()
                for line in stream.take(text):
                    self._add(source, line)
            else:
                self._add(source, _cut(text), level, logger)

    def close(self) -> None:
        """Hand over what is left. Whatever is said later is nobody's."""
        with self._lock:
            if self._closed:
                return
            for source, stream in self._streams.items():
                if rest := stream.rest():
                    self._add(source, rest)
            self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._page()

    def _add(self, source: Source, text: str, level: str = "", logger: str = "") -> None:
        self._number += 1
        # What has no UTF-8 cannot be kept: it is written as its code.
        text = text.encode("utf-8", "backslashreplace").decode()
        line = LogLine(self._number, self._live.around.clock.now(), source, text, level, logger)
        size = _size(line)
        if self._spent + size <= self._room:
            self._spent += size
            self._first.append(line)
        else:
            self._spent = self._room  # from here on, only the end is kept
            self._last.append(line)
            self._waiting += size
            while self._waiting > self._room and len(self._last) > 1:
                self._waiting -= _size(self._last.popleft())
        if not self._ticking:
            self._ticking = True
            with suppress(RuntimeError):  # the loop is closed: so is the store
                self._loop.call_soon_threadsafe(self._tick)

    def _tick(self) -> None:
        if not self._closed:
            # All attempts of a loop at the same moments: their pages share a transaction.
            self._timer = self._loop.call_later(EVERY - self._loop.time() % EVERY, self._page)

    def _page(self) -> None:
        with self._lock:
            self._ticking = False
            first, last = self._first, list(self._last)
            self._first, self._waiting = [], 0
            self._last.clear()
            if not first and not last:
                return
            if not self._take:
                self._take = self._live.next_take()
            parts = self._parts(first, keep=True) + self._parts(last, keep=False)
            gone = []
            while self._stored > self._room and len(self._kept) > 1:
                part, size = self._kept.popleft()
                self._stored -= size
                gone.append(part)
        page = LogPage(parts, (gone[0], gone[-1]) if gone else None)
        self._live.around.ledger.log(self._live.fence, page)

    def _parts(self, lines: list[LogLine], *, keep: bool) -> list[LogPart]:
        parts: list[LogPart] = []
        begun = size = 0
        for place, line in enumerate(lines):
            size += _size(line)
            if size < PART and place + 1 < len(lines):
                continue
            self._part += 1
            parts.append(LogPart(*self._about, self._take, self._part, tuple(lines[begun : place + 1]), self._item))
            if not keep:
                self._kept.append((self._part, size))
                self._stored += size
            begun, size = place + 1, 0
        return parts


class _Stream:
    """The line a stream is at. What follows a carriage return is written over what stands there, as on a terminal."""

    def __init__(self) -> None:
        self._begun = ""
        self._more = 0
        self._back = False

    def take(self, text: str) -> list[str]:
        """The lines that this ends."""
        *ended, begun = text.split("\n")
        lines = []
        for each in ended:
            self._write(each)
            lines.append(self.rest())
        self._write(begun)
        return lines

    def rest(self) -> str:
        """The line so far; the next one begins."""
        line = self._begun + (f" ... {self._more:,} characters cut ..." if self._more else "")
        self._begun, self._more, self._back = "", 0, False
        return line

    def _write(self, text: str) -> None:
        if not text:
            return
        back = text.endswith("\r")
        text = text[:-1] if back else text
        over = text.rfind("\r")
        if over >= 0 or (self._back and text):
            self._begun, self._more, text = "", 0, text[over + 1 :]
        self._back = back
        room = max(LONGEST - len(self._begun), 0)
        self._begun += text[:room]
        self._more += max(len(text) - room, 0)


def _cut(text: str) -> str:
    most = 4 * LONGEST  # a record may hold a trace: its end tells what was raised
    left = len(text) - most
    return text if left <= 0 else f"{text[: most // 2]}\n... {left:,} characters cut ...\n{text[-most // 2 :]}"


def _size(line: LogLine) -> int:
    return len(line.text.encode()) + len(line.logger) + _WEIGHT
