"""The channels port: ways by which people are told what happened in a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from workflow_engine.record.ids import RunId


@dataclass(frozen=True)
class Message:
    """What is told. `id` is the same for every try; `text` is whole by itself and plain, `data` the same as JSON.

    `to` are the people and groups who are asked; nobody in particular where it is empty. `link` leads to the page,
    `command` is what to type instead.
    """

    id: str
    happened: str
    at: datetime
    run: RunId
    workflow: str
    title: str
    text: str
    command: str
    link: str | None = None
    to: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


class Undelivered(Exception):
    """A message did not arrive. `retryable` says whether a later try may, `retry_after` after how many seconds."""

    def __init__(self, why: str, *, retryable: bool = True, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.retryable = retryable
        self.retry_after = retry_after


class Channel(Protocol):
    """One way to tell somebody. A message may come twice, under the same id: whoever sent it died before it said so."""

    @property
    def name(self) -> str:
        """What it is told apart by, among all channels of a store."""
        ...

    def wants(self, message: Message) -> bool:
        """Whether a message is for this channel."""
        ...

    async def send(self, message: Message) -> None:
        """Tell it; returns once it arrived. Cancelled where it takes too long. Raises Undelivered."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
