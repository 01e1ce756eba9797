"""The size of a question: the most tokens it can be, before anybody counted them.

A token is at least one byte of what is sent, so the bytes are a bound, if a wide one. What a model counted already is
known: then only what was said since is bounded by its bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

AROUND = 64
"""Tokens a wire puts around a question, and around each tool it offers."""


class Size:
    """Bounds the questions of one branch, each of which holds what was said before."""

    def __init__(self) -> None:
        self._counted: tuple[Any, ...] = ()
        self._text, self._tokens = "", 0

    def told(self, by: str, text: str, tokens: int, instructions: Any, tools: Iterable[Any] = (), *_: Any) -> None:
        """A model counted the question of this text."""
        self._counted = (by, instructions, [_name(each) for each in tools])
        self._text, self._tokens = text, tokens

    def bound(
        self, by: str, text: str, instructions: Any, tools: Iterable[Any] = (), schema: Any = None, *further: Any
    ) -> int:
        """The most tokens that a question of this text can be for a model, with all that is sent beside it."""
        before = self._text.removesuffix("]")
        tools = list(tools)
        # Another model cuts the same words otherwise, and another agent of a talk has other words around it.
        alike = self._counted == (by, instructions, [_name(each) for each in tools])
        if self._tokens and alike and before and text.startswith(before):
            return self._tokens + _bytes(text) - _bytes(before)
        tools = [*tools, *(further[0] if further and isinstance(further[0], list) else ())]
        return _bytes(text) + _bytes(str(instructions or "")) + AROUND + sum(map(_tool, tools)) + _schema(schema)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _name(tool: Any) -> str:
    return getattr(tool, "name", "")


def _tool(tool: Any) -> int:
    """A tool or a handoff: the names differ, and they are told alike."""
    told = [
        getattr(tool, each, "")
        for each in (
            *("name", "description", "params_json_schema", "tool_name", "tool_description", "input_json_schema"),
            "schema",
        )
    ]
    return _bytes(json.dumps(told, default=str)) + AROUND


def _schema(schema: Any) -> int:
    if schema is None or schema.is_plain_text():
        return 0
    return _bytes(json.dumps(schema.json_schema(), default=str)) + AROUND
