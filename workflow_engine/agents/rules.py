"""A playbook's rules: conditions on evidence, and the answer given where all of them hold."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from workflow_engine.agents.evidence import Call, Evidence


@dataclass(frozen=True)
class Reply:
    """What the playbook says to one request: a text, or tool calls."""

    text: str | None = None
    calls: tuple[Call, ...] = ()


def _listed(given: Any) -> Any:
    return given if isinstance(given, list) else [given]


def _pattern(given: Any) -> re.Pattern[str]:
    if not isinstance(given, str):
        raise ValueError("a regular expression is a string")
    try:
        return re.compile(given, re.MULTILINE)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a regular expression: {error}") from None


_Pattern = Annotated[re.Pattern[str], BeforeValidator(_pattern)]
_Patterns = Annotated[tuple[_Pattern, ...], BeforeValidator(_listed)]
_Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class _Table(BaseModel):
    # TOML has no tuples, so strict would refuse every list; unknown keys are what catches a misspelt condition.
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Called(_Table):
    """A tool call that was made: its name, and patterns its arguments match in full (a number as its JSON text)."""

    tool: str
    arguments: dict[str, _Pattern] = Field(default_factory=dict)

    def found(self, call: Call) -> Mapping[str, str] | None:
        """The named groups, or None if this is not the call."""
        if call.tool != self.tool:
            return None
        groups: dict[str, str] = {}
        for name, pattern in self.arguments.items():
            if name not in call.arguments:
                return None
            match = pattern.fullmatch(_as_text(call.arguments[name]))
            if match is None:
                return None
            groups |= _groups(match)
        return groups

    def __str__(self) -> str:
        inner = ", ".join(f"{name} = {pattern.pattern!r}" for name, pattern in self.arguments.items())
        return f"{self.tool}({inner})"


_Calls = Annotated[tuple[Called, ...], BeforeValidator(_listed)]


class When(_Table):
    """All of these must hold. A list means every member, after `not_` none of them; of `node`, any."""

    node: _Words = ()
    instructions: _Patterns = ()
    prompt: _Patterns = ()
    tool_result: _Patterns = ()
    last_tool_result: _Patterns = ()
    called: _Calls = ()
    not_node: _Words = ()
    not_instructions: _Patterns = ()
    not_prompt: _Patterns = ()
    not_tool_result: _Patterns = ()
    not_last_tool_result: _Patterns = ()
    not_called: _Calls = ()

    def concerns(self, node: str | None) -> bool:
        return (not self.node or node in self.node) and (node is None or node not in self.not_node)

    def hold(self, evidence: Evidence) -> Mapping[str, str] | str:
        """The named groups quoted from the evidence, or the first condition that does not hold."""
        if not self.concerns(evidence.node):
            return f"the node is {evidence.node or 'not named in the request'}"
        groups: dict[str, str] = {}
        # The latest result first: a group quotes what is newest.
        results = tuple(reversed(evidence.results))
        for name, texts in (
            ("instructions", (evidence.instructions,)),
            ("prompt", (evidence.prompt,)),
            ("tool_result", results),
            ("last_tool_result", results[:1]),
        ):
            for pattern in getattr(self, name):
                match = _first(pattern, texts)
                if match is None:
                    return f"{name} does not match {pattern.pattern!r}"
                groups |= _groups(match)
            for pattern in getattr(self, f"not_{name}"):
                if _first(pattern, texts) is not None:
                    return f"{name} matches {pattern.pattern!r}"
        calls = tuple(reversed(evidence.calls))
        for called in self.called:
            found = next((quoted for call in calls if (quoted := called.found(call)) is not None), None)
            if found is None:
                return f"{called} was not called"
            groups |= found
        for called in self.not_called:
            if any(called.found(call) is not None for call in calls):
                return f"{called} was called"
        return groups


class Calling(_Table):
    """A tool call the playbook asks for."""

    tool: str = Field(min_length=1)
    arguments: dict[str, Any] = Field(default_factory=dict)


class Rule(_Table):
    """Conditions, and exactly one of text, json and calls. `{group}` in a string quotes a condition's named group."""

    name: str = ""
    when: When = When()
    text: str | None = None
    json_: Any = Field(default=None, alias="json")
    calls: tuple[Calling, ...] = ()

    @model_validator(mode="after")
    def _one_answer(self) -> Rule:
        if sum((self.text is not None, self.json_ is not None, bool(self.calls))) != 1:
            raise ValueError("give exactly one of text, json and calls")
        # Whatever the rule would say must be sayable in JSON; NaN and infinity are not.
        try:
            _json([self.json_, *(call.arguments for call in self.calls)])
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"JSON cannot carry this answer: {error}") from None
        return self

    def reply(self, groups: Mapping[str, str]) -> Reply:
        if self.text is not None:
            return Reply(text=_quoting(self.text, groups))
        if self.calls:
            return Reply(
                calls=tuple(Call(c.tool, _quoting(json.loads(_json(c.arguments)), groups)) for c in self.calls)
            )
        return Reply(text=_json(_quoting(json.loads(_json(self.json_)), groups)))


def _first(pattern: re.Pattern[str], texts: Sequence[str]) -> re.Match[str] | None:
    return next((match for text in texts if (match := pattern.search(text)) is not None), None)


def _groups(match: re.Match[str]) -> dict[str, str]:
    return {name: text for name, text in match.groupdict().items() if text is not None}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _quoting(value: Any, groups: Mapping[str, str]) -> Any:
    """Only `{name}` of a group that matched is replaced: the braces of code stay as they are."""
    match value:
        case str():
            return re.sub(r"\{(\w+)\}", lambda hole: groups.get(hole[1], hole[0]), value)
        case dict():
            return {key: _quoting(member, groups) for key, member in value.items()}
        case list():
            return [_quoting(member, groups) for member in value]
        case _:
            return value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_toml_time)


def _toml_time(value: Any) -> str:
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__}")
