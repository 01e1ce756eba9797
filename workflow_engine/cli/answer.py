"""The command `answer`: record the one answer to a question, then go on with its run here where that is possible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow_engine.cli.options import AllowUnsandboxed, By, Executor, ExecutorName, Json, Models, Store, chain

if TYPE_CHECKING:
    from pathlib import Path

    from workflow_engine.engine import Engine
    from workflow_engine.record.inbox import QuestionRecord, Standing


def answer(
    question: Annotated[
        str, typer.Argument(metavar="QUESTION|RUN", help="a question's id, or its run's if it asks only one")
    ],
    words: Annotated[
        list[str] | None, typer.Argument(metavar="CHOICE|FIELD=VALUE", help="the choice, and fields beside it")
    ] = None,
    json_value: Annotated[
        str | None, typer.Option("--json-value", metavar="JSON", help="the whole answer as JSON, in place of words")
    ] = None,
    by: By = None,
    model: Models = None,
    executor: Executor = ExecutorName.NATIVE,
    store: Store = None,
    allow_unsandboxed: AllowUnsandboxed = False,
    json: Json = False,
) -> None:
    """Answer a question, and go on with its run.

    The run goes on here if its code is found and nobody drives it; otherwise the command to type is printed.
    """
    from workflow_engine.cli.driving import Manner
    from workflow_engine.cli.goingon import go_on_or_say
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.voice import say

    given = list(words or [])
    standing, name = run_loop(_record(question, given, json_value, by, store))
    if standing.status == "open":
        raise typer.Exit(_wait_for_others(standing, name, store, json))
    say(f"answered by {name}")
    go_on_or_say(standing.question.run, Manner(store, executor, chain(model), allow_unsandboxed, json))


def _wait_for_others(standing: Standing, name: str, store: Path | None, as_json: bool) -> int:
    """Say who gave their word so far: the choice needs more."""
    from workflow_engine.cli.exits import Exit
    from workflow_engine.cli.figures import line
    from workflow_engine.cli.typed import answering, typed
    from workflow_engine.cli.voice import AMBER, emit_json, point, say
    from workflow_engine.runtime.view import question_document

    given = [each for each in standing.approved if each.gist == standing.approved[-1].gist]
    needed = standing.question.approvals.get(given[-1].choice, 1)
    people = ", ".join(line(each.by) for each in given)
    say(line(f"{given[-1].choice} by {name}: {len(given)} of {needed} ({people}); others are waited for", 300), AMBER)
    if as_json:
        emit_json(question_document(standing))
    look = ("look", typed("show", standing.question.run, store=store))
    point(look, ("others", answering(standing.question, store=store)))
    return Exit.WAITING


async def _record(
    question: str, words: list[str], json_value: str | None, by: str | None, store: Path | None
) -> tuple[Standing, str]:
    from workflow_engine.cli.acting import acting, named
    from workflow_engine.cli.opening import reading

    async with reading(store) as engine:
        standing = await _asked(engine, question, store)
        asked = standing.question
        # One that is settled refuses any value; that is told before the words are read.
        settled = standing.status != "open" or standing.answer is not None
        value = None if settled else answer_of(asked, words, json_value)
        who = await acting(engine, by, store)
        return await engine.answer(asked.id, value, by=who, through="cli"), named(who)


async def _asked(engine: Engine, name: str, store: Path | None) -> Standing:
    """The question a person means. Raises QuestionNotFound with the ids to choose from."""
    from workflow_engine.cli.typed import answering, typed
    from workflow_engine.errors import QuestionNotFound

    run, dot, number = name.partition(".")
    view = await engine.get(run)
    if dot:
        for each in view.questions:
            if each.question.id == f"{view.id}.{number}":
                return each
        raise QuestionNotFound(f"run {view.id} never asked {number!r}", typed("inbox", view.id, store=store))
    pending = [each for each in view.questions if each.status == "open"]
    if len(pending) == 1:
        return pending[0]
    if not pending and view.letters and (given := [each for each in view.questions if each.answer is not None]):
        return given[-1]  # answered, and not taken up yet: the engine says by whom
    if not pending:
        what = f"run {view.id} asks nothing: its status is {view.status}"
        raise QuestionNotFound(what, typed("show", view.id, store=store))
    listed = "\n".join(answering(each.question, store=store) for each in pending)
    raise QuestionNotFound(f"run {view.id} asks {len(pending)} questions", f"answer one by its id:\n{listed}")


def answer_of(question: QuestionRecord, words: list[str], json_value: str | None) -> Any:
    """The JSON value that these words mean to this question. Raises AnswerRejected with near names."""
    from workflow_engine.cli.inputs import json_or_text, split_pairs, strict_json
    from workflow_engine.cli.typed import answering
    from workflow_engine.errors import AnswerRejected

    if json_value is not None:
        if words:
            raise AnswerRejected("an answer is either words or --json-value, not both", answering(question))
        try:
            return strict_json(json_value)
        except ValueError as error:
            raise AnswerRejected(f"--json-value is no JSON: {error}", """it is like '{"choice": "retry"}'""") from None
    form = question.schema.get("type") == "object"
    plain = [each for each in words if "=" not in each]
    if not form:
        if len(words) != 1:
            raise AnswerRejected(f"question {question.id} takes one value", answering(question))
        return _choice(question, words[0]) if question.choices else _scalar(question.schema, words[0], json_or_text)
    fields = split_pairs([each for each in words if "=" in each])
    if len(plain) > (1 if question.choices else 0):
        raise AnswerRejected(f"{plain[-1]!r} is no FIELD=VALUE of question {question.id}", answering(question))
    value: dict[str, Any] = {}
    if plain:
        value["choice"] = _choice(question, plain[0])
    elif question.choices and "choice" not in fields:
        raise AnswerRejected(
            f"question {question.id} wants a choice: {', '.join(question.choices)}", answering(question)
        )
    declared = question.schema.get("properties")
    properties = declared if isinstance(declared, dict) else {}
    for name, text in fields.items():
        _known(question, name, properties)
        value[name] = _scalar(properties.get(name, {}), text, json_or_text)
    return value


def _choice(question: QuestionRecord, word: str) -> str:
    from workflow_engine.cli.typed import answering
    from workflow_engine.errors import AnswerRejected
    from workflow_engine.targets.place import near_names

    if word in question.choices:
        return word
    near = near_names(word, question.choices)
    raise AnswerRejected(
        f"{word!r} is no choice of question {question.id}; choose {' or '.join(question.choices)}",
        f"did you mean {' or '.join(near)}?" if near else answering(question),
    )


def _known(question: QuestionRecord, name: str, properties: Mapping[str, Any]) -> None:
    from workflow_engine.errors import AnswerRejected
    from workflow_engine.targets.place import near_names

    if name in properties or question.schema.get("additionalProperties"):
        return
    near = near_names(name, properties)
    raise AnswerRejected(
        f"question {question.id} has no field {name!r}",
        f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(properties)}",
    )


def _scalar(schema: Any, text: str, read: Any) -> Any:
    """A word by its schema: text where only text fits, so that hint=42 stays a hint."""
    return text if isinstance(schema, dict) and schema.get("type") == "string" else read(text)
