"""A receiver of webhooks: a real loopback server that keeps what it is sent, and answers as it is told."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from tests.loopback import Heard, Loopback


@dataclass
class Got:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver(Loopback):
    """Answers with the next of `answers`: a status, "hang", "flood" (50 MB), or the URL it redirects to; then 204."""

    answers: list[int | str] = field(default_factory=list)
    headers: str = ""
    got: list[Got] = field(default_factory=list)
    flooded: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=canary-of-the-url"

    async def reply(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        self.got.append(Got(heard.path, heard.headers, heard.body))
        answer = self.answers.pop(0) if self.answers else 204
        if answer == "hang":
            await asyncio.sleep(3600)
        if answer == "flood":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n")
            for _ in range(800):
                writer.write(b"x" * 65536)
                await writer.drain()
                self.flooded += 65536
            return False
        line = f"302 Found\r\nLocation: {answer}" if isinstance(answer, str) else f"{answer} Said"
        writer.write(f"HTTP/1.1 {line}\r\n{self.headers}Content-Length: 0\r\n\r\n".encode())
        await writer.drain()
        return True
