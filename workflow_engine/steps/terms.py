"""The terms of a question: who may answer it until when, as its node declares and its body says for this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from workflow_engine.errors import StepError
from workflow_engine.record.people import is_group
from workflow_engine.spec.nodes import Human
from workflow_engine.spec.question import Question

MOST_NAMES = 100
LONGEST_NAME = 200


@dataclass(frozen=True)
class Terms:
    """Who may answer, when it is asked again, when its time is up and what holds then."""

    due: datetime | None = None
    remind: tuple[datetime, ...] = ()
    default: Any = None
    to: str | None = None
    candidates: tuple[str, ...] = ()
    not_by: tuple[str, ...] = ()
    approvals: Mapping[str, int] = field(default_factory=dict)


def terms_of(node: Human[Any, Any], question: Question[Any], now: datetime) -> Terms:
    """The terms of a question that is asked now. Raises StepError for what the body made no sense of."""
    due = _due(node, question, now)
    to = node.to if question.to is None else _name(node, "to", question.to)
    candidates = node.candidates if question.candidates is None else _names(node, "candidates", question.candidates)
    not_by = _names(node, "not_by", question.not_by)
    able = [each for each in (to, *candidates) if each is not None]
    if able and all(each in not_by for each in able):
        raise _wrong(
            f"{node.name} asks {', '.join(dict.fromkeys(able))}, and not_by excludes them", "ask somebody else"
        )
    remind = sorted({now + each for each in node.remind})
    return Terms(
        due=due,
        remind=tuple(each for each in remind if due is None or each < due),
        default=None if due is None else node.default_answer(),
        to=to,
        candidates=candidates,
        not_by=not_by,
        approvals=dict(node.approvals),
    )


def _due(node: Human[Any, Any], question: Question[Any], now: datetime) -> datetime | None:
    given: Any = question.due
    if given is None:
        return None if node.within is None else now + node.within
    if not isinstance(given, datetime) or given.tzinfo is None:
        what = "is without a time zone" if isinstance(given, datetime) else "is no datetime"
        raise _wrong(f"{node.name} asks with due={str(given)!r}, which {what}", "due=datetime(2030, 1, 1, tzinfo=UTC)")
    if node.within is None:
        what = f"{node.name} asks with due=, and declares no within="
        raise _wrong(what, "declare within=, so that it is proved what follows when the time is up; due= replaces it")
    return given.astimezone(UTC)


def _names(node: Human[Any, Any], setting: str, given: Any) -> tuple[str, ...]:
    several = (given,) if isinstance(given, str) or given is None else tuple(given)
    if len(several) > MOST_NAMES:
        raise _wrong(f"{node.name} names {len(several):,} people in {setting}=", f"at most {MOST_NAMES}; name a group")
    return tuple(dict.fromkeys(_name(node, setting, each) for each in several if each is not None))


def _name(node: Human[Any, Any], setting: str, given: Any) -> str:
    name = " ".join(given.encode("utf-8", "replace").decode().split()) if isinstance(given, str) else ""
    if not name or len(name) > LONGEST_NAME or (setting == "to" and is_group(name)):
        raise _wrong(f"{node.name} asks with {setting}={given!r}", 'name people: to="alice", candidates=("bob",)')
    return name


def _wrong(what: str, cure: str) -> StepError:
    return StepError(what, cure, retryable=False)
