"""An answer that comes in pieces: watched on the wire, told as it comes, and put together only if all of it came."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import httpx2
from agents import Model, ModelResponse, Usage
from openai.types.responses import ResponseCompletedEvent, ResponseIncompleteEvent

from workflow_engine import errors
from workflow_engine.agents.models import Endpoint
from workflow_engine.agents.visit import Answering

DELTAS = {
    "response.output_text.delta": "message",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
}
# What says that a chat completion came to its end: the wire's own mark, or the reason of the last chunk.
_ENDS = (b"[DONE]", b'"finish_reason":"', b'"finish_reason": "')


class Streamed(httpx2.AsyncByteStream):
    """A stream of events as it is read. One that ends before its answer does is a failed call."""

    def __init__(self, stream: httpx2.AsyncByteStream, asking: Answering, endpoint: Endpoint) -> None:
        self._stream, self._asking, self._endpoint = stream, asking, endpoint
        self._ended = endpoint.wire == "responses"  # its last event is looked for where the answer is put together

    async def __aiter__(self) -> AsyncIterator[bytes]:
        head, tail = b"", b""
        async for chunk in self._stream:
            if not self._asking.model:
                head += chunk
                self._asking.model, head = self._named(head), head[-65_536:]
            if not self._ended:
                tail = tail[-32:] + chunk
                self._ended = any(each in tail for each in _ENDS)
            yield chunk
        if not self._ended:
            raise broken_off(self._endpoint)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def _named(self, head: bytes) -> str:
        """Who answers, as the first event says: openai-agents drops it."""
        for line in head.split(b"\n")[:-1]:
            if line.startswith(b"data:"):
                try:
                    told = json.loads(line[5:])
                except ValueError:
                    continue
                if isinstance(told, dict):
                    inner = told.get("response")
                    return self._asking.visit.named((inner if isinstance(inner, dict) else told).get("model"))
        return ""


def broken_off(endpoint: Endpoint) -> errors.AgentFailed:
    """The error of a stream that ended before its answer did."""
    failure = errors.AgentFailed(f"{endpoint.base_url} broke off its answer", kind="infrastructure")
    failure.theirs = True
    return failure


async def streamed(
    model: Model, link: Endpoint, tell: Callable[[str, str], None], given: tuple[Any, ...], named: Mapping[str, Any]
) -> ModelResponse:
    """The whole answer of a model that is asked to stream it. Raises AgentFailed where it ends before its time."""
    async with aclosing(_events(model, given, named)) as events:
        async for event in events:
            of = DELTAS.get(event.type)
            if of is not None:
                tell(of, event.delta)
            if isinstance(event, ResponseCompletedEvent) or is_cut(event):
                return _whole(event.response, link)
    raise broken_off(link)


async def _events(model: Model, given: tuple[Any, ...], named: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
    async for event in model.stream_response(*given, **named):
        yield event


def is_cut(event: Any) -> bool:
    """An answer that came to its own limit is whole as far as it goes: whoever set the limit deals with it."""
    if not isinstance(event, ResponseIncompleteEvent):
        return False
    details = event.response.incomplete_details
    return details is not None and details.reason == "max_output_tokens"


def _whole(response: Any, link: Endpoint) -> ModelResponse:
    used = response.usage
    usage = Usage()
    if used is not None:
        usage = Usage(
            requests=1,
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            total_tokens=used.total_tokens,
            input_tokens_details=used.input_tokens_details,
        )
    return ModelResponse(response.output, usage, None if link.wire == "chat" else response.id)
