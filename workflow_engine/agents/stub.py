"""The stub: a playbook to start from, with one rule per agent whose answer fits the agent's output type."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

from workflow_engine.agents.sample import Impossible, sample

_HEAD = """\
# What --model offline answers. It is re-read at every call: edit it while a workflow runs.
#
# The first [[rule]] whose conditions all hold answers:
#   when.node              the agent's name
#   when.prompt            a regular expression found in what the agent is asked
#   when.last_tool_result  ... in what the last tool call returned; when.tool_result: in any
#   when.called            a tool call made before: { tool = "write", arguments = { path = 'calc\\.py' } }
#   when.instructions      ... in the agent's instructions;   not_prompt, not_called, ...: the opposite
# with one of
#   json  = { ... }        an answer of the agent's output type (null: leave the key out, or write JSON into text)
#   text  = "..."          an answer as it stands
#   calls = [{ tool = "read", arguments = { path = "calc.py" } }]
# {name} in an answer quotes a named group of a condition: when.prompt = 'fix (?P<name>\\w+)'.

# Only these values are let in, if a list is given:
# [inputs]
# request = ["..."]
"""


def stub_playbook(agents: Sequence[tuple[str, Any]]) -> str:
    """The TOML text of a playbook for these agents: (node's name, output type). One that cannot be guessed says so."""
    return "\n".join([_HEAD, *(_rule(node, output) for node, output in agents)])


def _rule(node: str, output: Any) -> str:
    lines = ["[[rule]]", f"when.node = {_toml(node)}"]
    if output is str:
        return "\n".join([*lines, f"text = {_toml(f'the answer of {node}')}", ""])
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(output)
        value = sample(adapter.json_schema(), node)
    except (Impossible, PydanticUserError, PydanticSchemaGenerationError) as error:
        lines.append(f"# not guessed, write an answer of type {_first_line(output)}: {_first_line(error)}")
        return "\n".join([*lines, 'text = "..."', ""])
    try:
        adapter.validate_json(json.dumps(value))
    except ValidationError as error:
        # A rule of the type's own, which no schema tells.
        detail = error.errors()[0]
        lines.append(f"# does not fit yet: {'.'.join(map(str, detail['loc']))}: {_first_line(detail['msg'])}")
    if _has_null(value):
        return "\n".join([*lines, f"text = {_toml(json.dumps(value, ensure_ascii=False))}", ""])
    if isinstance(value, dict) and value:
        lines += [f"json.{_key(key)} = {_toml(member)}" for key, member in value.items()]
    else:
        lines.append(f"json = {_toml(value)}")
    return "\n".join([*lines, ""])


def _first_line(text: object) -> str:
    # A comment ends with its line, and TOML forbids control characters in it.
    line = text.__name__ if isinstance(text, type) else (str(text).splitlines() or [""])[0]
    return "".join(letter for letter in line if letter.isprintable())


def _has_null(value: Any) -> bool:
    match value:
        case dict():
            return any(_has_null(member) for member in value.values())
        case list():
            return any(_has_null(member) for member in value)
        case _:
            return value is None


def _toml(value: Any) -> str:
    """A JSON value without null as a TOML one."""
    match value:
        case dict():
            inner = ", ".join(f"{_key(key)} = {_toml(member)}" for key, member in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case list():
            return f"[{', '.join(_toml(member) for member in value)}]"
        case str():
            # A JSON string is a TOML string, but for DEL.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case _:
            return json.dumps(value)


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "").replace("-", "").isalnum() else _toml(key)
