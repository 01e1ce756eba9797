"""A scripted endpoint: a real loopback server that gives the next of its replies to each request, faults included."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tests.loopback import Heard, Loopback
from workflow_engine.agents.models import Endpoint, Wire
from workflow_engine.agents.wire import response_events


@dataclass(frozen=True)
class Reply:
    """One reply. `fault` hang never answers, drip never ends, cut promises more than it sends, drop closes at once.

    Asked for a stream, it is sent in events; `stop` is after how many of them the connection is closed, in good form.
    """

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    fault: Literal["hang", "drip", "cut", "drop"] | None = None
    stop: int | None = None


Script = Callable[[Wire], Reply]

_NUMBERS = itertools.count(1)


def say(text: str | None, model: str = "stand-in-1", tokens: tuple[int, int] = (3, 5)) -> Script:
    return lambda wire: _whole(wire, model, tokens, text, [])


def call(*calls: tuple[str, Any], model: str = "stand-in-1") -> Script:
    return lambda wire: _whole(wire, model, (3, 5), None, list(calls))


def status(code: int, body: Any = None, **headers: str) -> Script:
    said = {"error": {"message": "no"}} if body is None else body
    names = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    content = json.dumps(said).encode() if not isinstance(said, bytes) else said
    return lambda _: Reply(content, code, (("Content-Type", "application/json"), *names))


def raw(content: bytes, kind: str = "application/json") -> Script:
    return lambda _: Reply(content, headers=(("Content-Type", kind),))


def fault(what: Literal["hang", "drip", "cut", "drop"]) -> Script:
    return lambda _: Reply(b'{"id"', fault=what)


def stopped(script: Script, after: int) -> Script:
    """A stream that ends before its answer does."""
    return lambda wire: replace(script(wire), stop=after)


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class ScriptedEndpoint(Loopback):
    """`requests` is what came in."""

    script: list[Script]
    wire: Wire = "chat"
    requests: list[Request] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def endpoint(self, **given: Any) -> Endpoint:
        return Endpoint(self.base_url, given.pop("model", "asked-for"), self.wire, **given)

    async def reply(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        self.requests.append(Request(heard.path, heard.headers, json.loads(heard.body or b"null")))
        self.asked.set()
        over = status(500, {"error": {"message": "the script is over"}})
        reply = (self.script.pop(0) if self.script else over)(self.wire)
        if reply.fault == "hang":
            await asyncio.Event().wait()
        if reply.fault == "drop":
            return False
        if (self.requests[-1].body or {}).get("stream") and reply.status == 200 and not reply.fault:
            reply = _in_events(reply, self.wire)
        length = len(reply.body) + (100_000 if reply.fault in ("cut", "drip") else 0)
        told = "".join(f"{name}: {value}\r\n" for name, value in (*reply.headers, ("Content-Length", str(length))))
        writer.write(f"HTTP/1.1 {reply.status} Said\r\n{told}\r\n".encode() + reply.body)
        await writer.drain()
        while reply.fault == "drip":
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)
        return reply.fault is None


PIECE = 4
"""Characters of a delta."""


def _in_events(reply: Reply, wire: Wire) -> Reply:
    try:
        whole = json.loads(reply.body)
        events = list(_chat_events(whole) if wire == "chat" else response_events(whole))
    except (ValueError, KeyError, TypeError):
        return reply
    body = "".join(events if reply.stop is None else events[: reply.stop]).encode()
    return Reply(body, headers=(("Content-Type", "text/event-stream"),))


def _chat_events(whole: Any) -> Iterator[str]:
    choice = whole["choices"][0]
    frame = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": whole["model"]}

    def event(delta: Any, finish: str | None = None) -> str:
        told = {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        return f"data: {json.dumps(told)}\n\n"

    text = choice["message"].get("content") or ""
    for at in range(0, len(text), PIECE):
        yield event({"role": "assistant", "content": text[at : at + PIECE]})
    for index, made in enumerate(choice["message"].get("tool_calls") or ()):
        yield event({"role": "assistant", "tool_calls": [{"index": index, **made}]})
    yield event({}, choice["finish_reason"])
    yield f"data: {json.dumps({**frame, 'choices': [], 'usage': whole['usage']})}\n\n"
    yield "data: [DONE]\n\n"


def _whole(wire: Wire, model: str, tokens: tuple[int, int], text: str | None, calls: list[tuple[str, Any]]) -> Reply:
    given, made = tokens
    ids = [f"call_{next(_NUMBERS)}" for _ in calls]
    arguments = [a if isinstance(a, str) else json.dumps(a) for _, a in calls]
    body: dict[str, Any]
    if wire == "chat":
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if calls:
            message["tool_calls"] = [
                {"id": id_, "type": "function", "function": {"name": name, "arguments": a}}
                for id_, (name, _), a in zip(ids, calls, arguments, strict=True)
            ]
        body = {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
            "usage": {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made},
        }
    else:
        output: list[dict[str, Any]] = [
            {"type": "function_call", "id": f"f{id_}", "call_id": id_, "name": name, "arguments": a}
            for id_, (name, _), a in zip(ids, calls, arguments, strict=True)
        ]
        if text is not None:
            part = {"type": "output_text", "text": text, "annotations": []}
            said = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]}
            output.append(said)
        body = {
            "id": "r",
            "object": "response",
            "created_at": 1,
            "model": model,
            "output": output,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}
            | {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}},
        }
    return Reply(json.dumps(body).encode())
