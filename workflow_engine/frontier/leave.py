"""`leave`: the one function that decides where a run goes on: routes, bounds, forks, joins.

It changes nothing and waits for nothing. It returns a `Move`, which the journal keeps and which folds into the frontier
without the workflow, so both executors, a resume years later and every picture agree on where a run stands.

Counts: a bounded edge is taken while its count is below its limit, then its `then` is. An unbounded entry into a node
restarts the counts of the bounded edges into it; bounded entries restart nothing. What a loop's budget counts
restarts with its count, and once it is spent the edge leads to its `then` as if the count were. Without bounded edges
and answers the graph is acyclic (law W3), so between two answers every node is entered finitely often: the earliest
node entered infinitely often could be entered only by bounded edges, whose counts then never restart.

An edge that leaves a fork drops what is due in its other arms and forgets who arrived at its joins. Nodes whose work
cannot be dropped (a step under way, an effect in doubt) stay due; they lead nowhere any more, and whichever is over
last lets the run enter the place the edge leads to. So nothing of the fork runs once the run is past it, and whoever
leaves first decides where to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from workflow_engine.errors import StepError
from workflow_engine.making import quickly
from workflow_engine.record.frontier import Frontier, Move
from workflow_engine.record.usage import NOTHING, Spent
from workflow_engine.spec.budget import Budget
from workflow_engine.spec.edges import START_NAME, Edge, Source, is_end
from workflow_engine.spec.nodes import Route
from workflow_engine.spec.workflow import Workflow

THEN = "then"
"""What follows an edge's key in `Move.via` when its bound was spent."""

Read = Callable[[Route[Any, Any]], Any]
"""Runs a route's body on the state as it is now, and returns its word."""


class RouteFailed(StepError):
    """A route raised, or returned a word it does not declare."""

    kind = "route"
    retryable = False


@quickly
@dataclass(frozen=True)
class Left:
    """Where leaving a node leads, and the words the routes on the way decided."""

    move: Move
    routes: tuple[tuple[str, str], ...] = ()


