"""A loopback web server that answers by path, and keeps what it was asked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Site:
    """Use as `async with`. `pages` are whole answers, or None for one that never comes; "drop" hangs up."""

    pages: dict[str, bytes | None]
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    async def __aenter__(self) -> Site:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.asked.append((" ".join(first.split()[:2]), headers, body))
            answer = self.pages.get(first.split()[1], page("no such page", status="404 Not Found"))
            if answer is None:
                await asyncio.Event().wait()
            writer.write(answer or b"")
            await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()


def page(body: str | bytes, *headers: str, status: str = "200 OK", kind: str = "text/plain") -> bytes:
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(content)}", "Connection: close"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + content


def to(where: str) -> bytes:
    return page("", f"Location: {where}", status="302 Found")
