"""The guard of one step whose node has policies beyond its own attempt: it lets attempts begin, wait or give up.

A step without such policies has no guard: `Workflow.guarded` names the nodes that have one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from workflow_engine.bodies.scene import Scene
from workflow_engine.record.events import QuestionAnswered, RunClaimed
from workflow_engine.record.usage import NOTHING, Spent
from workflow_engine.spec.nodes import Node
from workflow_engine.spec.policies import within_of
from workflow_engine.steps.attempt import Attempt, attempts_spent
from workflow_engine.steps.live import Live
from workflow_engine.steps.spending import must_be_priced, must_begin, usage_of

T = TypeVar("T")


@dataclass
class Guard:
    """What watches over the attempts of one step. `began` is when the time for all of them began to run."""

    live: Live
    node: Node
    visit: int
    began: datetime
    within: timedelta | None

    @classmethod
    async def over(cls, live: Live, node: Node, visit: int, item: int | None) -> Guard:
        """The guard of a step about to begin, or of one of many items, whose time begins with it."""
        within, now = within_of(node.retry), live.around.clock.now()
        began = now if within is None or item is not None else await _began(live, node.name, visit, now)
        return cls(live, node, visit, began, within)

    @property
    def spent(self) -> timedelta:
        """The time since the step began; a clock that was set back gives none."""
        return max(self.live.around.clock.now() - self.began, timedelta(0))

    async def run(self, attempt: Attempt, act: Callable[[Scene], Awaitable[T]]) -> T:
        """One attempt, if it may begin. Raises errors.StepError if it may not, and what the attempt raises."""
        if self.within is not None:
            attempt.left = self.within - self.spent
            if attempt.left <= timedelta(0):
                raise attempts_spent(self.node)
        if self.node.name in self.live.workflow.scopes:
            return await self._paid(attempt, act)
        return await attempt.run(act)

    async def _paid(self, attempt: Attempt, act: Callable[[Scene], Awaitable[T]]) -> T:
        """An attempt that counts in budgets. Raises errors.BudgetSpent if they leave nothing to begin it with."""
        live, name = self.live, self.node.name
        must_begin(live, self.node)
        live.owing.setdefault(name, Spent(steps=1))
        began = live.around.clock.now()
        told: Any = None
        try:
            told = result = await attempt.run(act)
        except Exception as error:
            told = getattr(error, "so_far", None)
            raise
        finally:
            seconds = max(live.around.clock.now() - began, timedelta(0)).total_seconds()
            used = Spent.of(usage_of(told), seconds)
            live.owing[name] = live.owing.get(name, NOTHING) + used
        must_be_priced(live, self.node, used, told)
        return result


async def _began(live: Live, name: str, visit: int, now: datetime) -> datetime:
    """When a step began, as the journal knows it: it may have begun in a process that died.

    Somebody who resumes a run, or answers that a step is to be done again, gives it its whole time once more.
    """
    before = live.first.frontier
    if name not in before.due or before.visits[name] != visit:
        return now
    began = now
    for recorded in await live.around.ledger.journal(live.run.id):
        match recorded.event:
            case RunClaimed(verb="resume", at=at):
                began = at
            case QuestionAnswered(node=node, at=at) if node == name:
                began = at
            case event if (move := getattr(event, "move", None)) is not None and name in move.entered:
                began = event.at
    return began
