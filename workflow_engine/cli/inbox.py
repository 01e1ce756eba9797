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
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="only the questions of this run")] = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """List the questions that wait for an answer, oldest first."""
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.typed import answering, typed
    from workflow_engine.cli.voice import emit, emit_json, point, say

    asked = run_loop(_asked(run, store))
    if json:
        from workflow_engine.runtime.view import question_document

        emit_json([question_document(each) for each in asked])
    elif asked:
        for text in _lines(asked):
            emit(text)
    else:
        say("nobody is asked anything")
    if asked:
        first = asked[0].question
        point(("look", typed("show", first.run, store=store)), ("answer", answering(first, store=store)))
    else:
        point(("look", typed("runs", store=store)))


async def _asked(run: str | None, store: Path | None) -> list[Standing]:
    from workflow_engine.cli.opening import reading

    async with reading(store) as engine:
        return await engine.inbox(run)


def _lines(asked: list[Standing]) -> list[str]:
    from workflow_engine.cli.figures import ago, line, room
    from workflow_engine.cli.grid import Cell, grid

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
                Cell(line(question.message or question.title)),
            ]
        )
    return grid(["question", "node", "choices", "asked", "due", "message"], rows, sys.stdout, room=room(sys.stdout))
