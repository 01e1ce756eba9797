"""A receiver of webhooks: a real loopback server that keeps what it is sent, and answers as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.loopback import Heard, Loopback


@dataclass
class Got:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    answered: int | str | None = None
    """What it was answered with, once that was sent; None where nobody can have read an answer."""

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver(Loopback):
    """Answers with the next of `answers`, and then with what `otherwise` says: 204.

    An answer is a status, "hang", "hold" (until `release` is set, then the next), "close", "drip" (a header without
    end), "flood" (50 MB), or the URL it redirects to.
    """

    answers: list[int | str] = field(default_factory=list)
    headers: str = ""
    got: list[Got] = field(default_factory=list)
    flooded: int = 0
    otherwise: Callable[[], int | str] = lambda: 204
    release: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def has(self, number: int, patience: float = 60) -> None:
        """Wait until so many requests came."""
        async with asyncio.timeout(patience), self.arrived:
            await self.arrived.wait_for(lambda: len(self.got) >= number)

    def _next(self) -> int | str:
        return self.answers.pop(0) if self.answers else self.otherwise()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=canary-of-the-url"

    async def reply(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        got = Got(heard.path, heard.headers, heard.body)
        self.got.append(got)
        async with self.arrived:
            self.arrived.notify_all()
        answer = self._next()
        if answer == "hold":
            await self.release.wait()
            answer = self._next()
        if answer == "hang":
            await asyncio.sleep(3600)
        if answer == "close":
            return False
        if answer == "drip":
            writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        if answer == "flood":
            got.answered = 200
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n")
            for _ in range(800):
                writer.write(b"x" * 65536)
                await writer.drain()
                self.flooded += 65536
            return False
        line = f"302 Found\r\nLocation: {answer}" if isinstance(answer, str) else f"{answer} Said"
        got.answered = answer
        writer.write(f"HTTP/1.1 {line}\r\n{self.headers}Content-Length: 0\r\n\r\n".encode())
        await writer.drain()
        return True
