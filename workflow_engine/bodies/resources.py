"""Resources: opened once per process when a body first needs them, closed with the engine, never stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from workflow_engine.errors import Infrastructure, WorkflowError
from workflow_engine.spec.toolbox import Shelf, Toolbox

log = logging.getLogger("workflow_engine")


class Resources:
    """Opens what `workflow(..., resources={Pool: open_pool})` declares; `replaced` openers come first."""

    def __init__(self, replaced: Mapping[type, Callable[..., Any]] | None = None) -> None:
        self._replaced = dict(replaced or {})
        self._held: dict[tuple[type, Any], _Held] = {}

    async def get(self, kind: type, declared: Mapping[type, Callable[..., Any]]) -> Any:
        """The open resource of a type. Raises errors.Infrastructure if it cannot be opened."""
        return await self._opened(kind, self._replaced.get(kind) or declared[kind], f"resource {kind.__name__}")

    async def shelf(self, box: Toolbox) -> Shelf:
        """The open toolbox. Raises errors.WorkflowError if it cannot be opened."""
        shelf: Shelf = await self._opened(Toolbox, box.open, f"the tools of {box.name}")
        return shelf

    async def _opened(self, kind: type, opener: Callable[..., Any], name: str) -> Any:
        held = self._held.get((kind, opener))
        if held is None or held.gone:
            # Put in last, so that what was opened later is closed earlier.
            self._held.pop((kind, opener), None)
            held = self._held[(kind, opener)] = _Held(name, opener)
        # A step that is stopped while it waits does not stop the opening: others may wait for the same resource.
        return await asyncio.shield(held.opened)

    async def close(self) -> None:
        """Close everything opened, last first. After them all raises errors.Infrastructure for the first that fails."""
        problems: list[WorkflowError] = []
        while self._held:
            _, held = self._held.popitem()
            try:
                await held.close()
            except WorkflowError as problem:
                problems.append(problem)
        if problems:
            raise problems[0]


class _Held:
    """One resource in a task of its own, which opens and closes it: cancel scopes and task groups insist on that."""

    def __init__(self, name: str, opener: Callable[..., Any]) -> None:
        self._name, self._opener = name, opener
        self.opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        # Looked at even where every step that waited for it was stopped meanwhile.
        self.opened.add_done_callback(lambda opened: opened.cancelled() or opened.exception())
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._hold(), name=name)

    @property
    def gone(self) -> bool:
        """Whether it did not open, or ended by itself."""
        return self._task.done()

    async def close(self) -> None:
        self._closing.set()
        if not self.opened.done():
            self._task.cancel()
        problem = await self._task
        if problem is not None:
            raise problem

    async def _hold(self) -> WorkflowError | None:
        try:
            async with self._opener() as resource:
                self.opened.set_result(resource)
                await self._closing.wait()
        except (Exception, asyncio.CancelledError, SystemExit) as error:
            if self.opened.done() and self._closing.is_set():
                return self._problem("did not close", error)
            if self.opened.done():
                log.error("%s ended by itself: %s", self._name, error)
                return None
            self.opened.set_exception(self._problem("cannot be opened", error))
        return None

    def _problem(self, what: str, error: BaseException) -> WorkflowError:
        if isinstance(error, WorkflowError):
            return error
        problem = Infrastructure(f"{self._name} {what}: {str(error) or type(error).__name__}")
        problem.__cause__ = error
        return problem
