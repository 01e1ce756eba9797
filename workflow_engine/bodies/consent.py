"""Consent: what a person is asked before a tool is used, or when nobody knows whether it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from workflow_engine.bodies.intent import Ask
from workflow_engine.ports.agents import ToolUse
from workflow_engine.spec.question import Question
from workflow_engine.spec.tool import Tool

APPROVE, EDIT, REJECT = "approve", "edit", "reject"
RERUN, ACCEPT, FAIL = "rerun", "accept", "fail"
_REASON = {"type": "string", "description": "told to the agent"}


def approval(node: str, tool: Tool[..., Any], use: ToolUse, schema: Mapping[str, Any], ref: str) -> Ask:
    """May this agent use this tool, with these very arguments?"""
    arguments = dict(schema)
    defs = arguments.pop("$defs", {})
    answer = {
        "type": "object",
        "properties": {"choice": {"enum": [APPROVE, EDIT, REJECT]}, "arguments": arguments, "reason": _REASON},
        "required": ["choice"],
        "additionalProperties": False,
        "if": {"properties": {"choice": {"const": EDIT}}},
        "then": {"required": ["choice", "arguments"]},
        **({"$defs": defs} if defs else {}),
    }
    message = (
        f"{node} wants to use {tool.name} with {_brief(use.arguments)}.\n{APPROVE} it, {EDIT} its `arguments`, or "
        f"{REJECT} it: the agent is told the `reason`."
    )
    default = None if tool.within is None else {"choice": REJECT, "reason": "nobody answered in time"}
    return Ask(
        Question(message, _evidence(tool, use, use.arguments), f"May {node} use {tool.name}?"),
        answer,
        (APPROVE, EDIT, REJECT),
        ref,
        within=tool.within,
        default=default,
        to=tool.to,
        candidates=tool.candidates,
    )


def review(node: str, output: Any, told: str, wrong: str, reviewers: tuple[str, ...], ref: str) -> Ask:
    """May this agent's answer be written?"""
    value = TypeAdapter(output).json_schema()
    defs = value.pop("$defs", {})
    answer = {
        "type": "object",
        "properties": {"choice": {"enum": [ACCEPT, EDIT, REJECT]}, "value": value, "reason": _REASON},
        "required": ["choice"],
        "additionalProperties": False,
        "if": {"properties": {"choice": {"const": EDIT}}},
        "then": {"required": ["choice", "value"]},
        **({"$defs": defs} if defs else {}),
    }
    message = (
        f"{node} answers, and is to be looked at.\n"
        f"{ACCEPT}: this is written. {EDIT}: another one is, given as `value`. "
        f"{REJECT}: the agent is told the `reason`, and asked again."
    )
    if wrong:
        message += f"\nThe value that was given does not fit: {wrong}"
    shown = json.dumps(json.loads(told), ensure_ascii=False, indent=2)
    question: Question[Any] = Question(message, [shown], f"Is the answer of {node} right?")
    return Ask(question, answer, (ACCEPT, EDIT, REJECT), ref, candidates=reviewers)


def doubt(node: str, tool: Tool[..., Any], use: ToolUse, arguments: Mapping[str, Any], ref: str) -> Ask:
    """Did this use of a tool happen? It began, and its end is not known."""
    answer = {
        "type": "object",
        "properties": {"choice": {"enum": [RERUN, ACCEPT, FAIL]}, "value": {}, "reason": {"type": "string"}},
        "required": ["choice"],
        "additionalProperties": False,
    }
    message = (
        f"{node} used {tool.name} with {_brief(arguments)}, and how that ended is not known.\n"
        f"{RERUN}: use it again. {ACCEPT}: it is done, and `value` is what it returned. {FAIL}: the step gives up."
    )
    question: Question[Any] = Question(message, _evidence(tool, use, arguments), f"Did {tool.name} happen?")
    return Ask(question, answer, (RERUN, ACCEPT, FAIL), ref, to=tool.to, candidates=tool.candidates)


def _brief(arguments: Mapping[str, Any]) -> str:
    """Arguments in a line; all of them stand in the evidence."""
    told = ", ".join(f"{name}={json.dumps(each, ensure_ascii=False, default=str)}" for name, each in arguments.items())
    return "no arguments" if not told else told if len(told) <= 200 else f"{told[:199]}…"


def _evidence(tool: Tool[..., Any], use: ToolUse, arguments: Mapping[str, Any]) -> list[str]:
    shown = json.dumps(arguments, ensure_ascii=False, indent=2, default=str)
    pieces = [f"{tool.name} {shown}", f"risk: {tool.risk}"]
    if tool.text:
        pieces.append(f"what it does: {tool.text}")
    if use.words:
        pieces.append(f"the agent says: {use.words}")
    return pieces
