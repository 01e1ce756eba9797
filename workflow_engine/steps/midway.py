"""Bodies that ask in the middle of their work: their questions, and the second call, with the answers.

A human node is over with its answer. Such a body is not: it rests while any of its questions is open, and is called
again in the same visit once none is. The answers stand in the journal; the run remembers only which of them its body
has not been called with to any effect, and gives them again after a crash. The body tells, by its own words for the
questions, which of them it has used already.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from workflow_engine.bodies.intent import Intent, Midway
from workflow_engine.bodies.run import run as run_body
from workflow_engine.bodies.scene import Scene
from workflow_engine.record.ids import QuestionId, question_id
from workflow_engine.record.inbox import QuestionRecord, Reply, Tried
from workflow_engine.record.people import BY_DEFAULT
from workflow_engine.spec.nodes import Node
from workflow_engine.steps.asking import human_question
from workflow_engine.steps.live import Live

AT_ONCE = 50
"""The most questions of one node that are open at once: a run remembers each. The rest are asked afterwards."""


def questions(
    live: Live, node: Node, visit: int, midway: Midway, tried: tuple[Tried, ...]
) -> tuple[QuestionRecord, ...]:
    """The questions of a body that stopped in the middle, numbered and dated."""
    now = live.around.clock.now()
    return tuple(
        replace(
            human_question(live, node, visit, ask, tried),
            id=question_id(live.run.id, live.run.asked + number),
            asks=midway.by,
            ref=ask.ref,
            due=None if ask.within is None else now + ask.within,
            default=ask.default,
            to=ask.to,
            candidates=ask.candidates,
        )
        for number, ask in enumerate(midway.asks[:AT_ONCE], start=1)
    )


async def going_on(live: Live, node: Node) -> Callable[[Scene], Awaitable[Intent]]:
    """The body with the answers it goes on with in its scene."""
    replies = tuple([await _reply(live, each) for each in live.run.answered[node.name]])
    return lambda scene: run_body(node, replace(scene, replies=replies))


async def _reply(live: Live, id: QuestionId) -> Reply:
    standing = await live.around.ledger.question(id)
    if standing.answer is None:  # its time was up
        return Reply(standing.question.ref, standing.question.default, BY_DEFAULT)
    return Reply(standing.question.ref, standing.answer.value, standing.answer.by)
