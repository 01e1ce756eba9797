"""Deadlines: what happens to an open question by itself. It is asked again, and when its time is up it expires.

Each reminder is a fact, posted once, whoever drives the run at the time; those that nobody was there for are one.
"""

from __future__ import annotations

from datetime import datetime

from workflow_engine.errors import Conflict, StepError, StoreError
from workflow_engine.record.events import QuestionExpired, QuestionReminded
from workflow_engine.record.inbox import MIDWAY, Answer, Open, QuestionRecord
from workflow_engine.record.people import BY_DEFAULT, choice_in
from workflow_engine.spec.nodes import EXPIRED
from workflow_engine.steps.attempt import failure_of
from workflow_engine.steps.live import Live
from workflow_engine.steps.settling import Taken, fail, finish
from workflow_engine.steps.writing import decoded


async def keep_deadlines(live: Live, now: datetime) -> None:
    """Expire every question whose time is up by `now`, and ask again where it is time to."""
    for question in live.run.open:
        if not _is_open(live, question):
            continue  # what the one before it led to has left their fork
        if question.due is not None and question.due <= now:
            await _expire(live, question, now)
        elif times := sum(each <= now for each in question.remind):
            reminded = QuestionReminded(now, question.id, question.node, question.visit, question.to, times)
            await live.post([reminded])


def _is_open(live: Live, question: Open) -> bool:
    return any(each.id == question.id for each in live.run.open)


async def _expire(live: Live, question: Open, now: datetime) -> None:
    node = live.workflow.nodes[question.node]
    asked = (await live.around.ledger.question(question.id)).question
    if not _is_open(live, question):
        return
    if question.asks in MIDWAY:
        answer = Answer(question.id, asked.default, BY_DEFAULT, now, "expiry")
        await live.post([QuestionExpired(now, question.id, question.node, question.visit, answer)])
        return
    if asked.default is not None:
        await _default(live, question, asked, now)
        return
    expired = QuestionExpired(now, question.id, question.node, question.visit)
    taken = Taken(node, question.visit, asked.asked or now, words="nobody answered")
    try:
        durable = finish(live, taken, (), EXPIRED, [expired])
    except StepError as error:
        durable = fail(live, taken, failure_of(node.name, error, 1), [expired])
    await durable


async def _default(live: Live, question: Open, asked: QuestionRecord, now: datetime) -> None:
    """The declared default is the answer. Where it fits no more, as only the user's code can tell, the step fails."""
    node = live.workflow.nodes[question.node]
    answer = Answer(question.id, asked.default, BY_DEFAULT, now, "expiry")
    expired = QuestionExpired(now, question.id, question.node, question.visit, answer)
    said = choice_in(asked.default)
    word = said if said in asked.choices else None
    taken = Taken(node, question.visit, asked.asked or now, words=f"{word or 'answered'} (by {BY_DEFAULT})")
    try:
        writes = decoded(live.workflow, dict.fromkeys(node.writes, asked.default), live.around.limits)
        durable = finish(live, taken, writes, word, [expired])
    except (StoreError, Conflict):
        raise
    except Exception as error:  # validators, reducers and routes are the user's code
        durable = fail(live, taken, failure_of(node.name, error, 1), [expired])
    await durable
