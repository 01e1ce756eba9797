"""The commands `claim` and `reassign`: who of several answers a question, and giving it to somebody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from workflow_engine.cli.options import By, Json, Store

if TYPE_CHECKING:
    from pathlib import Path

    from workflow_engine.record.inbox import Standing

Question = Annotated[
    str, typer.Argument(metavar="QUESTION|RUN", help="a question's id, or its run's if it asks only one")
]


def claim(question: Question, by: By = None, store: Store = None, json: Json = False) -> None:
    """Take a question that several may answer.

    The others see who has it; they may answer it all the same.
    """
    from workflow_engine.cli.stopping import run_loop

    _tell(run_loop(_claimed(question, by, store)), store, json)


def reassign(
    question: Question,
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="who is asked from now on")],
    by: By = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Ask somebody else; who gave it away is recorded."""
    from workflow_engine.cli.stopping import run_loop

    _tell(run_loop(_reassigned(question, to, by, store)), store, json)


async def _claimed(question: str, by: str | None, store: Path | None) -> Standing:
    from workflow_engine.cli.acting import acting
    from workflow_engine.cli.opening import reading

    async with reading(store) as engine:
        return await engine.claim(question, by=await acting(engine, by, store))


async def _reassigned(question: str, to: str, by: str | None, store: Path | None) -> Standing:
    from workflow_engine.cli.acting import acting
    from workflow_engine.cli.opening import reading

    async with reading(store) as engine:
        return await engine.reassign(question, to=to, by=await acting(engine, by, store))


def _tell(standing: Standing, store: Path | None, json: bool) -> None:
    from workflow_engine.cli.figures import line
    from workflow_engine.cli.typed import answering
    from workflow_engine.cli.voice import emit, emit_json, point
    from workflow_engine.runtime.view import question_document

    if json:
        emit_json(question_document(standing))
    else:
        emit(f"question {standing.question.id} is asked of {line(standing.to or 'anybody')}")
    point(("answer", answering(standing.question, store=store)))
