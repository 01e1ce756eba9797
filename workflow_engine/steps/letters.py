"""Letters: what came from outside is taken by the run's owner, each in the commit that acts on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from workflow_engine.bodies.human import answer_schema
from workflow_engine.errors import Conflict, Failure, StoreError
from workflow_engine.record import people
from workflow_engine.record.events import (
    QuestionAnswered,
    QuestionApproved,
    QuestionAsked,
    QuestionReassigned,
    QuestionWithdrawn,
    RunCancelled,
)
from workflow_engine.record.ids import QuestionId, place_of, question_id
from workflow_engine.record.inbox import MIDWAY, Answer, Approval, Letter, Open, QuestionRecord
from workflow_engine.record.people import choice_in
from workflow_engine.spec.each import Each
from workflow_engine.spec.nodes import Human
from workflow_engine.steps.asking import ACCEPT, FAIL
from workflow_engine.steps.attempt import failure_of
from workflow_engine.steps.deadlines import keep_deadlines
from workflow_engine.steps.entering import look_within
from workflow_engine.steps.expiring import expire
from workflow_engine.steps.live import Live
from workflow_engine.steps.settling import Taken, fail, finish
from workflow_engine.steps.spreading import accepted, given_up
from workflow_engine.steps.waiting import over, receive
from workflow_engine.steps.writing import decoded


async def take_letters(live: Live) -> None:
    """Take every letter in the run's box, and do what the deadlines of its questions and waits ask for."""
    live.mail = False
    told: list[str] = []
    for letter in await live.around.ledger.letters(live.run.id):
        if letter.kind == "cancel":
            live.cancelled_by = letter.by
        elif letter.kind == "child":
            told.append(letter.id)
        elif letter.kind == "reassign":
            await _reassign(live, letter)
        elif letter.answer is not None:
            await _answer(live, letter, letter.answer)
        elif letter.signal is not None:
            await receive(live, letter, letter.signal)
    if told or any(each.on == "run" for each in live.run.waits):
        await look_within(live, told)
    for node in tuple(live.bells):
        live.ring(node)
    if live.run.due is None:
        return
    now = live.around.clock.now()
    if live.run.deadline is not None:  # what was due before it came first, whoever looks when
        now = min(now, live.run.deadline)
    await keep_deadlines(live, now)
    for waiting in live.run.waits:
        if live.run.wait(waiting.node) != waiting:
            continue  # what the one before it led to has left their fork
        if waiting.until is not None and waiting.until <= now and not waiting.complete and waiting.on != "run":
            await over(live, waiting, now)


async def cancel(live: Live) -> None:
    """Commit the end of a run that somebody cancelled, or whose time is up, once its steps have stopped."""
    if live.run.ended:  # the last step finished instead of stopping
        return
    if live.cancelled_by is None:
        await expire(live)
        return
    for within in live.run.entered.values():  # first, or one left by a crash between would go on for ever
        assert live.nest is not None
        await live.nest.cancel(within, live.cancelled_by, live.run.id)
    now = live.around.clock.now()
    withdrawn = [QuestionWithdrawn(now, each.id, each.node, each.visit) for each in live.run.open]
    letters = await live.around.ledger.letters(live.run.id)
    await live.post([*withdrawn, RunCancelled(now, live.cancelled_by)], (), [each.id for each in letters])


