"""What a body wants to happen: values written, or people asked. `steps` makes it so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from workflow_engine.making import quickly
from workflow_engine.record.ids import RunId
from workflow_engine.record.usage import Usage
from workflow_engine.spec.question import Question


@quickly
@dataclass(frozen=True)
class Wrote:
    """Values by field name, in the body's own types; what they cost and who answered."""

    values: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage | None = None
    answered_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ask:
    """A person is to answer `question`; `schema` and `choices` say what an answer may be.

    Of one that is asked Midway, `ref` is the body's own word for it, given back with the answer; `within` its time,
    after which `default` holds; `to` and `candidates` are who may answer.
    """

    question: Question[Any]
    schema: Mapping[str, Any]
    choices: tuple[str, ...]
    ref: str = ""
    within: timedelta | None = None
    default: Any = None
    to: str | None = None
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Midway:
    """The body stopped in the middle. Once all of `asks` are answered it is called again, with the answers in its
    scene.

    What it has done so far is its own to keep: it is called in the same visit, as after a crash.
    """

    asks: tuple[Ask, ...]
    by: Literal["graph", "agent"]


@dataclass(frozen=True)
class Await:
    """The node rests until its signals come, or a time: the one it read, if it waits for that."""

    until: datetime | None = None


@dataclass(frozen=True)
class Enter:
    """A run of the workflow within is to begin with these inputs, or the one there is to go on."""

    inputs: Mapping[str, Any]


@dataclass(frozen=True)
class Rest:
    """The run within waits, until this time at the latest if there is one: so does the step."""

    run: RunId
    until: datetime | None = None


@dataclass(frozen=True)
class Later:
    """The body stopped between two steps of its own, because somebody drains: it is called again by whoever goes on."""


Intent: TypeAlias = Wrote | Ask | Midway | Later | Await | Enter | Rest
