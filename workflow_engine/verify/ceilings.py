"""The ceiling: the most steps between two answers, from START or any answer until a run ends or rests only on people.

A step is counted when its node is entered, a question too, so a run that got n answers took at most (n + 1) times the
ceiling. Where the states are few they are counted, and the ceiling is reached by some run. Elsewhere it is bounded from
above, loop by loop: inside a loop (a strongly connected component) the place that comes first can be entered again only
by bounded edges, whose counts no other edge of the loop restarts. So the loop is walked at most once more than their
limits together allow, and what is left without these edges is smaller: the same again until no loop is left, and then
the longest path counts. The arms of a fork add up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from workflow_engine.spec.edges import START_NAME, Edge
from workflow_engine.spec.nesting import nested, subflow_of
from workflow_engine.spec.nodes import Human, Route
from workflow_engine.spec.waits import Wait
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify.arms import Arm, Arms, arms
from workflow_engine.verify.course import Course
from workflow_engine.verify.finding import broken
from workflow_engine.verify.graph import Arc, Graph
from workflow_engine.verify.loops import bounds, ends
from workflow_engine.verify.routes import routes
from workflow_engine.verify.shape import names
from workflow_engine.verify.subflows import DEEPEST
from workflow_engine.verify.walk import Walk, walk

STATES = 5_000
WORK = 200_000
"""How many states, and how many counts in all of them, are looked at before an upper bound has to do."""


@dataclass(frozen=True)
class Ceiling:
    """`steps` is reached by some run if `exact`, else it is an upper bound that may be too high."""

    steps: int
    exact: bool

    def __str__(self) -> str:
        return (
            f"{'' if self.exact else 'at most '}{self.steps:,} step{'s' if self.steps != 1 else ''} between two answers"
        )


def ceiling(workflow: Workflow[Any], *, states: int = STATES) -> Ceiling | None:
    """The most steps between two answers; None if the workflow's paths break a law, so there may be no such number.

    The steps of the workflows within it count: a subflow is one step, and those of its own run.

    `states` bounds how many states are counted before an upper bound has to do.
    """
    try:
        return _ceiling(workflow, states, (), {})
    except Exception:  # not even a workflow
        return None


_Known: TypeAlias = dict[tuple[int, tuple[str, ...]], "Ceiling | None"]


def _ceiling(workflow: Workflow[Any], states: int, around: tuple[str, ...], known: _Known) -> Ceiling | None:
    """The ceiling of a workflow that lies within those named `around`, outermost first."""
    names = (*around, workflow.name)
    matter = {workflow.name, *(each.name for each in nested(workflow).values())}
    key = (id(workflow), tuple(sorted(each for each in names if each in matter)))
    if key not in known:
        known[key] = _alone(workflow, states, names, known)
    return known[key]


def _alone(workflow: Workflow[Any], states: int, names_: tuple[str, ...], known: _Known) -> Ceiling | None:
    try:
        graph = Graph(workflow)
        within = _within(graph, states, names_, known)
        if within is None:
            return None
        graph.weights, exact = within
        lie = arms(graph)
        course = Course(graph, sane=True)
        if broken((*names(graph), *routes(graph), *bounds(graph), *lie.findings)) or broken(ends(course)):
            return None
    except Exception:  # it cannot even be looked at, which `verify` reports
        return None
    among = any(graph.rests(name) and lie.of.get(name) is not None for name in graph.nodes)
    counted = walk(graph, min(states, WORK // (1 + len(graph.bounded))), interleave=among)
    if counted is not None:
        steps_ = _counted(counted)
        return steps_ if exact or steps_ is None else replace(steps_, exact=False)
    steps = _Bound(course, lie).steps()
    return None if steps is None else Ceiling(steps, exact=False)


def _within(graph: Graph, states: int, names: tuple[str, ...], known: _Known) -> tuple[dict[str, int], bool] | None:
    """What entering each subflow counts for, with the steps of its own run; and whether that is exact.

    A person within one splits the steps before and after an answer, so that the sum is an upper bound.
    """
    weights: dict[str, int] = {}
    exact = True
    for name, around in graph.nodes.items():
        node = subflow_of(around)  # of many items the steps of one: how many there will be nobody knows
        if node is None:
            continue
        inner = node.workflow
        if node.depth is not None and names.count(inner.name) > node.depth:
            weights[name] = 1
            continue
        if names.count(inner.name) > DEEPEST:
            return None
        own = _ceiling(inner, states, names, known)
        if own is None:
            return None
        weights[name] = 1 + own.steps
        exact = exact and own.exact and not any(isinstance(each, Human | Wait) for each in inner.nodes.values())
    return weights, exact


def _counted(counted: Walk) -> Ceiling | None:
    longest = counted.longest
    if longest is None:
        return None
    stretches = [entered + longest[state] for state, entered in counted.begin]
    stretches += [step.entered + longest[step.after] for steps in counted.moves for step in steps if step.answer]
    return Ceiling(max(stretches), exact=True)


@dataclass(frozen=True)
class _Way:
    tail: str
    head: str
    bound: Edge | None = None


class _Bound:
    """The upper bound, worked out arm by arm, innermost first. A fork with its arms is one place around it."""

    def __init__(self, course: Course, lie: Arms) -> None:
        self.graph = course.graph
        self.lie = lie
        self.weight = {START_NAME: 0}
        self.ways: dict[Arm | None, list[_Way]] = defaultdict(list)
        self.after: dict[Arm | None, dict[str, int]] = {}
        self.answers: list[Arc] = []
        for name, node in self.graph.nodes.items():
            self.weight[name] = 0 if isinstance(node, Route) else self.graph.weights.get(name, 1)
            self.ways[lie.of.get(name)].append(_Way(name, _NOWHERE))
        for arc in course.arcs:
            if self.graph.answers(arc.source):
                self.answers.append(arc)
            elif arc.edge.leaves and (left := lie.of.get(arc.tail)) is not None:
                self.ways[left.outer].append(_Way(_place(left.fork), arc.head))
            elif not arc.edge.joins:
                self.ways[lie.of.get(arc.tail)].append(
                    _Way(arc.tail, _head(arc), arc.edge if arc.how == "bounded" else None)
                )
        for arm in {each for each in lie.of.values() if each is not None}:
            self.ways[arm.outer].append(_Way(_place(arm.fork), _NOWHERE))  # it may have no join: each arm may leave it
        for fork, join in lie.joins.items():
            self.ways[lie.of.get(fork.sources[0].node)].append(_Way(_place(fork), join.targets[0]))

    def steps(self) -> int | None:
        try:
            return self._most()
        except _Unbounded:
            return None

    def _most(self) -> int:
        every = {arm for arm in (*self.ways, *self.lie.of.values()) if arm is not None}
        arms_of: dict[Edge, list[Arm]] = defaultdict(list)
        for arm in sorted(every, key=lambda arm: -len(arm.lineage)):
            self._work_out(arm)
            self.weight[_place(arm.fork)] = self.weight.get(_place(arm.fork), 0) + self._from(
                arm, arm.fork.targets[arm.number]
            )
            arms_of[arm.fork].append(arm)
        self._work_out(None)
        return max([self._from(None, START_NAME), *(self._answered(arc, arms_of) for arc in self.answers)])

    def _from(self, arm: Arm | None, place: str) -> int:
        return self.after[arm].get(place, 0)

    def _answered(self, arc: Arc, arms_of: Mapping[Edge, list[Arm]]) -> int:
        """The most steps after an answer: here, in the arms beside it wherever they stand, and after their joins."""
        arm = self.lie.of.get(arc.tail)
        if arc.edge.leaves and arm is not None:
            arm = arm.outer
        steps = 0 if arc.edge.joins else self._from(arm, _head(arc))
        while arm is not None:
            beside = (max(self.after[each].values(), default=0) for each in arms_of[arm.fork] if each is not arm)
            steps += sum(beside)
            beyond = [way.head for way in self.ways[arm.outer] if way.tail == _place(arm.fork)]
            steps += max((self._from(arm.outer, head) for head in beyond), default=0)
            arm = arm.outer
        return steps

    def _work_out(self, arm: Arm | None) -> None:
        self.after[arm] = _longest(self.ways[arm], self.weight)


class _Unbounded(Exception):
    """A loop that only its counts keep finite, in a way this bound does not see."""


class _Piece:
    """Some places and the ways between them, taken apart into its loops. `into` is the piece it is a loop of."""

    def __init__(self, ways: list[_Way], into: tuple[_Piece, int] | None = None, times: int = 1) -> None:
        import networkx as nx

        self.into = into
        self.times = times
        made: Any = nx.DiGraph()
        made.add_nodes_from(place for way in ways for place in (way.tail, way.head))
        made.add_edges_from((way.tail, way.head) for way in ways)
        self.parts: Any = nx.condensation(made)
        self.within: dict[int, list[_Way]] = defaultdict(list)
        part = self.parts.graph["mapping"]
        for way in ways:
            if part[way.tail] == part[way.head]:
                self.within[part[way.tail]].append(way)
        self.weight: dict[int, int] = {}

    def loops(self) -> list[_Piece]:
        """Each loop without the bounded edges that begin it anew."""
        return [self._loop(number, ways) for number, ways in self.within.items()]

    def _loop(self, number: int, ways: list[_Way]) -> _Piece:
        entered = {way.head for way in ways if way.bound is None}
        first = min((way.head for way in ways if way.head not in entered), default=None)
        if first is None:
            raise _Unbounded
        limits = {way.bound.key: way.bound.limit or 0 for way in ways if way.bound is not None and way.head == first}
        rest = [way for way in ways if way.head != first]
        alone = [_Way(way.tail, _NOWHERE) for way in ways]
        return _Piece([*rest, *alone], (self, number), 1 + sum(limits.values()))

    def longest(self, weight: Mapping[str, int]) -> dict[str, int]:
        """For each place the most steps from entering it on, once every loop has its weight."""
        import networkx as nx

        after: dict[int, int] = {}
        for part in reversed(list(nx.topological_sort(self.parts))):
            places = self.parts.nodes[part]["members"]
            here = self.weight[part] if part in self.weight else sum(weight.get(place, 0) for place in places)
            after[part] = here + max((after[ahead] for ahead in self.parts.successors(part)), default=0)
        return {place: after[part] for place, part in self.parts.graph["mapping"].items()}


_NOWHERE = ""


def _longest(ways: list[_Way], weight: Mapping[str, int]) -> dict[str, int]:
    """For each place the most steps from entering it on. On a stack of its own: a thousand nested loops are legal."""
    whole = _Piece(ways)
    order, ahead = [], [whole]
    while ahead:
        piece = ahead.pop()
        order.append(piece)
        ahead.extend(piece.loops())
    for piece in reversed(order):
        after = piece.longest(weight)
        if piece.into is not None:
            around, number = piece.into
            around.weight[number] = piece.times * max(after.values(), default=0)
    return whole.longest(weight)


def _head(arc: Arc) -> str:
    return _place(arc.edge) if arc.edge.forks else arc.head


def _place(fork: Edge) -> str:
    """A fork with all its arms, as a place."""
    return f"{fork.key} (fork)"
