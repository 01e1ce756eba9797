"""The OpenAI wire format of the playbook's answers: both endpoints, whole or as server-sent events.

Token counts are 0: no model counted anything, and an estimate would look like one that did.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from workflow_engine.agents.evidence import Call, Evidence
from workflow_engine.agents.rules import Reply

Json = dict[str, Any]


def chat_completion(reply: Reply, evidence: Evidence, model: str) -> Json:
    """The body of a whole chat completion."""
    message: Json = {"role": "assistant", "content": reply.text}
    if reply.calls:
        message["tool_calls"] = [
            {"id": _call_id(evidence, i), "type": "function", "function": {"name": c.tool, "arguments": _arguments(c)}}
            for i, c in enumerate(reply.calls)
        ]
    finish = "tool_calls" if reply.calls else "stop"
    return {
        "id": f"chatcmpl-{_number(evidence)}",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }


def chat_chunks(whole: Json) -> Iterator[str]:
    """The same completion as a stream: one chunk with all of it, one that ends it."""
    choice = whole["choices"][0]
    delta = dict(choice["message"])
    if "tool_calls" in delta:
        delta["tool_calls"] = [{"index": i, **call} for i, call in enumerate(delta["tool_calls"])]
    frame = {"id": whole["id"], "object": "chat.completion.chunk", "created": 0, "model": whole["model"]}
    yield _event({**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event({**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    yield _event({**frame, "choices": [], "usage": whole["usage"]})
    yield "data: [DONE]\n\n"


def response(reply: Reply, evidence: Evidence, model: str) -> Json:
    """The body of a whole response."""
    number = _number(evidence)
    output: list[Json] = [
        {
            "type": "function_call",
            "id": f"fc_{number}_{i}",
            "call_id": _call_id(evidence, i),
            "name": call.tool,
            "arguments": _arguments(call),
            "status": "completed",
        }
        for i, call in enumerate(reply.calls)
    ]
    if reply.text is not None:
        part = {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
        said = {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed", "content": [part]}
        output.append(said)
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 0,
        "status": "completed",
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, **details},
    }


def response_events(whole: Json) -> Iterator[str]:
    """The same response as a stream of its events."""
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    events: list[Json] = [{"type": "response.created", "response": begun}]
    for index, item in enumerate(whole["output"]):
        place = {"output_index": index, "item_id": item["id"]}
        hollows: dict[str, Json] = {"message": {"content": []}, "function_call": {"arguments": ""}}
        hollow = hollows.get(item["type"], {})
        empty = {**item, "status": "in_progress", **hollow}
        events.append({"type": "response.output_item.added", "output_index": index, "item": empty})
        if item["type"] == "message":
            at, part = {**place, "content_index": 0}, item["content"][0]
            events += [
                {"type": "response.content_part.added", **at, "part": {**part, "text": ""}},
                {"type": "response.output_text.delta", **at, "delta": part["text"], "logprobs": []},
                {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []},
                {"type": "response.content_part.done", **at, "part": part},
            ]
        elif item["type"] == "function_call":
            said = {"name": item["name"], "arguments": item["arguments"]}
            events += [
                {"type": "response.function_call_arguments.delta", **place, "delta": item["arguments"]},
                {"type": "response.function_call_arguments.done", **place, **said},
            ]
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    events.append({"type": "response.completed", "response": whole})
    for number, event in enumerate(events):
        yield f"event: {event['type']}\n" + _event({**event, "sequence_number": number})


def failure(message: str, code: str) -> Json:
    """The body of a refusal."""
    return {"error": {"message": message, "type": "playbook", "param": None, "code": code}}


def models(model: str) -> Json:
    """The body of GET /v1/models."""
    return {"object": "list", "data": [{"id": model, "object": "model", "created": 0, "owned_by": "playbook"}]}


def _event(body: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


def _arguments(call: Call) -> str:
    return json.dumps(call.arguments, ensure_ascii=False)


def _number(evidence: Evidence) -> int:
    """Which answer of this conversation this is: enough for ids that are unique in it, and the same at every try."""
    return len(evidence.calls) + len(evidence.results) + 1


def _call_id(evidence: Evidence, index: int) -> str:
    return f"call_{len(evidence.calls) + index + 1}"
