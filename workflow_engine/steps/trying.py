"""Trying: attempts of one piece of work, a step or one item of many, until one is settled or the policy gives up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from workflow_engine.bodies.intent import Intent, Wrote
from workflow_engine.bodies.scene import Scene
from workflow_engine.errors import Conflict, Failure, StoreError, WorkflowChanged
from workflow_engine.making import quickly
from workflow_engine.ports.agents import AgentAnswer
from workflow_engine.record.events import AttemptFailed
from workflow_engine.record.usage import Usage
from workflow_engine.spec.nodes import Node
from workflow_engine.spec.policies import ONCE, GiveUp, Retry, rule_for
from workflow_engine.steps.attempt import Attempt, failure_of
from workflow_engine.steps.guard import Guard, LetGo
from workflow_engine.steps.live import Live

T = TypeVar("T")


@quickly
@dataclass(frozen=True)
class Paid:
    """What a step's attempts cost, and who answered in them: those that failed are paid for too."""

    usage: Usage | None = None
    answered_by: tuple[str, ...] = ()

    def with_(self, told: Intent | AgentAnswer | None) -> Paid:
        """With what one more attempt told of itself."""
        if not isinstance(told, Wrote | AgentAnswer) or (told.usage is None and not told.answered_by):
            return self
        usage = self.usage if told.usage is None else (self.usage or Usage()) + told.usage
        return Paid(usage, tuple(dict.fromkeys((*self.answered_by, *told.answered_by))))


@quickly
@dataclass(frozen=True)
class Tries:
    """How far it came: which try this is (from 1), what it last said, and what all of them cost."""

    number: int = 0
    words: str = ""
    paid: Paid = field(default_factory=Paid)


@dataclass(frozen=True)
class GaveUp:
    """No further try: what the last one failed of."""

    failure: Failure
    tries: Tries


@dataclass(frozen=True)
class Released:
    """Let go of between two tries, because somebody drains or cancels: it is still to be done."""


async def trying(
    live: Live,
    node: Node,
    visit: int,
    act: Callable[[Scene], Awaitable[Intent | None]],
    settle: Callable[[Intent | None, Tries], Awaitable[T]],
    item: int | None = None,
) -> T | GaveUp | Released:
    """What `settle` makes of the first intent it accepts; what it raises counts as the try's own failure.

    `item` is the place of one among many. Raises only what ends the whole drive.
    """
    guard = await Guard.over(live, node, visit, item) if node.name in live.workflow.guarded else None
    paid = Paid()
    number = 0
    failed: Counter[Retry | None] | None = None
    while True:
        number += 1
        attempt = Attempt(live, node, visit, number, item)
        try:
            intent = await (attempt.run(act) if guard is None else guard.run(attempt, act))
            paid = paid.with_(intent)
            return await settle(intent, Tries(number, attempt.words, paid))
        except (StoreError, Conflict, WorkflowChanged):
            raise
        except LetGo:
            return Released()
        except Exception as error:  # the body is the user's code: whatever it raises is the step's failure
            paid = paid.with_(getattr(error, "so_far", None))
            failure = failure_of(node.name, error, number)
            rule = rule_for(node.retry, error)
            failed = failed or Counter()
            failed[rule] += 1
            spent = timedelta(0) if guard is None else guard.spent
            decision = (rule or ONCE).after(failed[rule], error, live.around.mint.chance(), spent)
            if isinstance(decision, GiveUp) or live.is_left(node.name):
                return GaveUp(failure, Tries(number, attempt.words, paid))
            wait = decision.time.total_seconds()
            now = live.around.clock.now()
            await live.post([AttemptFailed(now, node.name, visit, number, failure, wait, item)])
            await live.pause(wait, node.name)
            if live.draining or live.cut:
                return Released()
            if live.is_left(node.name):
                return GaveUp(failure, Tries(number, attempt.words, paid))
