"""Drawing what happened from the command line: a run's timeline, and its replay."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_engine.cli.drawing import drawable, format_of, write
from workflow_engine.cli.opening import reading
from workflow_engine.cli.stopping import run_loop
from workflow_engine.cli.voice import emit, say
from workflow_engine.errors import UsageError

if TYPE_CHECKING:
    from workflow_engine.draw import Direction, Theme
    from workflow_engine.runtime.view import RunView
    from workflow_engine.spec.workflow import Workflow


def tell_time(run: str, out: Path | None, theme: Theme, store: Path | None, *, text: bool) -> None:
    """The timeline as a picture, or in words where there is no file for one."""
    from workflow_engine.draw import timeline_in_words, timeline_of, timeline_picture

    wanted = None if out is None else drawable(out)
    workflow, view, now = run_loop(_read(run, store))
    events = [each.event for each in view.behind]
    made = timeline_of(workflow, view.run, events, now=now, interrupted=view.interrupted)
    if text or out is None or wanted is None:
        emit(timeline_in_words(made).rstrip())
        return
    write(timeline_picture(made, wanted, theme=theme), out)
    say(f"drawn: {out}")


def play(run: str, out: Path | None, theme: Theme, direction: Direction, store: Path | None) -> None:
    """The replay as an SVG."""
    from workflow_engine.draw import replay

    if out is None or format_of(out) != "svg":
        raise UsageError("a replay is an animated SVG", "name its file: -o run.svg")
    workflow, view, _ = run_loop(_read(run, store))
    events = [each.event for each in view.behind]
    write(replay(workflow, events, interrupted=view.interrupted, theme=theme, direction=direction), out)
    say(f"drawn: {out}")


async def _read(run: str, store: Path | None) -> tuple[Workflow[Any], RunView[Any], datetime]:
    """Without its code: a store keeps the workflow of each run as JSON."""
    from workflow_engine.spec.document import from_document

    async with reading(store) as engine:
        view = await engine.get(run)
        return from_document(dict(await engine.document(view.id))), view, engine.now()
