"""The command `inbox`: the questions that wait for a person."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from workflow_engine.cli.options import Json, Store

if TYPE_CHECKING:
    from pathlib import Path

    from workflow_engine.record.inbox import Standing


def inbox(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="only the questions of this run")] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="NAME", help="only what is asked of NAME; 'me' is you (WORKFLOW_TOKEN, login)"),
    ] = None,
    node: Annotated[str | None, typer.Option("--node", metavar="NODE", help="only the questions of this node")] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="only those whose time is up")] = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """List the questions that wait for an answer, oldest first."""
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import answering, typed
    from workflow_engine.cli.voice import emit, emit_json, point, say

    asked = run_loop(_asked(run, to, node, overdue, store))
    if json:
        from workflow_engine.runtime.view import question_document

        emit_json([question_document(each) for each in asked])
    elif asked:
        for text in _lines(asked):
            emit(text)
    else:
        filtered = to is not None or node is not None or overdue
        say("no question fits: leave a filter out" if filtered else "nobody is asked anything")
    if asked:
        first = asked[0].question
        point(("look", typed("show", first.run, store=store)), ("answer", answering(first, store=store)))
    else:
        point(("look", typed("runs", store=store)))


async def _asked(
    run: str | None, to: str | None, node: str | None, overdue: bool, store: Path | None
) -> list[Standing]:
    from workflow_engine.cli.acting import acting, named
    from workflow_engine.cli.opening import reading

    async with reading(store) as engine:
        if to == "me":
            to = named(await acting(engine, None, store))
        return await engine.inbox(run, to=to, node=node, overdue=overdue)


def _lines(asked: list[Standing]) -> list[str]:
    from workflow_engine.cli.figures import ago, line, room
    from workflow_engine.cli.grid import Cell, grid

    whom = any(_of_whom(each) for each in asked)
    rows = []
    for each in asked:
        question = each.question
        rows.append(
            [
                Cell(question.id, "1"),
                Cell(line(question.node, 24), "33"),
                Cell(", ".join(question.choices)),
                Cell("" if question.asked is None else ago(question.asked), "2", right=True),
                Cell("" if question.due is None else ago(question.due), right=True),
                *([Cell(line(_of_whom(each), 24))] if whom else []),
                Cell(line(question.message or question.title)),
            ]
        )
    titles = ["question", "node", "choices", "asked", "due", *(["of"] if whom else []), "message"]
    return grid(titles, rows, sys.stdout, room=room(sys.stdout))


def _of_whom(standing: Standing) -> str:
    """Who is asked, and how many gave their word where it needs several."""
    from workflow_engine.record.people import askable

    known, question = standing.known, standing.question
    parts = [standing.to or " or ".join(askable(question, None))]
    if standing.approved and question.approvals:
        last = standing.approved[-1]
        parts.append(f"{last.choice} by {' and '.join(each.by for each in standing.approved)}")
    if known is not None and known.reminded:
        parts.append("reminded" if known.reminded == 1 else f"reminded {known.reminded} times")
    return ", ".join(part for part in parts if part)
