"""The command `logs`: what a run's steps printed and logged, try by try."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import Json, RunName, Store
from workflow_engine.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


class LevelName(StrEnum):
    """From which level on lines are shown."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


def logs(
    run: RunName,
    step: Annotated[
        str | None, typer.Argument(metavar="STEP", help="a step's number, a node (all its visits) or node:visit")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on until nobody drives the run any more")] = False,
    attempt: Annotated[int | None, typer.Option("--attempt", metavar="N", min=1, help="only the N-th tries")] = None,
    level: Annotated[
        LevelName | None,
        typer.Option("--level", help="only from this level on; what was printed is info, on stderr a warning"),
    ] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="one JSON object a line")] = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """Show what a run's steps printed and logged."""
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit_json, point, say

    if follow and json:
        raise UsageError("--json is one document, and what is followed has no end yet", "follow with --jsonl")
    form = "json" if json else "jsonl" if jsonl else "lines"
    try:
        run_id, found = run_loop(_show(run, step, follow, attempt, level, store, form))
    except BrokenPipeError:  # whoever read has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (until the process ends)
        return
    if json:
        emit_json(found)
    elif not found:
        say("nothing was said")
    if form == "lines":
        point(("run", typed("show", run_id, store=store)))


async def _show(
    run: str,
    step: str | None,
    follow: bool,
    attempt: int | None,
    level: LevelName | None,
    store: Path | None,
    form: str,
) -> tuple[str, list[dict[str, Any]]]:
    """The run and what was shown of it, as documents; where each is told at once, the last of them."""
    from workflow_engine.cli.loglines import Teller, wanted
    from workflow_engine.cli.opening import reading
    from workflow_engine.cli.voice import emit, emit_json
    from workflow_engine.record.logs import RANKS

    found: list[dict[str, Any]] = []
    teller = Teller(sys.stdout)
    async with reading(store) as engine:
        run_id = await engine.find(run)
        which = await wanted(engine, run_id, step, attempt, RANKS[level.value] if level else 0)
        async for spoken in engine.logs(run_id, follow=follow):
            if follow and not spoken.within and which.unknown(spoken.part):
                await which.refresh(engine)
            for said in teller.tell(spoken, which):
                if form == "lines":
                    emit(said.line)
                elif form == "jsonl":
                    emit_json(said.document, indent=None)
                if form != "json":
                    found.clear()
                found.append(said.document)
    return run_id, found
