"""A loopback web server that answers by path, and keeps what it was asked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.loopback import Heard, Loopback


@dataclass
class Site(Loopback):
    """`pages` are whole answers, or None for one that never comes; "drop" hangs up."""

    pages: dict[str, bytes | None]
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def reply(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        self.asked.append((f"{heard.method} {heard.path}", heard.headers, heard.body))
        answer = self.pages.get(heard.path, page("no such page", status="404 Not Found"))
        if answer is None:
            await asyncio.Event().wait()
        writer.write(answer or b"")
        await writer.drain()
        return False


def page(body: str | bytes, *headers: str, status: str = "200 OK", kind: str = "text/plain") -> bytes:
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(content)}", "Connection: close"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + content


def to(where: str) -> bytes:
    return page("", f"Location: {where}", status="302 Found")
