"""A tape: questions to models and their answers, in a file to commit. It answers what was asked before, and no more."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from workflow_engine import errors
from workflow_engine.agents.models import Wire

# Who is asked, and how the answer travels, is not the question. Limits follow from budgets.
_NOT_ASKED = {"model", "stream", "stream_options", "store", "user", "metadata"}
_NOT_ASKED |= {"max_tokens", "max_output_tokens", "max_completion_tokens"}
_RECORD = "record it once more: workflow model record"


class Taken(BaseModel):
    """One question and its answer, as they went over the wire. No header is kept, and so no key."""

    model_config = ConfigDict(extra="forbid")

    wire: Wire
    request: dict[str, Any]
    answer: dict[str, Any]


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid")

    schema_: Literal[1] = 1
    calls: list[Taken]


class Tape:
    """The calls of a file. One that was recorded several times is answered in that order, then as the last time."""

    def __init__(self, path: Path, calls: list[Taken] | None = None) -> None:
        self.path, self.calls = path, calls or []
        self._asked: Counter[str] = Counter()

    @classmethod
    def read(cls, path: Path) -> Tape:
        """Raises UsageError for what is none."""
        try:
            return cls(path, _Kept.model_validate_json(path.read_bytes()).calls)
        except OSError as error:
            raise errors.UsageError(f"the tape {path} cannot be read: {error.strerror or error}", _RECORD) from None
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise errors.UsageError(f"{path} is no tape: {place}: {first['msg']}", _RECORD) from None

    @property
    def wire(self) -> Wire:
        """The wire it was recorded on."""
        return self.calls[0].wire if self.calls else "chat"

    def add(self, wire: Wire, request: Mapping[str, Any], answer: Mapping[str, Any], secrets: tuple[str, ...]) -> None:
        """Keep a call; the file is whole at every moment."""
        self.calls.append(Taken(wire=wire, request=_without(request, secrets), answer=_without(answer, secrets)))
        told = _Kept(calls=self.calls).model_dump_json(indent=1)
        beside = self.path.with_name(f".{self.path.name}.new")
        beside.write_text(told + "\n", "utf-8")
        os.replace(beside, self.path)

    def answer(self, wire: Wire, request: Mapping[str, Any]) -> dict[str, Any] | str:
        """The answer to a question that was asked before, or in words how it differs from what was."""
        asked = _question(request)
        text = _text(asked)
        found = [each for each in self.calls if each.wire == wire and _text(_question(each.request)) == text]
        if found:
            self._asked[text] += 1
            return found[min(self._asked[text], len(found)) - 1].answer
        near = max(
            (each for each in self.calls if each.wire == wire),
            key=lambda each: _alike(_text(_question(each.request)), text),
            default=None,
        )
        if near is None:
            return f"it holds no call of the wire {wire}"
        return f"call {self.calls.index(near) + 1} is nearest; {_difference(_question(near.request), asked)}"


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _question(request: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in request.items() if name not in _NOT_ASKED}


def _text(value: Any) -> str:
    # What is said comes last, so that what two questions share is their settings and the beginning of the talk.
    said = {name: value[name] for name in ("messages", "input") if name in value}
    rest = {name: each for name, each in value.items() if name not in said}
    return json.dumps([rest, said], sort_keys=True, ensure_ascii=False)


def _difference(recorded: Any, asked: Any, place: str = "") -> str:
    """Where two questions part, and what stands there.

    >>> _difference({"messages": [{"content": "a"}]}, {"messages": [{"content": "b"}]})
    'messages.0.content was "a" and is "b"'
    """
    if isinstance(recorded, dict) and isinstance(asked, dict):
        names = sorted({*recorded, *asked})
        pairs = [(name, recorded.get(name), asked.get(name)) for name in names]
    elif isinstance(recorded, list) and isinstance(asked, list):
        longest = range(max(len(recorded), len(asked)))
        pairs = [(str(at), _at(recorded, at), _at(asked, at)) for at in longest]
    else:
        return f"{place} was {_short(recorded)} and is {_short(asked)}"
    for name, before, now in pairs:
        if before != now:
            return _difference(before, now, f"{place}.{name}" if place else name)
    return f"{place} is the same"


def _at(values: list[Any], place: int) -> Any:
    return values[place] if place < len(values) else None


def _short(value: Any, most: int = 200) -> str:
    text = "not there" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _without(value: Mapping[str, Any], secrets: tuple[str, ...]) -> dict[str, Any]:
    text = json.dumps(value, ensure_ascii=False)
    for secret in secrets:
        if len(secret) >= 8:
            text = text.replace(json.dumps(secret, ensure_ascii=False)[1:-1], "•••")
    told: dict[str, Any] = json.loads(text)
    return told
