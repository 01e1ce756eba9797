"""Resources: opened once per process when a body first needs them, closed with the engine, never stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from workflow_engine.errors import Infrastructure, WorkflowError


class Resources:
    """Opens what `workflow(..., resources={Pool: open_pool})` declares; `replaced` openers come first."""

    def __init__(self, replaced: Mapping[type, Callable[..., Any]] | None = None) -> None:
        self._replaced = dict(replaced or {})
        self._opened: dict[tuple[type, Any], Any] = {}
        self._locks: dict[tuple[type, Any], asyncio.Lock] = {}
        self._stack = AsyncExitStack()

    async def get(self, kind: type, declared: Mapping[type, Callable[..., Any]]) -> Any:
        """The open resource of a type. Raises errors.Infrastructure if it cannot be opened."""
        opener = self._replaced.get(kind) or declared[kind]
        place = (kind, opener)
        if place in self._opened:
            return self._opened[place]
        async with self._locks.setdefault(place, asyncio.Lock()):
            if place not in self._opened:
                try:
                    self._opened[place] = await self._stack.enter_async_context(opener())
                except WorkflowError:
                    raise
                except Exception as error:
                    raise Infrastructure(f"resource {kind.__name__} cannot be opened: {error}") from error
        return self._opened[place]

    async def close(self) -> None:
        """Close everything opened, last first."""
        self._opened.clear()
        await self._stack.aclose()
