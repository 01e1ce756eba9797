"""W5, forks and joins: they match like brackets, and nothing leaves an arm otherwise but an edge that says so.

A place of the workflow lies in one arm, or in none. Walking from START, a fork opens an arm for each of its targets and
the join of exactly these arms closes them. Then a run has at most one node due in each arm, every join completes, and
none of its arms is left behind when the run ends: soundness of workflow nets, by construction rather than by search
(van der Aalst, "The application of Petri nets to workflow management", 1998). An edge that leaves a fork empties all of
its arms (the cancellation region of reset nets), so that the same holds behind it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from workflow_engine.spec.edges import FAIL_PREFIX, START_NAME, Edge, Source, is_end
from workflow_engine.verify.course import spendable
from workflow_engine.verify.finding import Finding
from workflow_engine.verify.graph import Graph


@dataclass(frozen=True, eq=False)
class Arm:
    """One branch of a fork: its number from 0, and the arm the fork itself lies in."""

    fork: Edge
    number: int
    outer: Arm | None

    @property
    def lineage(self) -> tuple[Arm, ...]:
        """This arm and all around it, outermost first."""
        found: list[Arm] = []
        arm: Arm | None = self
        while arm is not None:
            found.append(arm)
            arm = arm.outer
        return tuple(reversed(found))

    def __str__(self) -> str:
        return f"the arm {self.fork.targets[self.number]} of the fork after {self.fork.sources[0]}"


@dataclass(frozen=True)
class Arms:
    """Where everything lies. `of` gives a node's arm, None outside all; `joins` the join that closes each fork."""

    of: Mapping[str, Arm | None]
    joins: Mapping[Edge, Edge]
    findings: tuple[Finding, ...] = ()

    def parted(self, one: str, other: str) -> bool:
        """Whether the two lie in different arms of one fork, so that neither comes before the other."""
        first, second = self.of.get(one), self.of.get(other)
        if first is None or second is None or first is second:
            return False
        return any(
            mine.fork is theirs.fork and mine.outer is theirs.outer and mine is not theirs
            for mine, theirs in zip(first.lineage, second.lineage, strict=False)
        )


def arms(graph: Graph) -> Arms:
    """The arm of every place that START leads to, and what is wrong with forks and joins."""
    return _Tracing(graph, spendable(graph, pure=False)).all()


