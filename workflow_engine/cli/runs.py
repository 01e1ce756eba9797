"""The command `runs`: the runs of a store, newest first."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import Json, Store

if TYPE_CHECKING:
    from pathlib import Path

    from workflow_engine.ports.ledger import Listed


class StatusName(StrEnum):
    """What runs can be picked by."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


def runs(
    workflow: Annotated[
        str | None, typer.Option("--workflow", metavar="NAME", help="only runs of this workflow")
    ] = None,
    status: Annotated[StatusName | None, typer.Option("--status", help="only runs with this status")] = None,
    search: Annotated[
        str, typer.Option("--search", metavar="TEXT", help="only with this in the id or the workflow's name")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="at most so many")] = 20,
    before: Annotated[str | None, typer.Option("--before", metavar="RUN", help="the page after this run")] = None,
    children: Annotated[bool, typer.Option("--children", help="also those that do a subflow of another")] = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """List runs, newest first."""
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import typed
    from workflow_engine.cli.voice import emit, emit_json, point, say

    listed = run_loop(_listed(workflow, status, search, limit, before, store, children))
    if json:
        emit_json([_document(each) for each in listed])
    elif listed:
        for text in _lines(listed):
            emit(text)
    else:
        say("no run is like that" if workflow or status or search or before else "there is no run yet")
    if not listed:
        point(("begin", typed("run", "TARGET", store=store)))
        return
    # The next page is one of the same list.
    picked = [
        word
        for each in (("--workflow", workflow), ("--status", status), ("--search", search))
        if each[1]
        for word in each
    ]
    same = [*map(str, picked), *(["--children"] if children else [])]
    more = [("more", typed("runs", *same, "--before", listed[-1].run, store=store))] if len(listed) == limit else []
    point(*more, ("look", typed("show", listed[0].run, store=store)))


async def _listed(
    workflow: str | None,
    status: str | None,
    search: str,
    limit: int,
    before: str | None,
    store: Path | None,
    children: bool,
) -> list[Listed]:
    from workflow_engine.cli.opening import reading

    async with reading(store) as engine:
        after = None if before is None else await engine.find(before)
        page = await engine.runs(
            workflow=workflow, status=status, search=search, limit=limit, before=after, children=children
        )
        return await engine.as_they_stand(page)


def _document(listed: Listed) -> dict[str, Any]:
    return {
        "run": listed.run,
        "workflow": listed.workflow,
        "status": listed.status,
        "reason": listed.reason,
        "created": listed.created.isoformat(),
        "updated": listed.updated.isoformat(),
        "steps": listed.steps,
        **({} if listed.parent is None else {"parent": {"run": listed.parent[0], "step": listed.parent[1]}}),
        **({} if listed.within is None else {"within": listed.within}),
    }


def _from(listed: Listed) -> str:
    if listed.within is not None:
        return f"within {listed.within}"
    return "" if listed.parent is None else f"{listed.parent[0]} at step {listed.parent[1]}"


def _lines(listed: list[Listed]) -> list[str]:
    from workflow_engine.cli.figures import ago, line, several
    from workflow_engine.cli.grid import Cell, grid
    from workflow_engine.cli.signs import sign

    rows = []
    for each in listed:
        word = "interrupted" if each.reason == "interrupted" else each.status
        mark = sign(word)
        why = each.reason if each.reason and each.reason != word else ""
        rows.append(
            [
                Cell(mark.on(sys.stdout), mark.ansi),
                Cell(each.run, "1"),
                Cell(line(each.workflow, 30)),
                Cell(word, mark.ansi),
                Cell(line(why, 40)),
                Cell(several(each.steps, "step"), right=True),
                Cell(ago(each.updated), "2", right=True),
                Cell(_from(each), "2"),
            ]
        )
    return grid(["", "run", "workflow", "status", "", "steps", "changed", "forked from"], rows, sys.stdout)
