"""An intake: what arrives on one pipe out of a child, kept within a bound."""

from __future__ import annotations

import asyncio
import os
from typing import Self


class Intake(asyncio.Protocol):
    """Reads a pipe to its end and keeps `limit` bytes of it: half from its head, half from its tail.

    The rest is read and dropped, so that a command which prints a gigabyte neither fills memory nor stands still.
    `first` is done with the first bytes, `closed` at the end of the pipe.
    """

    def __init__(self, limit: int) -> None:
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._head_size = limit // 2
        self._tail_size = limit - self._head_size
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0
        self._transport: asyncio.ReadTransport | None = None
        self._read_end, self.write_end = os.pipe()

    async def open(self) -> Self:
        pipe = os.fdopen(self._read_end, "rb", 0)
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: self, pipe)
        return self

    def handed_over(self) -> None:
        """The child has its copy of the write end: ours would keep the pipe from ever ending."""
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def close(self) -> None:
        self.handed_over()
        if self._transport is not None:
            self._transport.close()
        else:
            os.close(self._read_end)

    def data_received(self, data: bytes) -> None:
        self._total += len(data)
        room = self._head_size - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * self._tail_size:
            del self._tail[: len(self._tail) - self._tail_size]
        if not self.first.done():
            self.first.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        if not self.closed.done():
            self.closed.set_result(None)

    @property
    def data(self) -> bytes:
        """Everything kept, with nothing said about a cut: for short reports."""
        return bytes(self._head + self._tail[-self._tail_size :])

    def text(self) -> str:
        """Head and tail as text, and between them how much is missing. Bytes that are no UTF-8 show as U+FFFD."""
        tail = bytes(self._tail[-self._tail_size :])
        cut = self._total - len(self._head) - len(tail)
        if cut == 0:
            return (bytes(self._head) + tail).decode("utf-8", "replace")
        head, tail = _without_torn_end(bytes(self._head)), _without_torn_start(tail)
        return f"{head.decode('utf-8', 'replace')}\n[... {cut:,} bytes cut ...]\n{tail.decode('utf-8', 'replace')}"


def _is_continuation(byte: int) -> bool:
    return byte & 0xC0 == 0x80


def _without_torn_end(data: bytes) -> bytes:
    """`data` without the beginning of a character whose rest was cut.

    >>> _without_torn_end("aé".encode()[:2])
    b'a'
    """
    for length in range(1, min(4, len(data)) + 1):
        if not _is_continuation(data[-length]):
            lead = data[-length]
            needs = 4 if lead >= 0xF0 else 3 if lead >= 0xE0 else 2 if lead >= 0xC0 else 1
            return data if length >= needs else data[:-length]
    return data


def _without_torn_start(data: bytes) -> bytes:
    """`data` without the rest of a character whose beginning was cut.

    >>> _without_torn_start("éa".encode()[1:])
    b'a'
    """
    for index, byte in enumerate(data[:4]):
        if not _is_continuation(byte):
            return data[index:]
    return data
