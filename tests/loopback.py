"""A loopback server for tests: real sockets, one request at a time on each connection, gone when the test is over."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple, Self


class Heard(NamedTuple):
    """One request, its headers in small letters."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Loopback:
    """Use as `async with`. Who inherits says in `reply` what is answered, and whether the connection stays open."""

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def reply(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        raise NotImplementedError

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self.reply(await _heard(reader), writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()


async def _heard(reader: asyncio.StreamReader) -> Heard:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    method, path, _ = first.split(" ", 2)
    return Heard(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))
