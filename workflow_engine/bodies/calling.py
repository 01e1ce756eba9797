"""Calling a user's function: async ones on the loop, plain ones in a thread, `process=True` ones in a child."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import anyio.to_process
import anyio.to_thread


async def call(body: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    """The function's value. A plain function's thread cannot be stopped: on cancellation it is left to finish alone."""
    if _is_async(body):
        return await body(**given)
    value = await anyio.to_thread.run_sync(partial(body, **given), abandon_on_cancel=True)
    return await value if inspect.isawaitable(value) else value


def _is_async(body: Callable[..., Any]) -> bool:
    code = getattr(body, "__code__", None)
    if code is not None and code.co_flags & inspect.CO_COROUTINE:  # as most are; `inspect` looks through more
        return True
    asks = inspect.iscoroutinefunction
    return asks(body) or asks(inspect.unwrap(body)) or asks(type(body).__call__)
