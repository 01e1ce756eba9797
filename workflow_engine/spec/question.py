"""What a person is asked: made by the body of a `@human` node, stored and shown by the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

A_co = TypeVar("A_co", covariant=True)


@dataclass(frozen=True)
class Question(Generic[A_co]):
    """A question whose answer has type A. `evidence` is text shown beneath the message, one piece an entry."""

    message: str
    evidence: Sequence[str] = ()
    title: str | None = None
