"""Ids that cannot be confused."""

from __future__ import annotations

from typing import NewType

RunId = NewType("RunId", str)
QuestionId = NewType("QuestionId", str)


def question_id(run: RunId, number: int) -> QuestionId:
    """The number-th question (from 1) a run ever asked. Derived, so asking again after a crash cannot double it."""
    return QuestionId(f"{run}.q{number}")


def run_of(question: QuestionId) -> RunId:
    """The run that asked."""
    return RunId(question.rpartition(".")[0])


def step_key(run: RunId, node: str, visit: int, item: int | None = None) -> str:
    """The idempotency key of one visit, or of one item in it; the same for each of its attempts."""
    return f"{run}/{node}/{visit}" if item is None else f"{run}/{node}/{visit}/{item}"
