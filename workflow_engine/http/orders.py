"""Orders: the fixed shapes of what is asked for, as the OpenAPI document tells them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from workflow_engine.http.documents import Document


class Token(Document):
    token: str = Field(max_length=1_000)


class Inputs(Document):
    """What a run begins with: fields of the state."""

    inputs: dict[str, Any] = Field(default={})


class ForkOrder(Document):
    """The step a fork leaves anew, 0 for START and null for the last; and fields of the state that are replaced."""

    at: int | None = Field(default=None, ge=0, le=2**31)
    state: dict[str, Any] = Field(default={})


class ResumeOrder(Document):
    accept_changes: bool = False


class AnswerOrder(Document):
    value: Any


class ReassignOrder(Document):
    to: str = Field(min_length=1, max_length=200)


class SignalOrder(Document):
    name: str = Field(max_length=200)
    payload: Any = None
    id: str | None = Field(default=None, max_length=200)
