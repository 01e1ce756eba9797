"""An ear for runs: what is heard of each, in numbered words, for whoever waits for it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from typing import Any

from workflow_engine.ports.listener import Began, Said
from workflow_engine.record import events as e
from workflow_engine.record.ids import RunId

KEPT = 1000
"""Runs that are remembered."""


class Ear:
    """Implements ports.listener.Listener."""

    def __init__(self) -> None:
        self._heard: OrderedDict[RunId, tuple[int, str]] = OrderedDict()
        self._news: dict[RunId, asyncio.Event] = {}

    def hear(self, run: RunId, event: Any) -> None:
        """Take note."""
        number, words = self._heard.pop(run, (0, ""))
        self._heard[run] = (number + 1, _words(event) or words)
        while len(self._heard) > KEPT:
            self._heard.popitem(last=False)
        news = self._news.pop(run, None)
        if news is not None:
            news.set()

    async def wait(self, run: RunId, after: int, seconds: float) -> tuple[int, str]:
        """What was last heard of a run and its number, once that is more than `after` or the time is up."""
        if self._heard.get(run, (0, ""))[0] <= after:
            news = self._news.setdefault(run, asyncio.Event())
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), max(0.01, seconds))
        return self._heard.get(run, (after, ""))


def _words(event: Any) -> str:
    match event:
        case Began():
            return f"{event.node} began"
        case Said():
            return f"{event.node}: {event.words}"[:200]
        case e.StepFinished():
            return f"{event.node} is done"
        case _:
            return ""