class _Tracing:
    def __init__(self, graph: Graph, spent: frozenset[str]) -> None:
        self.graph = graph
        self.spent = spent
        self.of: dict[str, Arm | None] = {}
        self.made: dict[tuple[int, Edge, int], Arm] = {}
        self.at_join: dict[Edge, dict[Source, Arm | None]] = {}
        self.joins: dict[Edge, Edge] = {}
        self.findings: list[Finding] = []
        self.ahead: deque[str] = deque()

    def all(self) -> Arms:
        self.findings.extend((*_malformed(self.graph), *_always_left(self.graph)))
        self.of[START_NAME] = None
        self.ahead.append(START_NAME)
        self.trace()
        while incomplete := sorted(self.at_join, key=lambda edge: edge.key):
            self.waits_for_ever(incomplete[0])
            self.trace()
        return Arms(self.of, self.joins, tuple(dict.fromkeys(self.findings)))

    def trace(self) -> None:
        while self.ahead:
            name = self.ahead.popleft()
            here = self.of[name]
            for edge in dict.fromkeys(arc.edge for arc in self.graph.arcs_from.get(name, ())):
                for source in edge.sources:
                    if source.node == name:
                        self.leave(source, edge, here)

    def leave(self, source: Source, edge: Edge, here: Arm | None) -> None:
        if edge.joins:
            waiting = self.at_join.setdefault(edge, {})
            waiting[source] = here
            if len(waiting) == len(set(edge.sources)):
                del self.at_join[edge]
                self.follow(source, edge, self.closed(edge, waiting))
        else:
            self.follow(source, edge, here)

    def follow(self, source: Source, edge: Edge, here: Arm | None) -> None:
        if edge.leaves:
            if here is None:
                what = f"{self.graph.written(source)} leaves a fork, and lies in none ({edge.key})"
                self.say(
                    "W510", source.node, what, f"write a plain edge: {self.graph.written(source)} >> {_ends(edge)}"
                )
            self.enter(source, edge, edge.targets, None if here is None else here.outer)
        elif edge.forks:
            for number, target in enumerate(edge.targets):
                self.enter(source, edge, (target,), self.arm(edge, number, here))
        else:
            self.enter(source, edge, edge.leads_to if edge.key in self.spent else edge.targets, here)

    def arm(self, fork: Edge, number: int, outer: Arm | None) -> Arm:
        return self.made.setdefault((id(outer), fork, number), Arm(fork, number, outer))

    def enter(self, source: Source, edge: Edge, targets: tuple[str, ...], arm: Arm | None) -> None:
        for target in targets:
            if is_end(target):
                if arm is not None:
                    what = f"{self.graph.written(source)} ends the run inside {arm}"
                    cure = "join the arms first, then lead on to the end"
                    if not edge.leaves and arm.outer is None:
                        cure += f"; or withdraw the other arms: {self.graph.written(source)} >> leaving({_end(target)})"
                    self.say("W501", source.node, what, cure)
            elif target not in self.graph.nodes:
                continue
            elif target not in self.of:
                self.of[target] = arm
                self.ahead.append(target)
            elif self.of[target] is not arm:
                self.crossed(target, self.of[target], arm, edge)

    def crossed(self, target: str, known: Arm | None, arm: Arm | None, edge: Edge) -> None:
        both = [each for each in (known, arm) if each is not None]
        if len(both) == 2 and both[0].fork is both[1].fork and both[0].outer is both[1].outer:
            heads = sorted({each.fork.targets[each.number] for each in both})
            if len(heads) > 1:  # else the fork names one node twice, which W507 says
                what = f"is entered from the arms {' and '.join(heads)} of one fork, which run at the same time"
                self.say("W509", target, what, f"wait for both: (..., ...) >> {target}")
            return
        inner = max(both, key=lambda each: len(each.lineage))
        how = "a bounded edge" if edge.limit is not None else "an edge"
        what = f"lies both inside and outside of {inner}: {how} crosses the arm's border ({edge.key})"
        cure = "enter an arm only by its fork and leave it only by its join"
        if arm is not None and arm.outer is known and edge.limit is None and not edge.leaves:
            cure += f", or withdraw the other arms: {self.graph.written(edge.sources[0])} >> leaving({target})"
        self.say("W502", target, what, cure)

    def closed(self, edge: Edge, waiting: Mapping[Source, Arm | None]) -> Arm | None:
        """The arm a join leads back to, having looked whether it closes exactly one fork."""
        found = list(waiting.values())
        place = edge.sources[0].node
        if any(arm is None for arm in found):
            alone = min((source for source, arm in waiting.items() if arm is None), key=str)
            what = f"a join waits for {_listed(edge)}, but {alone} lies in no arm: only one of them ever comes"
            self.say("W503", place, what, _alternatives(edge))
            return None
        inside = [arm for arm in found if arm is not None]
        fork, outer = inside[0].fork, inside[0].outer
        if any(arm.fork is not fork or arm.outer is not outer for arm in inside):
            what = f"a join waits for arms of different forks ({_listed(edge)})"
            self.say("W504", place, what, "join the arms of the inner fork first, then those of the outer one")
            return min(inside, key=lambda arm: len(arm.lineage)).outer
        numbers = [arm.number for arm in inside]
        if len(set(numbers)) < len(numbers):
            what = f"a join waits for {_listed(edge)}, two ends of one arm: only one of them ever comes"
            self.say("W503", place, what, "let the arm come together in one node, and join that")
        left_out = [target for number, target in enumerate(fork.targets) if number not in numbers]
        if left_out:
            what = f"the join of {_listed(edge)} leaves the arm {', '.join(left_out)} behind"
            self.say("W504", place, what, "join all arms of a fork at once")
        if self.joins.setdefault(fork, edge) is not edge:
            both = f"({_listed(self.joins[fork])}) and ({_listed(edge)})"
            what = f"the fork after {fork.sources[0]} has two joins, {both}"
            self.say("W505", fork.sources[0].node, what, "give it one join; choose by a @route after it")
        return outer

    def waits_for_ever(self, edge: Edge) -> None:
        waiting = self.at_join.pop(edge)
        missing = sorted(set(edge.sources) - set(waiting), key=str)
        what = f"the join of {_listed(edge)} never completes: {', '.join(map(str, missing))} never comes"
        self.say("W503", min(waiting, key=str).node, what, "let every arm lead to its join")
        outer = next((arm.outer for arm in waiting.values() if arm is not None), None)
        self.enter(min(waiting, key=str), edge, edge.targets, outer)

    def say(self, code: str, place: str, what: str, cure: str) -> None:
        self.findings.append(self.graph.finding(code, place, what, cure))


def _malformed(graph: Graph) -> Iterator[Finding]:
    for edge in graph.edges:
        place = edge.sources[0].node if edge.sources else graph.workflow.name
        if edge.joins and edge.forks:
            what = f"a join leads straight into a fork ({edge.key})"
            yield graph.finding("W506", place, what, "put a node between: (a, b) >> node >> (c, d)")
        for twice in sorted({str(each) for each in edge.sources if edge.sources.count(each) > 1}):
            yield graph.finding("W507", place, f"{twice} stands twice in one join ({edge.key})", "name it once")
        for twice in sorted({each for each in edge.targets if edge.targets.count(each) > 1}):
            cure = f'a second place needs a name of its own: {twice}.named("...")'
            yield graph.finding("W507", place, f"{twice} stands twice in one fork ({edge.key})", cure)
        for source in edge.sources:
            if graph.fails(source) and source.node in graph.nodes:
                yield from _after_failure(graph, edge, source)
        if edge.leaves:
            yield from _leaving(graph, edge, place)


def _always_left(graph: Graph) -> Iterator[Finding]:
    """Forks that a route at the head of an arm leaves whatever it says: no other arm of theirs ever begins."""
    for fork in graph.edges:
        for head in fork.targets if fork.forks else ():
            if graph.is_route(head) and _only_leaves(graph, head, frozenset()):
                others = ", ".join(each for each in fork.targets if each != head)
                what = f"it begins an arm and leaves the fork whatever it says, so that {others} never begins"
                yield graph.finding("W512", head, what, "decide before the fork, or lead one of its words to the join")


def _only_leaves(graph: Graph, route: str, seen: frozenset[str]) -> bool:
    edges = [graph.out.get(Source(route, word)) for word in graph.nodes[route].outcomes]
    return bool(edges) and all(
        edge is not None
        and (
            edge.leaves
            or (
                edge.limit is None
                and not edge.joins
                and not edge.forks
                and all(
                    graph.is_route(each) and each not in seen and _only_leaves(graph, each, seen | {route})
                    for each in edge.targets
                )
            )
        )
        for edge in edges
    )


def _leaving(graph: Graph, edge: Edge, place: str) -> Iterator[Finding]:
    how = "joins" if edge.joins else "forks" if edge.forks else "is bounded" if edge.limit is not None else None
    if how is not None:
        what = f"an edge that leaves a fork {how} as well ({edge.key})"
        yield graph.finding("W511", place, what, f"put a node between: {place} >> leaving(node), then go on from there")
    for target in edge.targets:
        if graph.is_route(target):
            what = f"an edge leaves a fork for the route {target}, which may have to wait for what is under way there"
            yield graph.finding("W511", place, what, f"put a node between: {place} >> leaving(node), node >> {target}")


def _after_failure(graph: Graph, edge: Edge, source: Source) -> Iterator[Finding]:
    way = f"{source.node}.failed"
    if edge.forks:
        cure = f"put a node between: {way} >> node >> (a, b)"
        yield graph.finding("W508", source.node, f"{way} leads into a fork", cure)
    for target in edge.leads_to:
        if graph.is_route(target):
            what = f"{way} leads into the route {target}, which decides on a state the step did not write"
            yield graph.finding("W508", source.node, what, f"put a node between: {way} >> node >> {target}")


def _ends(edge: Edge) -> str:
    return ", ".join(map(_end, edge.targets))


def _end(target: str) -> str:
    return f'FAIL("{target.removeprefix(FAIL_PREFIX)}")' if target.startswith(FAIL_PREFIX) else target


def _listed(edge: Edge) -> str:
    return ", ".join(map(str, edge.sources))


def _alternatives(edge: Edge) -> str:
    return f"write either way as a row of its own: ... >> {', '.join(edge.targets)}"
