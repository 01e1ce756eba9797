"""One step, from due to durable: what its node does, and what becomes of it."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, assert_never

from workflow_engine.bodies import function
from workflow_engine.bodies.intent import Ask, Await, Enter, Intent, Later, Midway, Rest, Wrote
from workflow_engine.bodies.run import run as run_body
from workflow_engine.frontier.leave import catches
from workflow_engine.record.events import EffectStarted, QuestionAsked, WaitBegan
from workflow_engine.record.inbox import Tried
from workflow_engine.record.waiting import Waiting
from workflow_engine.spec.each import Each
from workflow_engine.spec.nodes import Node
from workflow_engine.spec.subflow import Subflow
from workflow_engine.spec.waits import Wait
from workflow_engine.steps.asking import deaths_question, doubt_question, human_question, tried_so_far
from workflow_engine.steps.entering import enter, leave_behind, visit_of
from workflow_engine.steps.filing import adopt_values
from workflow_engine.steps.live import Live
from workflow_engine.steps.midway import going_on, questions
from workflow_engine.steps.settling import Taken, fail, finish, withdraw
from workflow_engine.steps.spreading import spread
from workflow_engine.steps.trying import GaveUp, Released, Tries, trying
from workflow_engine.steps.waiting import begin, go_on
from workflow_engine.steps.writing import writes_of

MOST_DEATHS = 5


async def step(live: Live, name: str) -> None:
    """Take one due node from its first attempt to its commit.

    Returns when the run has moved on, rests on a question, or has recorded a failure. Raises only what ends the whole
    drive: errors.StoreError, errors.FenceLost, and cancellation, which leaves the node due.
    """
    if live.run.frontier.leaving and live.is_over(name):
        return  # its fork was left between its turn and this
    node = live.workflow.nodes[name]
    visit = live.run.frontier.visits[name]
    if live.run.waits and (waiting := live.run.wait(name)) is not None and isinstance(node, Wait):
        await go_on(live, node, waiting)
        return
    started = live.around.clock.now()
    if live.run.deaths.get(name, 0) >= MOST_DEATHS and name not in live.cleared:
        await live.post([QuestionAsked(started, deaths_question(live, node, visit), started)])
        return
    if isinstance(node, Each):
        live.cleared.discard(name)
        await spread(live, node, visit, started)
        return
    effect = node.effect
    if effect and name in live.run.doubts and name not in live.cleared:
        known = await _in_doubt(live, node, visit, started)
        if known is not None:
            return
        if live.is_left(name) and getattr(node, "in_doubt", None) != "rerun":
            await withdraw(live, name)  # its probe found that nothing happened
            return
    if effect and name not in live.workflow.sharing:  # its guard says so once it may begin
        await live.post([EffectStarted(started, name, visit, live.run.key(name, visit))])
    live.cleared.discard(name)
    if isinstance(node, Subflow):
        await _entered(live, node, started)
        return
    act = partial(run_body, node)
    await _attempts(live, node, visit, started, act if name not in live.run.answered else await going_on(live, node))


async def _entered(live: Live, node: Subflow, started: datetime) -> None:
    visit = await visit_of(live, node.name)
    await _attempts(live, node, visit.number, visit.began or started, partial(enter, live, node, visit))


async def _in_doubt(live: Live, node: Any, visit: int, started: datetime) -> bool | None:
    """An effect began and its end is not on disk. None means: run it; otherwise the step is settled or rests."""
    if node.in_doubt == "rerun":
        return None
    if node.in_doubt == "ask":
        await live.post([QuestionAsked(started, doubt_question(live, node, visit), started)])
        return True
    return await _attempts(live, node, visit, started, partial(function.probe, node), "found by its probe")


async def _attempts(live: Live, node: Node, visit: int, started: datetime, act: Any, unsaid: str = "") -> bool | None:
    """Try until it works or the policy gives up, and commit. None means that a probe found nothing.

    `unsaid` is the step's last word where `act` says nothing itself.
    """

    async def settle(intent: Intent | None, tries: Tries) -> Any:
        if intent is None or isinstance(intent, Later):
            return None
        if live.workflow.filing and isinstance(intent, Wrote):
            await adopt_values(live, intent.values)
        taken = Taken(node, visit, started, tries.number, tries.words or unsaid, tries.paid)
        tried = await tried_so_far(live) if isinstance(intent, Ask | Midway) else ()
        return _settle(live, taken, intent, tried)

    result = await trying(live, node, visit, act, settle)
    if isinstance(result, GaveUp):
        onward = catches(live.workflow, node.name, "failed") or live.is_left(node.name)
        if onward and node.name in live.run.entered:
            # Nobody comes back to the run within: what it still asks or does is over.
            await leave_behind(live, live.run.entered[node.name])
        await fail(live, Taken(node, visit, started, result.tries.number, paid=result.tries.paid), result.failure)
    elif result is None:
        return None
    elif not isinstance(result, Released):
        await result
    return True


async def _nothing() -> None:
    """Nothing to commit: who looks after the arms of forks that were left withdraws the node."""


def _settle(live: Live, taken: Taken, intent: Intent, tried: tuple[Tried, ...]) -> Any:
    match intent:
        case Wrote():
            return finish(live, taken, writes_of(live.workflow, taken.node.name, intent.values, live.around.limits))
        case _ if live.run.frontier.leaving and live.is_over(taken.node.name):
            return _nothing()  # nobody waits for what it asks or waits for
        case Rest():
            rests = Waiting(taken.node.name, taken.visit, "run", (intent.run,), until=intent.until, since=taken.started)
            durable = live.post([WaitBegan(live.around.clock.now(), rests)])
            live.mail = True  # an answer may have come between its rest and this
            return durable
        case Ask():
            question = human_question(live, taken.node, taken.visit, intent, tried)
            return live.post([QuestionAsked(live.around.clock.now(), question, taken.started)])
        case Later():
            raise AssertionError("nothing is settled of what goes on later")
        case Midway():
            now = live.around.clock.now()
            asked = questions(live, taken.node, taken.visit, intent, tried)
            return live.post([QuestionAsked(now, each, taken.started) for each in asked])
        case Await():
            assert isinstance(taken.node, Wait)
            return begin(live, taken.node, taken.visit, taken.started, intent)
        case Enter():
            raise TypeError("a run within is driven before its step is settled")
        case _:
            assert_never(intent)
