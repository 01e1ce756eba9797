"""A node whose result is kept, in a module of its own: what it holds from around itself would be no part of its key."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from workflow_engine import END, START, State, function, workflow

CALLS: list[int] = []
DAY = timedelta(days=1)


class Sums(State):
    n: int = 0
    more: int = 5
    total: int = 0
    small: Annotated[int, Field(lt=5)] = 0


async def add(n: int, more: int) -> int:
    await asyncio.sleep(0)
    CALLS.append(n)
    return n + more


def adding(cache: timedelta | None = DAY, name: str = "adding", writes: str = "total", body: Any = add) -> Any:
    """A workflow of one node that adds, with its result kept for so long."""
    node = function(name="add", writes=writes, cache=cache)(body)
    return workflow(name, state=Sums, edges=[START >> node >> END])
