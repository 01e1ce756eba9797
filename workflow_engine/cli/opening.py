"""Opening a store to look or to answer: nothing is made, nothing recovered, no workflow's code needed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from workflow_engine.settings import read_settings

if TYPE_CHECKING:
    from workflow_engine.engine import Engine


@asynccontextmanager
async def reading(store: Path | None) -> AsyncIterator[Engine]:
    """An engine on a store that must be there. Raises StoreError where it is not."""
    from workflow_engine.engine import Engine

    settings = read_settings(store=store)
    async with Engine.connect(settings.store, create=False, limits=settings.limits) as engine:
        yield engine
