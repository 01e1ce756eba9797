"""A function as a speaker: what a test, or somebody with a model of their own, puts in a model's place."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pydantic_core import to_json

from workflow_engine.agents.loop import LoopRunner
from workflow_engine.agents.models import Endpoint
from workflow_engine.agents.speaker import Asking, Said

MOST = Endpoint.most


class FunctionSpeaker:
    """Implements agents.speaker.Speaker on `answer(asking)`, async or plain (in a thread).

    It returns the answer in its own type, or text, or a `Said` where it wants tools used or tells what it cost.
    """

    def __init__(
        self, answer: Callable[[Asking], Any], name: str | None = None, *, prices: str = "", most: int = MOST
    ) -> None:
        self._answer = answer
        self._name = str(name or getattr(answer, "__name__", type(answer).__name__))
        self.link = Endpoint(self._name, self._name, "chat", most=most, prices=prices)

    @property
    def name(self) -> str:
        return self._name

    @property
    def secrets(self) -> tuple[str, ...]:
        return ()

    async def say(self, asking: Asking) -> Said:
        if inspect.iscoroutinefunction(self._answer) or inspect.iscoroutinefunction(
            getattr(self._answer, "__call__", None)  # noqa: B004 (an object whose call is async)
        ):
            given = await self._answer(asking)
        else:
            given = await asyncio.to_thread(self._answer, asking)
        if isinstance(given, Said):
            return given if given.model else replace(given, model=self._name)
        return Said(given if isinstance(given, str) else to_json(given).decode(), model=self._name)

    async def close(self) -> None: ...


def function_runner(
    answer: Callable[[Asking], Any],
    *,
    name: str | None = None,
    call_limit: timedelta = timedelta(minutes=10),
    prices: str = "",
    most: int = MOST,
) -> LoopRunner:
    """Agents that are answered by a function of what was said.

    `prices` names the price list of what it says it used, `most` the tokens of an answer that a budget reserves.
    """
    return LoopRunner(FunctionSpeaker(answer, name, prices=prices, most=most), call_limit=call_limit)
