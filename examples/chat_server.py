"""An MCP server in the style of a chat workspace, whose channels are files of a mailbox folder: no network, no account.

    python examples/chat_server.py MAILBOX

Each channel is a file of JSON lines, appended to under a lock and synced. A message that comes twice under one
idempotency key, as it does when an engine was killed in the middle and goes on, stands there once.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel

USERS = ("anna", "bernd", "carla")
KEY = "workflow-engine/idempotency-key"
LONGEST = 4000

mailbox = Path(sys.argv[1] if len(sys.argv) > 1 else "mailbox")
server = MCPServer("chat")


class Message(BaseModel):
    """One message. `thread` is the number of the message it answers."""

    number: int
    user: str
    text: str
    at: str
    thread: int | None = None
    key: str | None = None


def _file(channel: str) -> Path:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", channel):
        raise ValueError(f"{channel!r} is no channel: small letters, digits and -")
    return mailbox / f"{channel}.jsonl"


def _messages(channel: str) -> list[Message]:
    file = _file(channel)
    if not file.exists():
        raise ValueError(f"there is no channel {channel!r}; list_channels tells them")
    return [Message.model_validate_json(line) for line in file.read_text(encoding="utf-8").splitlines()]


@server.tool()
def list_channels() -> list[str]:
    """List the channels."""
    return sorted(file.stem for file in mailbox.glob("*.jsonl"))


@server.tool()
def list_users() -> list[str]:
    """List the people of this workspace."""
    return list(USERS)


@server.tool()
def read_channel(channel: str, last: int = 20) -> list[Message]:
    """Read the last messages of a channel."""
    return _messages(channel)[-max(1, last) :]


@server.tool()
def read_thread(channel: str, number: int) -> list[Message]:
    """Read a message and the answers to it."""
    return [each for each in _messages(channel) if number in (each.number, each.thread)]


@server.tool()
def post_message(channel: str, text: str, context: Context[Any], thread: int | None = None) -> Message:
    """Post a message to a channel, or as an answer to the message `thread`."""
    if not text.strip() or len(text) > LONGEST:
        raise ValueError(f"a message has 1 to {LONGEST} characters")
    said = dict(context.request_context.meta or {}).get(KEY)
    key = said if isinstance(said, str) else None
    mailbox.mkdir(parents=True, exist_ok=True)
    file = _file(channel)
    with file.open("a+", encoding="utf-8") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        opened.seek(0)
        there = [Message.model_validate_json(line) for line in opened]
        again = next((each for each in there if key is not None and each.key == key), None)
        if again is not None:
            return again
        if thread is not None and thread not in {each.number for each in there}:
            raise ValueError(f"there is no message {thread} in {channel!r}")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        message = Message(number=len(there) + 1, user="agent", text=text, at=now, thread=thread, key=key)
        opened.write(json.dumps(message.model_dump(), ensure_ascii=False) + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    return message


if __name__ == "__main__":
    server.run()
