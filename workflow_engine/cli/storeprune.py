"""The command `store prune`: runs that are over, removed by age and number."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import Json, Store

if TYPE_CHECKING:
    from workflow_engine.ports.keeping import Gone, Pruned

_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


class Prunable(StrEnum):
    """What runs may be removed."""

    SUCCEEDED = "succeeded"
    CANCELLED = "cancelled"
    FAILED = "failed"
    DAMAGED = "damaged"


def prune(
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="that ended longer ago: 90m, 12h, 30d, 8w")
    ] = None,
    keep: Annotated[int | None, typer.Option("--keep", metavar="N", min=0, help="not the newest N of them")] = None,
    workflow: Annotated[str | None, typer.Option("--workflow", metavar="NAME", help="of this workflow")] = None,
    status: Annotated[
        list[Prunable] | None,
        typer.Option("--status", help="that ended so (succeeded, cancelled); failed: that reached FAIL"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only tell which")] = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """Remove runs that are over. Never one that can still go on: it is queued, runs, waits, or can be resumed.

    With --older-than and --keep, a run goes only where both let it go.
    """
    from workflow_engine.cli.figures import plain, several, size
    from workflow_engine.cli.opening import keeper
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.voice import AMBER, emit, emit_json, point, say
    from workflow_engine.ports.keeping import ENDED

    statuses = [each.value for each in status] if status else sorted(ENDED)
    kept = keeper(store)
    pruned = run_loop(
        kept.prune(
            older_than=None if older_than is None else age(older_than),
            keep=keep,
            workflow=workflow,
            statuses=statuses,
            dry=dry_run,
        )
    )
    if json:
        emit_json(_document(pruned, dry_run))
    elif pruned.runs:
        for text in _lines(pruned.runs):
            emit(text)
    count = several(len(pruned.runs), "run")
    if dry_run:
        say(f"{count} would go; nothing was changed")
    elif pruned.runs:
        say(f"{count} pruned; the store took {size(pruned.before)} and takes {size(pruned.after)}{_spare(pruned)}")
    else:
        say("no run is due")
    for each in pruned.owned:
        say(f"left alone: run {each} is being driven", AMBER)
    for each in pruned.hurt:
        say(f"left alone: run {plain(each)}, or one that shares with it, is damaged; workflow store check tells", AMBER)
    for note in pruned.notes:
        say(plain(note))
    point(_next(older_than, keep, workflow, status, dry_run and bool(pruned.runs), store))


def age(text: str) -> timedelta:
    """A time that passed. Raises UsageError.

    >>> age("12h"), age("2w").days
    (datetime.timedelta(seconds=43200), 14)
    """
    from workflow_engine.errors import UsageError

    found = re.fullmatch(r"([0-9]{1,9})([mhdw])", text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no age", "a number of minutes, hours, days or weeks: 90m, 12h, 30d, 8w")
    try:
        return timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
    except OverflowError:
        raise UsageError(f"{text!r} is longer ago than anything was", "say it in days: 3650d") from None


def _next(
    older_than: str | None, keep: int | None, workflow: str | None, status: Any, due: bool, store: Any
) -> tuple[str, str]:
    from workflow_engine.cli.typed import typed

    if not due:
        return "look", typed("runs", store=store)
    words = [] if older_than is None else ["--older-than", older_than]
    words += [] if keep is None else ["--keep", str(keep)]
    words += [] if workflow is None else ["--workflow", workflow]
    for each in status or ():
        words += ["--status", each.value]
    return "prune", typed("store", "prune", *words, store=store)


def _spare(pruned: Pruned) -> str:
    from workflow_engine.cli.figures import size

    return f", {size(pruned.spare)} of it free inside" if pruned.spare >= 2**16 else ""


def _document(pruned: Pruned, dry: bool) -> dict[str, Any]:
    return {
        "dry_run": dry,
        "runs": [
            {
                "run": each.run,
                "workflow": each.workflow,
                "status": each.status,
                "updated": None if each.updated is None else each.updated.isoformat(),
            }
            for each in pruned.runs
        ],
        "owned": list(pruned.owned),
        "damaged": list(pruned.hurt),
        "bytes_before": pruned.before,
        "bytes_after": pruned.after,
        "bytes_free": pruned.spare,
    }


def _lines(runs: Iterable[Gone]) -> list[str]:
    from workflow_engine.cli.figures import ago, line
    from workflow_engine.cli.grid import Cell, grid
    from workflow_engine.cli.signs import sign

    rows = []
    for each in runs:
        mark = sign(each.status)
        rows.append(
            [
                Cell(mark.on(sys.stdout), mark.ansi),
                Cell(line(each.run, 60), "1"),
                Cell(line(each.workflow, 30)),
                Cell(each.status, mark.ansi),
                Cell("" if each.updated is None else ago(each.updated), "2", right=True),
            ]
        )
    return grid(["", "run", "workflow", "status", "ended"], rows, sys.stdout)
