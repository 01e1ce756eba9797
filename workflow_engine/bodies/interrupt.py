"""Interrupts as questions: what a graph shows where it stops, made into what a person is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from workflow_engine.bodies.intent import Ask
from workflow_engine.ports.graphs import Pending
from workflow_engine.spec.question import Question

_TEXTS = ("message", "question", "prompt", "query", "description", "instruction", "text")
_TITLES = ("title", "task", "action")
_DECISIONS = ("approve", "edit", "reject", "respond")


def asking(node: str, pending: Pending) -> Ask:
    """The question of an interrupt.

    A text is the question itself. Of a mapping, `title`, `message` (or question, prompt, query, description, ...),
    `evidence`, `choices` and `schema` mean what they say; all of it is shown as evidence where more is in it. Requests
    in LangChain's form (`action_requests`) say by themselves what an answer may be.
    """
    value = pending.value
    shown = value if isinstance(value, Mapping) else {}
    schema = _schema(pending, shown)
    title, message = _words(node, value, shown)
    if pending.problem:
        message = f"{message}\n\nThe answer given before did not fit: {pending.problem}"
    return Ask(Question(message, _evidence(value, shown), title), schema, _choices(schema), pending.ref)


def _words(node: str, value: Any, shown: Mapping[str, Any]) -> tuple[str, str]:
    title = _first(shown, _TITLES) or node.replace("_", " ")
    if isinstance(value, str):
        return title, value
    requests = _requests(shown)
    if requests:
        wanted = "; ".join(_wanted(each) for each in requests)
        return title, _first(shown, _TEXTS) or f"May it go on? It wants to call {wanted}"
    return title, _first(shown, _TEXTS) or f"{node} asks:"


def _first(shown: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    found = (shown.get(name) for name in names)
    return next((each for each in found if isinstance(each, str) and each), None)


def _evidence(value: Any, shown: Mapping[str, Any]) -> list[str]:
    given = shown.get("evidence", [])
    every = given if isinstance(given, list | tuple) else [given]
    pieces = [each if isinstance(each, str) else _json(each) for each in every]
    said = {*_TEXTS, *_TITLES, "evidence", "choices", "schema", "node", "problem"}
    rest = {name: each for name, each in shown.items() if name not in said}
    if rest:
        pieces.append(_json(rest))
    elif not shown and not isinstance(value, str) and value is not None:
        pieces.append(_json(value))
    return pieces


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


# ------------------------------------------------------------------------------------------------ what may be answered


def _schema(pending: Pending, shown: Mapping[str, Any]) -> Mapping[str, Any]:
    """The JSON Schema of the answer; anything goes where the graph does not say."""
    for given in (pending.schema, shown.get("schema")):
        if isinstance(given, Mapping) and given:
            return dict(given)
    if requests := _requests(shown):
        return _decisions(requests, shown)
    choices = shown.get("choices")
    if isinstance(choices, list) and choices and all(isinstance(each, str) for each in choices):
        return {"enum": choices}
    return {}


def _choices(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The words an answer may be, or whose `choice` it may be."""
    properties = schema.get("properties")
    decided = properties.get("choice") if isinstance(properties, Mapping) else schema
    words = decided.get("enum") if isinstance(decided, Mapping) else None
    return tuple(words) if isinstance(words, list) and all(isinstance(each, str) for each in words) else ()


def _requests(shown: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Tool calls to be looked at, as LangChain's HumanInTheLoopMiddleware asks for them."""
    requests = shown.get("action_requests")
    if not isinstance(requests, list) or not all(isinstance(each, Mapping) and "name" in each for each in requests):
        return []
    return requests


def _wanted(request: Mapping[str, Any]) -> str:
    arguments = request.get("args")
    named = arguments.items() if isinstance(arguments, Mapping) else ()
    return f"{request['name']}({', '.join(f'{name}={each!r}' for name, each in named)})"


def _decisions(requests: list[Mapping[str, Any]], shown: Mapping[str, Any]) -> dict[str, Any]:
    """{"decisions": [...]}: one decision for each request, in their order, of the types its config allows."""
    configs = shown.get("review_configs")
    allowed = {
        each.get("action_name"): each.get("allowed_decisions")
        for each in (configs if isinstance(configs, list) else [])
        if isinstance(each, Mapping)
    }
    items = [_decision(allowed.get(each["name"]) or list(_DECISIONS)) for each in requests]
    decisions = {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    return {
        "type": "object",
        "properties": {"decisions": decisions},
        "required": ["decisions"],
        "additionalProperties": False,
    }


def _decision(allowed: list[Any]) -> dict[str, Any]:
    edited = {"type": "object", "properties": {"name": {"type": "string"}, "args": {"type": "object"}}}
    return {
        "type": "object",
        "properties": {"type": {"enum": allowed}, "message": {"type": "string"}, "edited_action": edited},
        "required": ["type"],
        "allOf": [
            {"if": {"properties": {"type": {"const": "edit"}}}, "then": {"required": ["edited_action"]}},
        ],
    }
