"""A reader of server-sent events on an app in this process, which may go away at any time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI

from tests.http.conftest import HOST, TOKEN


@dataclass(frozen=True)
class Told:
    """One event of a stream."""

    event: str
    data: Any
    id: int | None


@dataclass
class Reader:
    """A stream that is open. `status` is that of its response."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    _lines: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)

    async def __aiter__(self) -> AsyncIterator[Told]:
        while (told := await self.next()) is not None:
            yield told

    async def next(self) -> Told | None:
        """The next event; None at the end of the stream."""
        while True:
            block = await asyncio.wait_for(self._lines.get(), 20)
            if block is None:
                return None
            parts = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "event" in parts:
                return Told(parts["event"], json.loads(parts["data"]), int(parts["id"]) if "id" in parts else None)

    async def until(self, event: str) -> list[Told]:
        """The events up to one of this name."""
        found: list[Told] = []
        async for told in self:
            found.append(told)
            if told.event == event:
                return found
        raise AssertionError(f"no {event} in {[each.event for each in found]}")

    def feed(self, body: bytes, *, more: bool) -> None:
        for block in body.decode().split("\n\n"):
            if block:
                self._lines.put_nowait(block)
        if not more:
            self._lines.put_nowait(None)


@asynccontextmanager
async def reading(
    app: FastAPI, path: str, *, token: str | None = TOKEN, headers: Mapping[str, str] | None = None
) -> AsyncIterator[Reader]:
    """Open a stream, and go away at the end of the block."""
    reader = Reader()
    begun, gone = asyncio.Event(), asyncio.Event()
    asked = {"host": HOST, **({"authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
    place, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": place,
        "raw_path": place.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in asked.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8765),
    }
    first = True

    async def receive() -> dict[str, Any]:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if gone.is_set():
            raise OSError("the reader went away")
        if message["type"] == "http.response.start":
            reader.status = message["status"]
            reader.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            begun.set()
        else:
            reader.feed(message.get("body", b""), more=message.get("more_body", False))

    task = asyncio.create_task(app(scope, receive, send))
    try:
        await asyncio.wait_for(begun.wait(), 20)
        yield reader
    finally:
        gone.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