async def _answer(live: Live, letter: Letter, answer: Answer) -> None:
    stored = None if _open(live, answer.question) is None else await live.around.ledger.question(answer.question)
    # From here on nothing is waited for: a step that ends beside this may leave the fork that the question stands in.
    question = _open(live, answer.question)
    now = live.around.clock.now()
    if question is None or stored is None:
        # The question was withdrawn or expired before its answer was taken: nothing waits for it.
        await live.post([], (), [letter.id])
        return
    asked = stored.question
    taken_up = QuestionAnswered(now, question.id, question.node, question.visit, answer)
    given = [*question.approved, people.approval(answer)] if letter.kind == "approval" else []
    if given and not people.decides(asked, given):
        approved = QuestionApproved(now, question.id, question.node, question.visit, answer, given[-1])
        await live.post([approved], (), [letter.id])
        return
    node = live.workflow.nodes[question.node]
    # Only a declared word leads anywhere: a person who types "failed" as free text has not made the step fail.
    said = choice_in(answer.value)
    word = said if said in asked.choices else None
    taken = Taken(
        node, question.visit, asked.asked or now, words=f"{word or 'answered'} (by {_names(given) or answer.by})"
    )
    try:
        if question.asks == "human":
            writes = decoded(live.workflow, dict.fromkeys(node.writes, answer.value), live.around.limits)
            durable = finish(live, taken, writes, word, [taken_up], [letter.id])
        elif question.asks in MIDWAY:
            durable = live.post([taken_up], (), [letter.id])
        else:
            durable = _engine_answer(live, taken, asked, answer, taken_up, letter)
    except (StoreError, Conflict):
        raise
    except Exception as error:  # validators, reducers and routes are the user's code
        await live.post(_asked_again(live, question, asked, error, now), (), [letter.id])
        return
    await durable


def _open(live: Live, id: QuestionId) -> Open | None:
    return next((each for each in live.run.open if each.id == id), None)


def _names(given: Sequence[Approval]) -> str:
    """Who gave the answer that holds: several people where it needed them."""
    return " and ".join(dict.fromkeys(each.by for each in given if each.gist == given[-1].gist))


async def _reassign(live: Live, letter: Letter) -> None:
    question = None if letter.question is None else _open(live, letter.question)
    facts = [] if question is None or letter.to is None else [_reassigned(live, question, letter.to, letter.by)]
    await live.post(facts, (), [letter.id])


def _reassigned(live: Live, question: Open, to: str, by: str) -> QuestionReassigned:
    now = live.around.clock.now()
    return QuestionReassigned(now, question.id, question.node, question.visit, to, by, question.to)


def _engine_answer(
    live: Live, taken: Taken, asked: QuestionRecord, answer: Answer, taken_up: QuestionAnswered, letter: Letter
) -> Any:
    item, node = asked.item, taken.node
    match choice_in(answer.value):
        case str(word) if word == ACCEPT and isinstance(node, Each) and item is not None:
            fact = accepted(live, node, taken.visit, item, answer.value.get("value"), answer.by)
            return live.post([taken_up, fact], (), [letter.id])
        case str(word) if word == ACCEPT:
            values = {name: value for name, value in answer.value.items() if name != "choice"}
            return finish(
                live, taken, decoded(live.workflow, values, live.around.limits), None, [taken_up], [letter.id]
            )
        case str(word) if word == FAIL:
            why = f"given up by {answer.by}"
            if isinstance(node, Each) and item is not None and node.on_error != "fail":
                gone = given_up(live, node, taken.visit, item, Failure(node.name, "effect", why))
                return live.post([taken_up, gone], (), [letter.id])
            return fail(live, taken, Failure(taken.node.name, "effect", why), [taken_up], [letter.id])
        case _:
            # A commit of its own, before the body: a second death asks a second question, never reuses this answer.
            live.cleared.add(place_of(node.name, item))
            return live.post([taken_up], (), [letter.id])


def _asked_again(live: Live, question: Open, asked: QuestionRecord, error: Exception, now: datetime) -> list[Any]:
    node = live.workflow.nodes[question.node]
    withdrawn = QuestionWithdrawn(now, question.id, question.node, question.visit)
    if question.asks == "human" and isinstance(node, Human) and _other(asked, node):
        return [withdrawn]  # it was asked by earlier code, and its node asks anew
    problem = failure_of(asked.node, error, 1).message
    again = QuestionRecord(
        **{
            **{name: getattr(asked, name) for name in asked.__dataclass_fields__},
            "id": question_id(live.run.id, live.run.asked + 1),
            "node": question.node,
            "message": f"{asked.message}\n\nThe answer given before did not fit: {problem}",
            "asked": now,
            "to": question.to,
            "remind": question.remind,
        }
    )
    return [withdrawn, QuestionAsked(now, again)]


def _other(asked: QuestionRecord, node: Human[Any, Any]) -> bool:
    """Whether a question takes another answer than its node would ask for now."""
    return tuple(asked.choices) != node.outcomes or dict(asked.schema) != answer_schema(node)
