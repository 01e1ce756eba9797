"""Answering: one answer to one question, checked against the question's own JSON Schema before it is recorded."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import to_jsonable_python

from workflow_engine.errors import (
    AlreadyAnswered,
    AnswerRejected,
    Conflict,
    LimitExceeded,
    QuestionNotFound,
    StoreError,
)
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.events import QuestionApproved
from workflow_engine.record.ids import QuestionId
from workflow_engine.record.inbox import Answer, Letter, QuestionRecord, Standing
from workflow_engine.record.people import Principal, choice_in, gist
from workflow_engine.record.values import Value, Write, set_to
from workflow_engine.runtime.look import find, inbox
from workflow_engine.runtime.people import acting, must_be_asked
from workflow_engine.runtime.schema import problems
from workflow_engine.runtime.takingin import take_in
from workflow_engine.runtime.workshop import Workshop
from workflow_engine.spec.limits import RunLimits
from workflow_engine.steps.writing import within_state


async def answer(shop: Workshop, question: str, value: Any, by: Any, through: str) -> Standing:
    """Record the one answer to a question, given by its id, or by its run's where that asks only one.

    Where the choice needs several people it is the word of one of them, and the answer once enough gave the same.
    """
    who = await acting(shop.ledger, by)
    standing = await asked(shop.ledger, question)
    must_be_open(standing)
    must_be_asked(standing, who)
    record = standing.question
    if record.approvals:
        value = await _seconding(shop.ledger, standing, value)
    valid = fitting(standing, value, shop.around.limits)
    now = shop.around.clock.now()
    if record.due is not None and record.due <= now:
        raise QuestionNotFound(
            f"question {record.id} expired at {record.due:%Y-%m-%d %H:%M} UTC", f"workflow resume {record.run}"
        )
    several = record.approvals.get(choice_in(valid) or "", 1) > 1
    if several:
        _must_be_new(standing, valid, who)
    await _fits_state(shop, record, valid)
    given = Answer(record.id, valid, who.name, now, through, who.authenticated)
    handed = None if standing.known is None else standing.known.handed
    if several:
        name = f"{record.id}:{who.name}"
        await shop.ledger.send(Letter(name, record.run, "approval", who.name, now, given, handed=handed))
    else:
        await shop.ledger.send(Letter(record.id, record.run, "answer", who.name, now, given, handed=handed))
    if several:
        stands = await shop.ledger.question(record.id)
        if stands.status == "open":
            await take_in(shop, record.run)
            return stands
    shop.wake(record.run)
    return Standing(record, "answered", given)


async def _seconding(ledger: Ledger, standing: Standing, value: Any) -> Any:
    """The answer that a bare choice means where somebody gave that choice before: theirs, with all that is in it."""
    bare = value["choice"] if isinstance(value, dict) and list(value) == ["choice"] else value
    if not isinstance(bare, str) or not any(each.choice == bare for each in standing.approved):
        return value
    wanted = next(each.gist for each in reversed(standing.approved) if each.choice == bare)
    run = standing.question.run
    told = [each.event.answer for each in await ledger.journal(run) if isinstance(each.event, QuestionApproved)]
    told += [each.answer for each in await ledger.letters(run) if each.answer is not None]
    return next((each.value for each in told if gist(each.value) == wanted), value)


def _must_be_new(standing: Standing, value: Any, who: Principal) -> None:
    """Raises errors.Conflict for a second word of one person, AnswerRejected for one unlike those given before."""
    question, choice = standing.question, choice_in(value)
    if any(each.by == who.name for each in standing.approved):
        raise AlreadyAnswered(f"{who.name} answered question {question.id} already", "somebody else must, too")
    other = [each for each in standing.approved if each.choice == choice and each.gist != gist(value)]
    if other:
        raise AnswerRejected(
            f"{other[0].by} gave {choice!r} with other values, and several people must give the same answer",
            f"give the same by the choice alone, or another choice: workflow answer {question.id} {choice}",
        )


async def asked(ledger: Ledger, question: str) -> Standing:
    """The question of an id, or the only one of a run. Raises errors.QuestionNotFound."""
    try:
        return await ledger.question(QuestionId(question))
    except QuestionNotFound:
        if "." in question:
            raise
    run_id = await find(ledger, question)
    waiting = await inbox(ledger, run_id)
    if len(waiting) == 1:
        return waiting[0]
    if not waiting:
        run = (await ledger.read(run_id)).run
        if len(run.open) == 1:  # answered already: refused as just that
            return await ledger.question(run.open[0].id)
        raise QuestionNotFound(f"run {run_id} asks nothing: its status is {run.status}", f"workflow show {run_id}")
    ids = ", ".join(each.question.id for each in waiting)
    raise QuestionNotFound(f"run {run_id} asks {len(waiting)} questions", f"answer one of them by its id: {ids}")


def must_be_open(standing: Standing) -> None:
    """Raises errors.AlreadyAnswered, and errors.Conflict for a question nothing waits for."""
    question = standing.question
    if standing.answer is not None or standing.status == "answered":
        by = f" by {standing.answer.by}" if standing.answer else ""
        raise AlreadyAnswered(f"question {question.id} was answered{by}", f"workflow show {question.run}")
    if standing.status == "withdrawn":
        raise Conflict(
            f"question {question.id} was withdrawn: nothing waits for its answer any more",
            f"workflow show {question.run}",
        )
    if standing.status != "open":
        raise Conflict(
            f"question {question.id} is {standing.status}; nothing waits for an answer", f"workflow show {question.run}"
        )


def fitting(standing: Standing, value: Any, limits: RunLimits) -> Any:
    """The answer as it will be recorded: a model becomes plain JSON, and a bare choice {"choice": ...} where the schema
    wants an object.

    Raises errors.AnswerRejected with every way in which the value does not fit.
    """
    question = standing.question
    value = _plain(question, value, limits.write)
    if isinstance(value, str) and value in question.choices and question.schema.get("type") == "object":
        value = {"choice": value}
    wrong = problems(question.schema, value, f"question {question.id}")
    if wrong:
        raise AnswerRejected(
            f"the answer does not fit question {question.id}:\n    " + "\n    ".join(wrong),
            f"choose one of {', '.join(question.choices)}"
            if question.choices
            else "see its schema: workflow inbox --json",
        )
    return value


def _plain(question: QuestionRecord, value: Any, most: int) -> Any:
    try:
        plain = to_jsonable_python(value)
        text = json.dumps(plain, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (ValueError, TypeError, RecursionError) as error:
        what = str(error).splitlines()[0][:160]
        raise AnswerRejected(
            f"the answer to question {question.id} is no plain JSON: {what}",
            "answer with text, numbers, lists, dicts, or the model that was asked for",
        ) from error
    if size > most:
        raise AnswerRejected(
            f"the answer to question {question.id} has {size:,} bytes of JSON, and one write holds at most {most:,}",
            "answer with the place where it can be found",
        )
    return plain


async def _fits_state(shop: Workshop, asked: QuestionRecord, answer: Any) -> None:
    """Raises AnswerRejected for an answer that would make the state too large, as far as can be told without code.

    Whoever takes the answer up looks again: other steps may have written meanwhile, and reducers are code.
    """
    if asked.asks != "human":
        return
    state = (await shop.ledger.read(asked.run)).state
    try:
        shape: Any = (await shop.ledger.document(asked.run)).get("shape")
    except StoreError:  # a run may lack its document, and can be answered all the same
        return
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    held: dict[str, Value] = dict(state)
    try:
        reducers = {name: shape["fields"][name]["reducer"] for name in shape["nodes"][asked.node]["writes"]}
    except (LookupError, TypeError):  # no engine wrote it: nothing can be told of it
        return
    for name, reducer in reducers.items():
        match reducer:
            case None:
                held[name] = set_to(text)
            case "append":
                held[name] = held[name].then(Write(name, "append", text), 0) if name in held else set_to(text)
            case _:
                pass
    try:
        within_state(state, held, f"the answer to question {asked.id} is too much", shop.around.limits)
    except LimitExceeded as error:
        raise AnswerRejected(error.what, "answer with the place where it can be found, or raise the limit") from error
