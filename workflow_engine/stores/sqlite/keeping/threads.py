"""Acts on a thread of their own: an event loop goes on meanwhile, and who stops waiting stops the act."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from workflow_engine.stores.sqlite.keeping.connecting import Stop

T = TypeVar("T")


async def apart(act: Callable[[Stop], T]) -> T:
    """What the act returns or raises."""
    stop = Stop()
    task = asyncio.ensure_future(asyncio.to_thread(act, stop))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        # The act undoes what it began before anybody goes on.
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise
