"""Rerunning: a recorded run held against a workflow. What is pure is executed, and nothing else.

Each step is taken in the recorded order of commits, on the recorded state. A function without effect runs anew, routes
are decided anew, the bodies of agents and people are called for the prompt and the question they make. What agents,
effects, people, waits, items and runs within came to is taken as recorded. The first difference ends it, for what comes
after one may differ for its sake. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workflow_engine.errors import StepError
from workflow_engine.frontier.leave import catches, is_left
from workflow_engine.record.events import RunForked, StepFailed
from workflow_engine.record.frontier import Frontier, Move
from workflow_engine.record.ids import RunId
from workflow_engine.record.values import Value
from workflow_engine.runtime.anew import Anew
from workflow_engine.runtime.bringing import Bringing
from workflow_engine.runtime.past import Past
from workflow_engine.runtime.replay import Difference, Replay, Retaken, differs
from workflow_engine.runtime.tape import Moment, tape
from workflow_engine.runtime.workshop import Workshop
from workflow_engine.spec.nodes import Route
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.onward import onward


async def replayed_against(
    shop: Workshop, behind: Past, workflow: Workflow[Any], *, only_routes: bool, live_resources: bool
) -> Replay:
    """A recorded run held against a workflow, up to the first difference."""
    again = _Again(shop, behind, workflow, only_routes=only_routes, live_resources=live_resources)
    moments: list[Moment] = []
    found: Difference | None = None
    async for moment in tape(shop.ledger, behind):
        moments.append(moment)
        found = await again.take(moment)
        if found is not None:
            break
    return Replay(behind.run, tuple(moments), tuple(again.steps), found)


class _Again:
    """The run as it goes now. `last` is where it stood before the last step, for a fork leaves that step anew."""

    def __init__(
        self, shop: Workshop, behind: Past, workflow: Workflow[Any], *, only_routes: bool, live_resources: bool
    ) -> None:
        self.shop, self.behind, self.workflow = shop, behind, workflow
        self.anew = Anew(shop.around, workflow, only_routes=only_routes, live_resources=live_resources)
        self.frontier = Frontier()
        self.last: Frontier | None = None
        self.steps: list[Retaken] = []
        self._bringing: Bringing | None = None

    async def take(self, moment: Moment) -> Difference | None:
        """Take one moment again; the difference, if there is one."""
        up = await self._up(moment.run.id)
        match moment.kind:
            case "begun":
                return self._leave(moment, up, "START", None, up.state(moment.seq, moment.state), Frontier())
            case "forked":
                event: RunForked = moment.event
                at = up.frontier(moment.seq, event.before) if self.last is None else self.last
                node = "START" if event.node is None else up.node(moment.seq, event.node)
                word = None if event.node is None else up.outcome(moment.seq, event.node, event.outcome)
                return self._leave(moment, up, node, word, up.state(moment.seq, moment.state), at)
            case "migrated":
                return None
            case "withdrawn":
                return self._withdrawn(moment, up)
            case _:
                return await self._step(moment, up)

    async def _up(self, run: RunId) -> Bringing:
        if self._bringing is None or self._bringing.run != run:
            limits = self.shop.around.limits
            self._bringing = await Bringing.of(self.shop.ledger, self.behind, run, self.workflow, limits)
        return self._bringing

    def _withdrawn(self, moment: Moment, up: Bringing) -> Difference | None:
        name = up.node(moment.seq, moment.node)
        if name not in self.workflow.nodes or not is_left(self.workflow, self.frontier, name):
            what = f"{name} was withdrawn with its fork, and is not now"
            return differs(moment, "way", what, _entered(moment.event.move), list(self.frontier.due))
        return self._leave(moment, up, name, None, up.state(moment.seq, moment.state), self.frontier)

    async def _step(self, moment: Moment, up: Bringing) -> Difference | None:
        name = up.node(moment.seq, moment.node)
        node = self.workflow.nodes.get(name)
        if node is None or isinstance(node, Route):
            gone = "is not in the workflow" if node is None else "is a route now"
            return differs(moment, "missing", f"{name} was recorded and {gone}", name, list(self.frontier.due))
        if name not in self.frontier.due:
            due = ", ".join(self.frontier.due) or "none"
            what = f"{name} was recorded, and is not what comes now: {due}"
            return differs(moment, "missing", what, name, list(self.frontier.due))
        state = up.state(moment.seq, moment.state)
        if isinstance(moment.event, StepFailed):
            self.steps.append(Retaken(moment.step, name, moment.visit, "recorded"))
            return self._failed(moment, up, name, state)
        said = await self.anew.said(moment, node, up.state(moment.seq, moment.before), state)
        self.steps.append(Retaken(moment.step, name, moment.visit, "ran" if said.ran else "recorded"))
        if said.difference is not None:
            return said.difference
        word = up.outcome(moment.seq, moment.node, moment.outcome)
        return self._leave(moment, up, name, word, said.state, self.frontier)

    def _failed(self, moment: Moment, up: Bringing, name: str, state: Mapping[str, Value]) -> Difference | None:
        """A recorded failure is that failure again; where it leads may differ."""
        catching, caught = catches(self.workflow, name, "failed"), moment.event.move is not None
        if catching and caught:
            return self._leave(moment, up, name, "failed", state, self.frontier)
        if catching != caught:
            what = f"{name} failed, and its failure is {'caught' if catching else 'not caught'} now"
            return differs(moment, "way", what, _entered(moment.event.move), None)
        self.frontier = self.frontier.charged(up.spent(moment.seq, moment.event.spent))
        return None

    def _leave(
        self,
        moment: Moment,
        up: Bringing,
        name: str,
        word: str | None,
        state: Mapping[str, Value],
        at: Frontier,
    ) -> Difference | None:
        """Leave the step as it is left now; the difference to where it led."""
        recorded: Move = moment.event.move
        self.last = at
        at = at.charged(up.spent(moment.seq, recorded.spent))
        try:
            gone = {up.node(moment.seq, each) for each in recorded.dropped}
            staying = [each for each in at.due if each not in gone] if recorded.leaving else ()
            left = onward(self.workflow, at, name, word, state, staying=staying)
        except StepError as error:
            return differs(moment, "route", error.what, _entered(recorded), None)
        for route, decided in moment.routes:
            now = dict(left.routes).get(up.node(moment.seq, route))
            was = up.outcome(moment.seq, route, decided)
            if now is not None and now != was:
                return differs(moment, "route", f"route {route} says {now}, and said {was}", was, now)
        then = sorted(up.node(moment.seq, each) for each in _ahead(recorded))
        if then != sorted(_ahead(left.move)) or recorded.ended != left.move.ended:
            went, goes = _entered(recorded, then), _entered(left.move)
            what = f"after {name} the run goes to {_told(goes)}, and went to {_told(went)}"
            return differs(moment, "way", what, went, goes)
        self.frontier = at.after(left.move)
        return None


def _entered(move: Move | None, names: Sequence[str] | None = None) -> list[str]:
    """The nodes a move leads to, or the end."""
    if move is None:
        return []
    return [move.ended] if move.ended is not None else list(_ahead(move) if names is None else names)


def _ahead(move: Move) -> tuple[str, ...]:
    """The nodes a move enters, or will once what is under way in the fork it leaves is over."""
    return (*move.entered, *(there[-1] for there in move.leaving.values() if there))


def _told(places: Sequence[str]) -> str:
    return " and ".join(places) or "nowhere, for it waits at a join"


__all__ = ["replayed_against"]
