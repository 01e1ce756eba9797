"""What a person is asked: made by the body of a `@human` node, stored and shown by the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

A_co = TypeVar("A_co", covariant=True)


@dataclass(frozen=True)
class Question(Generic[A_co]):
    """A question whose answer has type A. `evidence` is text shown beneath the message, one piece an entry.

    `to`, `candidates` and `due` take the place of what the node declares, for this question. `not_by` are people who
    must not answer it, such as the author of what is approved; None among them is nobody.
    """

    message: str
    evidence: Sequence[str] = ()
    title: str | None = None
    to: str | None = None
    candidates: Sequence[str] | None = None
    due: datetime | None = None
    not_by: str | Sequence[str | None] | None = ()
