"""The live view: one display of a cell that follows a run, without widgets, while the cell awaits it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

from workflow_engine.draw import picture_async
from workflow_engine.engine import Engine
from workflow_engine.errors import DrawingError, UsageError
from workflow_engine.notebook.bundles import of_run, run_diagram, summary
from workflow_engine.notebook.pictures import Bundle, bundle_of, theme
from workflow_engine.notebook.registering import running
from workflow_engine.runtime.view import RunView
from workflow_engine.spec.document import from_document
from workflow_engine.spec.edges import shown
from workflow_engine.spec.workflow import Workflow

_MOMENT = 0.02
"""Seconds between two looks for a run that has only just begun."""


async def live(
    engine: Engine, run: str | RunView[Any] | Awaitable[RunView[Any]], /, *, every: float = 0.3
) -> RunView[Any]:
    """Show a run while it goes on, drawn anew at most `every` so many seconds; how it stands at the end.

    `run` is what drives it here, `live(engine, engine.run(flow, text="..."))` or `engine.resume(...)` or `fork`, or the
    name of a run that another process drives: that one is followed until nothing more will come by itself. Outside of a
    notebook it is lines on stderr. Raises what the drive raises, and errors.RunNotFound.
    """
    show = _Display()
    if isinstance(run, str | RunView):
        view = await engine.get(run if isinstance(run, str) else run.id)
        await _follow(engine, view.id, show, every)
        return await _shown(engine, view.id, show)
    if not isinstance(run, Awaitable):
        raise UsageError(f"{shown(run)} is no run", "live(engine, engine.run(workflow)), or live(engine, run.id)")
    before = set(engine.driven)
    drive = asyncio.ensure_future(run)
    try:
        name = await _begun(engine, before, drive)
        if name is not None:
            following = asyncio.create_task(_follow(engine, name, show, every))
            try:
                await asyncio.wait([drive])
            finally:
                following.cancel()
                with suppress(asyncio.CancelledError):
                    await following
                if not drive.cancelled():
                    await _shown(engine, name, show)
        view = await drive
    finally:
        if not drive.done():  # the cell was interrupted: the run stops, and can be resumed
            drive.cancel()
            await asyncio.wait([drive])
    if name is None:
        await _shown(engine, view.id, show)
    return view


async def _begun(engine: Engine, before: set[Any], drive: asyncio.Future[RunView[Any]]) -> str | None:
    """The run that is driven here and was not before; None where it is over already."""
    while not drive.done():
        if new := [each for each in engine.driven if each not in before]:
            return new[0]
        await asyncio.wait([drive], timeout=_MOMENT)
    return None


async def _follow(engine: Engine, run: str, show: _Display, every: float) -> None:
    """Draw the run whenever something new is durable, and no more often than `every`."""
    workflow = from_document(dict(await engine.document(run)))
    news = asyncio.Event()
    ended = asyncio.Event()

    async def listen() -> None:
        try:
            async for _ in engine.watch(run):
                news.set()
        finally:
            ended.set()
            news.set()

    listening = asyncio.create_task(listen())
    try:
        while not ended.is_set():
            await news.wait()
            news.clear()
            show(await _drawn(workflow, await engine.get(run)))
            await asyncio.wait([listening], timeout=every)
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


async def _drawn(workflow: Workflow[Any], view: RunView[Any]) -> Bundle:
    diagram = run_diagram(workflow, view)
    try:
        made = await picture_async(diagram, "svg", theme=theme())
    except DrawingError:
        return of_run(view, workflow)
    return bundle_of(diagram, made, summary(view))


async def _shown(engine: Engine, run: str, show: _Display) -> RunView[Any]:
    """The last look, with what is asked."""
    view = await engine.get(run)
    workflow = from_document(dict(await engine.document(view.id)))
    show(await asyncio.to_thread(of_run, view, workflow))
    return view


class _Display:
    """One output of a cell that is written over; where there is no notebook, a line for each change."""

    def __init__(self) -> None:
        self._shown: Any = None
        self._last = Bundle()

    def __call__(self, bundle: Bundle) -> None:
        before, self._last = self._last, bundle
        if running() is None:
            if bundle["text/plain"] != before.get("text/plain"):
                sys.stderr.write(f"{bundle['text/plain']}\n")
            return
        if bundle == before:
            return
        from IPython import display

        put: Any = display.display  # it has no types
        if self._shown is None:
            self._shown = put(bundle, raw=True, display_id=True)
        else:
            self._shown.update(bundle, raw=True)
