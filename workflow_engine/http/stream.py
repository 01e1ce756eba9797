"""Streams: lines as server-sent events, counted, ended with the server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.responses import StreamingResponse

from workflow_engine.errors import WorkflowError
from workflow_engine.http.desk import Desk
from workflow_engine.http.problems import of_error
from workflow_engine.http.tail import Line

RETRY = 1_000
"""Milliseconds after which a browser comes back that lost its stream."""
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events. The id is the event's number in the journal: come back with Last-Event-ID.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


def stream(desk: Desk, lines: Callable[[], AsyncIterator[Line | None]]) -> StreamingResponse:
    """A response that tells lines as they come. Raises Refused (429) where too many are open."""
    place = desk.rates.streaming()
    place.__enter__()

    async def told() -> AsyncIterator[bytes]:
        yield f"retry: {RETRY}\n\n".encode()
        coming: Any = lines()
        try:
            async with aclosing(coming):
                async for line in coming:
                    yield KEEPALIVE_COMMENT if line is None else encoded(line)
        except WorkflowError as error:  # the response has begun: it cannot be an error any more
            yield encoded(Line("problem", of_error(error).model_dump_json()))

    return _Stream(told(), lambda: place.__exit__(None, None, None))


class _Stream(StreamingResponse):
    """Gives its place back however it ends, and if it never began."""

    media_type = "text/event-stream"

    def __init__(self, content: AsyncIterator[bytes], done: Callable[[], Any]) -> None:
        super().__init__(content, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._done = done

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._done()


def encoded(line: Line) -> bytes:
    """A line as bytes."""
    number = None if line.seq is None else str(line.seq)
    return format_sse_event(data_str=line.data or None, event=line.event or None, id=line.name or number)
