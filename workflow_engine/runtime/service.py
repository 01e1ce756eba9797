"""The service: all verbs of one process, the same words as on the command line and in the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from workflow_engine.errors import UsageError
from workflow_engine.runtime import code
from workflow_engine.runtime.nested import Nested
from workflow_engine.runtime.schedules import Schedules
from workflow_engine.runtime.verbs.driving import Driving
from workflow_engine.runtime.verbs.enrolling import Enrolling
from workflow_engine.runtime.verbs.looking import Looking
from workflow_engine.runtime.verbs.retelling import Retelling
from workflow_engine.runtime.verbs.telling import Telling
from workflow_engine.runtime.workshop import Executor, Verb, Workshop
from workflow_engine.spec.nesting import nested
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.live import Surroundings


class Service(Driving, Telling, Enrolling, Looking, Retelling):
    """Runs, as one process sees them. Reading, listing and answering need no workflow; driving needs its code."""

    def __init__(
        self,
        around: Surroundings,
        workflows: Sequence[Workflow[Any]],
        executors: Mapping[str, Executor],
        executor: str = "native",
        *,
        has_model: bool = False,
    ) -> None:
        self._shop = Workshop(around, executors, executor, Nested, has_model)
        self._shop.known(executor)
        self._background: set[asyncio.Task[Any]] = set()
        self.schedules = Schedules(self._shop)
        for each in workflows:
            if self._shop.workflows.setdefault(each.name, each) is not each:
                raise UsageError(f"two workflows are called {each.name!r}", "a run finds its code by name: rename one")
            code.prove(each)
        for each in workflows:
            for inner in nested(each).values():  # a run of its own is found under it: to be looked at, and forked
                self._shop.workflows.setdefault(inner.name, inner)

    async def close(self) -> None:
        """Stop what runs in the background and let go of everything."""
        for task in (*self._background, *([self._shop.ear] if self._shop.ear else [])):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


__all__ = ["Executor", "Service", "Verb"]
