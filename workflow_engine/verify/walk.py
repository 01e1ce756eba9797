"""A walk through every state a run can be in, for the few questions that only counting answers.

A state is the nodes due, the arms arrived at joins, and the counts of bounded edges. Two things keep the states few.
Arms of a fork do not touch each other, so it is enough to advance one due node at a time (Valmari's stubborn sets, in
their simplest form) unless the moment of an answer matters. And a count that is certain to restart before it is looked
at again is forgotten, as a compiler forgets a dead variable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from workflow_engine.spec.edges import START_NAME, Edge, Source, is_end
from workflow_engine.spec.nodes import EXPIRED, FAILED, Human, Node, Route
from workflow_engine.spec.waits import Wait
from workflow_engine.verify.graph import Arc, Graph

Due: TypeAlias = tuple[str, ...]
Arrived: TypeAlias = frozenset[Source]
Counts: TypeAlias = tuple[int, ...]
State: TypeAlias = tuple[Due, Arrived, Counts]


@dataclass(frozen=True)
class Step:
    """One move from state to state: `entered` counts the nodes that became due, `answer` says a person made it."""

    after: int
    entered: int
    answer: bool


@dataclass
class Walk:
    """Every state, numbered in order of discovery, and the moves between them. State 0 is the one START leads to.

    `spent` are the keys of the bounded edges whose `then` was taken.
    """

    begin: list[tuple[int, int]] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    moves: list[list[Step]] = field(default_factory=list)
    spent: set[str] = field(default_factory=set)

    @cached_property
    def longest(self) -> list[int] | None:
        """For each state the most nodes entered from there without an answer; None if that is endless."""
        moves = [[step for step in steps if not step.answer] for steps in self.moves]
        waits_for = [len(steps) for steps in moves]
        before: list[list[int]] = [[] for _ in moves]
        for at, steps in enumerate(moves):
            for step in steps:
                before[step.after].append(at)
        best = [0] * len(moves)
        ready = [at for at, count in enumerate(waits_for) if count == 0]
        done = 0
        while ready:
            at = ready.pop()
            done += 1
            best[at] = max((step.entered + best[step.after] for step in moves[at]), default=0)
            for earlier in before[at]:
                waits_for[earlier] -= 1
                if waits_for[earlier] == 0:
                    ready.append(earlier)
        return best if done == len(moves) else None

    @cached_property
    def stuck(self) -> frozenset[int]:
        """The states from which no way leads to an end."""
        before: list[list[int]] = [[] for _ in self.moves]
        for at, steps in enumerate(self.moves):
            for step in steps:
                before[step.after].append(at)
        ahead = [at for at, (due, _, _) in enumerate(self.states) if not due]
        good = set(ahead)
        while ahead:
            for earlier in before[ahead.pop()]:
                if earlier not in good:
                    good.add(earlier)
                    ahead.append(earlier)
        return frozenset(range(len(self.states))) - good


def walk(graph: Graph, most: int, *, interleave: bool = False) -> Walk | None:
    """Walk until every state is known; None if there are more than `most`, or if routes lead in a circle.

    Every way out must have its edge, and forks and joins must match (no findings W101 to W107, W2, W5).

    With `interleave` every due node may move first, not only one of them.
    """
    return _Walker(graph, most, interleave).all()


class _Walker:
    def __init__(self, graph: Graph, most: int, interleave: bool) -> None:
        self.graph = graph
        self.most = most
        # Where an arm can empty the others, it matters how far they have come.
        self.interleave = interleave or graph.workflow.leaves
        self.number = {edge.key: at for at, edge in enumerate(graph.bounded)}
        self.into: dict[str, list[int]] = {}
        for at, edge in enumerate(graph.bounded):
            self.into.setdefault(edge.targets[0], []).append(at)
        self.looked_at = _looked_at(graph, self.number)
        self.walk = Walk()
        self.known: dict[State, int] = {}
        self.ways = {name: tuple(self._ways(node)) for name, node in graph.nodes.items()}

    def all(self) -> Walk | None:
        empty: State = ((), frozenset(), (0,) * len(self.number))
        begin = self.leave(empty, Source(START_NAME))
        if begin is None:
            return None
        self.walk.begin = [(self.at(state), entered) for state, entered in begin]
        at = 0
        while at < len(self.walk.states):
            if len(self.walk.states) > self.most:
                return None
            state = self.walk.states[at]
            due = state[0] if self.interleave else state[0][:1]
            steps = set()
            for name in due:
                for source in self.ways[name]:
                    after = self.leave(state, source)
                    if after is None:
                        return None
                    answer = self.graph.answers(source)
                    steps |= {Step(self.at(next_state), entered, answer) for next_state, entered in after}
            self.walk.moves.append(sorted(steps, key=lambda step: (step.after, step.entered, step.answer)))
            at += 1
        return self.walk

    def at(self, state: State) -> int:
        due, arrived, counts = state
        alive = 0
        for name in due:
            alive |= self.looked_at.get(name, 0)
        state = (due, arrived, tuple(count if alive >> at & 1 else 0 for at, count in enumerate(counts)))
        if state not in self.known:
            self.known[state] = len(self.walk.states)
            self.walk.states.append(state)
        return self.known[state]

    def _ways(self, node: Node) -> Iterator[Source]:
        """The ways out a node can be left by; words without an edge of their own share the plain one."""
        plain = Source(node.name)
        if isinstance(node, Human | Wait):
            named = [Source(node.name, word) for word in node.outcomes]
            yield from (source for source in named if source in self.graph.out)
            if plain in self.graph.out:
                yield plain
        elif not isinstance(node, Route):
            yield plain
        yield from (each for word in (FAILED, EXPIRED) if (each := Source(node.name, word)) in self.graph.out)

    def leave(self, state: State, source: Source) -> list[tuple[State, int]] | None:
        """Every state that leaving by `source` may lead to, as routes decide, with the number of nodes entered."""
        due, arrived, counts = state
        others = [name for name in due if name != source.node]
        first = _Move(others, set(arrived), list(counts), 0, [source], [], [])
        open_moves = [first]
        found: list[tuple[State, int]] = []
        while open_moves:
            move = open_moves.pop()
            if len(open_moves) + len(found) > self.most or len(set(move.routes)) < len(move.routes):
                return None
            if move.leaving:
                self.go(move, move.leaving.pop())
                open_moves.append(move)
            elif move.entering:
                open_moves.extend(self.enter(move, *move.entering.pop()))
            else:
                found.append(((tuple(sorted(move.due)), frozenset(move.arrived), tuple(move.counts)), move.entered))
        return found

    def go(self, move: _Move, source: Source) -> None:
        edge = self.graph.out[source]
        if edge.key in self.number:
            at = self.number[edge.key]
            if move.counts[at] < (edge.limit or 0):
                move.counts[at] += 1
                move.entering.append((edge.targets[0], True))
            else:
                self.walk.spent.add(edge.key)
                move.entering.append((str(edge.then), False))
            return
        if edge.leaves:
            regions = self.graph.workflow.regions
            fork = regions.fork_of(source.node)
            inside = regions.inside.get(fork or "", frozenset())
            move.due = [name for name in move.due if name not in inside]
            gone = [name for name in move.fresh if name in inside]
            move.entered -= sum(self.graph.weights.get(name, 1) for name in gone)
            move.fresh = [name for name in move.fresh if name not in inside]
            move.arrived = {each for each in move.arrived if each.node not in inside}
            move.entering = [each for each in move.entering if each[0] not in inside]
            move.leaving = [each for each in move.leaving if each.node not in inside]
        if edge.joins:
            move.arrived.add(source)
            if not move.arrived.issuperset(edge.sources):
                return
            move.arrived.difference_update(edge.sources)
        move.entering.extend((target, False) for target in edge.targets)

    def enter(self, move: _Move, target: str, bounded: bool) -> Iterable[_Move]:
        if not bounded:
            for at in self.into.get(target, ()):
                move.counts[at] = 0
        if is_end(target):
            move.due.clear()
            return [move]
        node = self.graph.nodes[target]
        if isinstance(node, Route):
            return [move.decided(Source(target, word)) for word in node.outcomes]
        move.due.append(target)
        move.fresh.append(target)
        move.entered += self.graph.weights.get(target, 1)
        return [move]


@dataclass
class _Move:
    due: list[str]
    arrived: set[Source]
    counts: list[int]
    entered: int
    leaving: list[Source]
    entering: list[tuple[str, bool]]
    routes: list[str]
    fresh: list[str] = field(default_factory=list)
    """What this very move entered."""

    def decided(self, source: Source) -> _Move:
        return _Move(
            [*self.due],
            {*self.arrived},
            [*self.counts],
            self.entered,
            [*self.leaving, source],
            [*self.entering],
            [*self.routes, source.node],
            [*self.fresh],
        )


def _looked_at(graph: Graph, number: dict[str, int]) -> dict[str, int]:
    """For each node the counts that may be looked at before they restart, as bits: liveness of variables."""
    found: dict[str, int] = {}
    restarts: dict[str, int] = {}
    for edge in graph.bounded:
        target = edge.targets[0]
        restarts[target] = restarts.get(target, 0) | 1 << number[edge.key]
    ahead = deque(graph.nodes)
    while ahead:
        name = ahead.popleft()
        now = found.get(name, 0)
        for arc in graph.arcs_from.get(name, ()):
            now |= _through(arc, found, restarts, number)
        if now != found.get(name, 0):
            found[name] = now
            ahead.extend(arc.tail for arc in graph.arcs_into.get(name, ()))
    return found


def _through(arc: Arc, found: dict[str, int], restarts: dict[str, int], number: dict[str, int]) -> int:
    after = found.get(arc.head, 0)
    if arc.how != "bounded":
        after &= ~restarts.get(arc.head, 0)
    edge: Edge = arc.edge
    return after | (1 << number[edge.key] if edge.key in number else 0)
