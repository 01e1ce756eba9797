"""Evidence: what a request to a model shows of the work so far, whichever of the two wires it came over."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field


@dataclass(frozen=True)
class Call:
    """A tool call the model made earlier in this conversation."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Evidence:
    """What rules are matched against. `prompt` is the last user message; `results` are oldest first."""

    node: str | None = None
    instructions: str = ""
    prompt: str = ""
    calls: tuple[Call, ...] = ()
    results: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()


def _text(content: Any) -> Any:
    """Content is a string, or parts of which only the text ones count."""
    if isinstance(content, list):
        return "\n".join(
            part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    return "" if content is None else content


def _decoded(arguments: Any) -> Any:
    if not isinstance(arguments, str):
        return arguments
    try:
        decoded = json.loads(arguments)
    except (ValueError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _items(given: Any) -> Any:
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


_Text = Annotated[str, BeforeValidator(_text)]
_Arguments = Annotated[dict[str, Any], BeforeValidator(_decoded)]


class _Function(BaseModel):
    name: str = ""
    arguments: _Arguments = Field(default_factory=dict)


class _ToolCall(BaseModel):
    function: _Function = _Function()


class _Message(BaseModel):
    role: str
    content: _Text = ""
    tool_calls: list[_ToolCall] | None = None


class _OfferedTool(BaseModel):
    # Chat-completions nests the function, responses does not.
    name: str = ""
    function: _Function = _Function()


class ChatRequest(BaseModel):
    """The body of POST /v1/chat/completions, as far as a playbook reads it."""

    messages: list[_Message] = Field(min_length=1)
    tools: list[_OfferedTool] | None = None
    stream: bool | None = False

    def evidence(self, node: str | None) -> Evidence:
        return Evidence(
            node=node,
            instructions="\n".join(m.content for m in self.messages if m.role in ("system", "developer")),
            prompt=_last(m.content for m in self.messages if m.role == "user"),
            calls=tuple(
                Call(call.function.name, call.function.arguments) for m in self.messages for call in m.tool_calls or ()
            ),
            results=tuple(m.content for m in self.messages if m.role == "tool"),
            offered=tuple(tool.function.name for tool in self.tools or ()),
        )


class _Item(BaseModel):
    type: str = "message"
    role: str = ""
    content: _Text = ""
    name: str = ""
    arguments: _Arguments = Field(default_factory=dict)
    output: _Text = ""


class ResponsesRequest(BaseModel):
    """The body of POST /v1/responses, as far as a playbook reads it."""

    input: Annotated[list[_Item], BeforeValidator(_items)]
    instructions: _Text = ""
    tools: list[_OfferedTool] | None = None
    stream: bool | None = False

    def evidence(self, node: str | None) -> Evidence:
        said = [item for item in self.input if item.type == "message"]
        return Evidence(
            node=node,
            instructions="\n".join(
                [self.instructions, *(i.content for i in said if i.role in ("system", "developer"))]
            ),
            prompt=_last(item.content for item in said if item.role == "user"),
            calls=tuple(Call(item.name, item.arguments) for item in self.input if item.type == "function_call"),
            results=tuple(item.output for item in self.input if item.type == "function_call_output"),
            offered=tuple(tool.name for tool in self.tools or ()),
        )


def _last(texts: Iterable[str]) -> str:
    return next(reversed(list(texts)), "")
