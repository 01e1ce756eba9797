"""A server over stdio: a child of this process and its two pipes, with lines that may be long but not endless.

The SDK's own transport takes in a line of any length. Here an answer that is too long is thrown away as it comes, and
whoever asked is told so; the server lives on.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TextIO

import anyio
import mcp_types as types
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.os.posix.utilities import terminate_posix_process_tree
from mcp.shared.message import SessionMessage

LONGEST_LINE = 32 * 2**20
"""Bytes of one message."""
TOO_LONG = f"its answer is larger than {LONGEST_LINE >> 20} MB and was not read"
GRACE = 2.0
"""Seconds a server has to end once its stdin is closed, and again once it was asked to."""
_GONE = (anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream, ConnectionError)
# Whose answer it is stands at one end of it.
_WHOSE = re.compile(rb'"id"\s*:\s*(\d{1,18})\s*[,}]')
_END = 512

log = logging.getLogger("workflow_engine")
Into = MemoryObjectSendStream[SessionMessage | Exception]
Out = MemoryObjectReceiveStream[SessionMessage]


@asynccontextmanager
async def stdio(
    command: Sequence[str], env: Mapping[str, str], cwd: str | None, errlog: TextIO
) -> AsyncIterator[tuple[Any, Any]]:
    """The streams to a server that is started with this command, and ended with all its children. Raises OSError."""
    process = await anyio.open_process(
        list(command), env=get_default_environment() | dict(env), stderr=errlog, cwd=cwd, start_new_session=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    into, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write, out = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as group:
        group.start_soon(_take_in, process.stdout, into)
        group.start_soon(_send_out, process.stdin, out, into)
        try:
            yield read, write
        finally:
            with anyio.CancelScope(shield=True):
                for stream in (read, write):
                    await stream.aclose()
                await _end(process)
            group.cancel_scope.cancel()


async def _take_in(stdout: ByteReceiveStream, into: Into) -> None:
    line, skipped = bytearray(), 0
    async with into:
        with suppress(*_GONE):
            async for chunk in stdout:
                *ends, rest = chunk.split(b"\n")
                for end in ends:
                    line += end
                    message = _unread(line, skipped) if skipped else _read(bytes(line))
                    line, skipped = bytearray(), 0
                    if message is not None:
                        await into.send(message)
                line += rest
                if skipped or len(line) > LONGEST_LINE:
                    skipped += len(line)
                    del line[_END:-_END]  # the two ends of it
    with suppress(*_GONE):
        async for _ in stdout:  # who still has something to say must not be stuck with it
            pass


def _read(line: bytes) -> SessionMessage | Exception | None:
    if not line.strip():
        return None
    try:
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error


def _unread(line: bytes | bytearray, skipped: int) -> SessionMessage | None:
    """What whoever asked is told in place of an answer that is too long."""
    found = _WHOSE.search(line[:_END]) or _WHOSE.search(line[-_END:])
    if found is None:
        log.warning("a message of an MCP server, larger than %s MB, was thrown away", skipped >> 20)
        return None
    error = types.ErrorData(code=types.INTERNAL_ERROR, message=TOO_LONG)
    return SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=int(found[1]), error=error))


async def _send_out(stdin: ByteSendStream, out: Out, into: Into) -> None:
    try:
        async with out:
            async for each in out:
                told = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                await stdin.send(told.encode("utf-8", "replace") + b"\n")
    except (*_GONE, OSError):
        await into.aclose()  # whoever waits for an answer learns that none will come
    finally:
        with suppress(*_GONE, OSError):
            await stdin.aclose()


async def _end(process: Process) -> None:
    assert process.stdin is not None
    with suppress(*_GONE, OSError):
        await process.stdin.aclose()
    with anyio.move_on_after(GRACE) as waiting:
        # To wait for the process would be to wait for its children's pipes, too.
        while process.returncode is None:  # noqa: ASYNC110
            await anyio.sleep(0.01)
    if waiting.cancelled_caught:
        await terminate_posix_process_tree(process, GRACE)
    with anyio.move_on_after(GRACE):
        await process.aclose()
