"""What a body wants to happen: values written, or a person asked. `steps` makes it so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from workflow_engine.record.usage import Usage
from workflow_engine.spec.question import Question


@dataclass(frozen=True)
class Wrote:
    """Values by field name, in the body's own types; what they cost and who answered."""

    values: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage | None = None
    answered_by: tuple[str, ...] = ()
    story: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Ask:
    """A person is to answer `question`; `schema` and `choices` say what an answer may be."""

    question: Question[Any]
    schema: Mapping[str, Any]
    choices: tuple[str, ...]


Intent: TypeAlias = Wrote | Ask