@dataclass
class _Walk:
    workflow: Workflow[Any]
    frontier: Frontier
    decide: Read
    entered: list[str] = field(default_factory=list)
    arrived: dict[str, tuple[str, ...]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    via: list[str] = field(default_factory=list)
    routes: list[tuple[str, str]] = field(default_factory=list)
    ended: str | None = None
    ahead: deque[tuple[str, bool]] = field(default_factory=deque)
    spent: dict[str, Spent] = field(default_factory=dict)
    staying: Collection[str] = ()
    left: str | None = None
    dropped: tuple[str, ...] = ()
    leaving: dict[str, tuple[str, str] | tuple[()]] = field(default_factory=dict)

    def used(self, key: str) -> Spent:
        return self.spent[key] if key in self.spent else self.frontier.spent.get(key, NOTHING)

    def run(self, source: Source) -> None:
        self.go(source)
        # A loop rather than recursion: a chain of a thousand routes is legal.
        while self.ahead:
            self.enter(*self.ahead.popleft())

    def go(self, source: Source) -> None:
        edge = self.workflow.out.get(source)
        if edge is None:
            raise StepError(f"no edge leaves {source}", "add one; `workflow check` finds such gaps", retryable=False)
        if edge.limit is not None:
            count = self.count(edge.key)
            if count < edge.limit and (edge.budget is None or exhausted(edge.budget, self.used(edge.key)) is None):
                self.counts[edge.key] = count + 1
                self.via.append(edge.key)
                self.ahead.append((edge.targets[0], True))
            else:
                self.via.append(f"{edge.key} {THEN}")
                self.ahead.append((str(edge.then), False))
            return
        self.via.append(edge.key)
        if edge.leaves:
            self.go_out(edge, source)
        elif not edge.joins or self.complete(edge, source):
            for target in edge.targets:
                self.ahead.append((target, False))

    def count(self, key: str) -> int:
        return self.counts.get(key, self.frontier.counts.get(key, 0))

    def complete(self, edge: Edge, source: Source) -> bool:
        there = (*self.arrived.get(edge.key, self.frontier.arrived.get(edge.key, ())), str(source))
        done = len(there) == len(edge.sources)
        self.arrived[edge.key] = () if done else there
        return done

    def go_out(self, edge: Edge, source: Source) -> None:
        regions = self.workflow.regions
        fork = regions.fork_of(source.node)
        if fork is None:
            raise StepError(f"{source} lies in no fork that it could leave", "`workflow check` finds such edges")
        inside = regions.inside[fork]
        # Routes at the heads of two arms are decided in one move: of the second nothing has come to be yet.
        self.entered = [each for each in self.entered if each not in inside]
        self.ahead = deque(each for each in self.ahead if each[0] not in inside)
        there = [each for each in self.frontier.due if each in inside and each != self.left]
        stay = [each for each in there if each in self.staying]
        self.dropped = (*self.dropped, *(each for each in there if each not in stay and each not in self.dropped))
        known = (*self.frontier.arrived, *self.arrived)
        self.arrived.update({key: () for key in regions.joins.get(fork, ()) if key in known})
        over = [each for each in self.frontier.leaving if each in regions.within.get(fork, ())]
        self.leaving = dict.fromkeys(over, ())
        if stay:
            self.leaving[fork] = (str(source), edge.targets[0])
        else:
            self.ahead.append((edge.targets[0], False))

    def stay_out(self, fork: str) -> None:
        """What was under way when its fork was left leads nowhere; the last of it lets the run go on."""
        inside = self.workflow.regions.inside[fork]
        if not any(each in inside and each != self.left for each in self.frontier.due):
            self.leaving[fork] = ()
            self.enter(self.frontier.leaving[fork][1], False)

    def enter(self, target: str, bounded: bool) -> None:
        if not bounded:
            into = self.workflow.bounded_into.get(target, ())
            if into:
                self.counts.update({key: 0 for key in into if self.count(key)})
            if into and (self.spent or self.frontier.spent):
                self.spent.update({key: NOTHING for key in into if self.used(key)})
        if is_end(target):
            self.ended = target
            return
        node = self.workflow.nodes[target]
        if isinstance(node, Route):
            word = self.decide(node)
            if word not in node.outcomes:
                raise RouteFailed(f"route {node.name!r} returned {word!r}", f"return one of {', '.join(node.outcomes)}")
            self.routes.append((node.name, word))
            self.go(Source(node.name, word))
        else:
            self.entered.append(target)


def leave(
    workflow: Workflow[Any],
    frontier: Frontier,
    node: str,
    outcome: str | None,
    decide: Read,
    cost: Spent | None = None,
    staying: Collection[str] = (),
) -> Left:
    """The move that leaving `node` by `outcome` makes. `node` may be "START"; `cost` is charged to its budgets.

    `staying` are the due nodes that an edge out of their fork must not drop.

    Raises RouteFailed when a route on the way cannot decide, and StepError when no edge leaves by this way out
    (impossible in a workflow without findings).
    """
    walk = _Walk(workflow, frontier, decide, staying=staying, left=node)
    if cost is not None:
        walk.spent.update(charged(workflow, frontier, node, cost))
    source = Source(node, outcome)
    if outcome is not None and source not in workflow.out and outcome not in ("failed", "expired"):
        source = Source(node)
    if frontier.leaving and (fork := workflow.regions.left_around(node, frontier.leaving)) is not None:
        walk.stay_out(fork)
    else:
        walk.run(source)
    move = Move(
        left=None if node == START_NAME else node,
        entered=tuple(walk.entered),
        arrived=walk.arrived,
        counts=walk.counts,
        via=tuple(walk.via),
        ended=walk.ended,
        spent=walk.spent,
        dropped=walk.dropped,
        leaving=walk.leaving,
    )
    return Left(move, tuple(walk.routes))


def charged(workflow: Workflow[Any], frontier: Frontier, node: str, cost: Spent) -> dict[str, Spent]:
    """What the budgets that a node's steps count in have used once one of them has cost so much."""
    return {key: frontier.spent.get(key, NOTHING) + cost for key in workflow.scopes.get(node, ())}


def exhausted(budget: Budget, used: Spent, *, thinks: bool = True) -> str | None:
    """Which bound of a budget is spent, in words."""
    return budget.spent(steps=used.steps, seconds=used.seconds, tokens=used.tokens, money=used.money, thinks=thinks)


def catches(workflow: Workflow[Any], node: str, outcome: str) -> bool:
    """Whether an edge leaves `node` by exactly this outcome."""
    return Source(node, outcome) in workflow.out


def is_left(workflow: Workflow[Any], frontier: Frontier, node: str) -> bool:
    """Whether the run has left the fork around a due node: what that came to leads nowhere any more."""
    return bool(frontier.leaving) and workflow.regions.left_around(node, frontier.leaving) is not None
