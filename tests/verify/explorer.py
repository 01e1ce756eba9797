"""An explorer of small workflows that shares no code with `verify`: it plays the token game and tries everything.

Tokens lie on nodes, or wait at joins. Each carries the forks it came through, innermost last, which is how brackets are
checked without any analysis: a join must close exactly the arms of one fork, and a place always sees the same brackets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from workflow_engine.spec.edges import Edge, Source
from workflow_engine.spec.nodes import Human, Route
from workflow_engine.spec.workflow import Workflow

Brackets = tuple[tuple[int, int], ...]
Token = tuple[str, Brackets]


class Unsound(Exception):
    """What is wrong."""


@dataclass(frozen=True)
class Place:
    """One state: tokens on nodes, tokens at joins (edge, source), counts of bounded edges."""

    tokens: frozenset[Token]
    waiting: frozenset[tuple[int, Source, Brackets]]
    counts: tuple[int, ...]


@dataclass
class Explored:
    """What all states together show."""

    sound: bool
    why: str = ""
    dead_then: bool = False
    most_steps: int = 0
    places: list[Place] = field(default_factory=list)
    moves: dict[Place, list[tuple[Place, int, bool]]] = field(default_factory=dict)
    begin: list[tuple[Place, int]] = field(default_factory=list)


class TooMany(Exception):
    """More states than the caller wants to wait for."""


def explore(workflow: Workflow[Any], most: int = 20_000) -> Explored:
    """Sound or not, and why not."""
    return Game(workflow, most).play()


def unwritten_reads(
    workflow: Workflow[Any], needs: Mapping[str, frozenset[str]], writes: Mapping[str, frozenset[str]]
) -> set[tuple[str, str]]:
    """Every (node, field) such that some way of playing comes to the node with the field it needs unwritten."""
    game = Game(workflow, 20_000)
    found: set[tuple[str, str]] = set()
    known: frozenset[str] = frozenset()

    def look(name: str) -> None:
        found.update((name, each) for each in needs.get(name, frozenset()) - known)

    game.look = look
    empty = Place(frozenset(), frozenset(), tuple(0 for _ in workflow.edges))
    ahead = [(place, known) for place, _ in game.take(empty, Source("START"), (), frozenset())]
    seen = set(ahead)
    while ahead:
        place, before = ahead.pop()
        for token in place.tokens:
            for source, _ in game.ways(token[0]):
                failed = source.outcome in ("failed", "expired")
                known = before if failed else before | writes.get(token[0], frozenset())
                left = Place(place.tokens - {token}, place.waiting, place.counts)
                for after, _ in game.take(left, source, token[1], frozenset()):
                    if (after, known) not in seen:
                        seen.add((after, known))
                        ahead.append((after, known))
    return found


def _within(how: Brackets, outer: Brackets, fork: int) -> bool:
    """Whether brackets lie in an arm of this fork, which lies in the outer ones."""
    return how[: len(outer)] == outer and len(how) > len(outer) and how[len(outer)][0] == fork


class Game:
    """The rules: which moves there are from a place, and what is wrong with some of them."""

    def __init__(self, workflow: Workflow[Any], most: int) -> None:
        self.look: Callable[[str], None] = lambda _: None
        self.workflow = workflow
        self.most = most
        self.edges = list(workflow.edges)
        self.used: set[tuple[int, str]] = set()
        self.visited: set[str] = set()
        self.brackets: dict[str, Brackets] = {}
        self.explored = Explored(sound=True)

    def play(self) -> Explored:
        try:
            self._forbidden()
            self._all_places()
            self._nothing_dead()
            self._can_end()
            self._terminates()
        except Unsound as wrong:
            self.explored.sound, self.explored.why = False, str(wrong)
        return self.explored

    # -------------------------------------------------------------------------------------------- what is not allowed

    def _forbidden(self) -> None:
        for edge in self.edges:
            if len(edge.sources) > 1 and len(edge.targets) > 1:
                raise Unsound("a join into a fork")
            if edge.limit is not None and (len(edge.sources) > 1 or len(edge.targets) > 1):
                raise Unsound("a bounded fork or join")
            if edge.leaves:
                if edge.limit is not None or len(edge.sources) > 1 or len(edge.targets) > 1:
                    raise Unsound("what leaves a fork joins, forks or is bounded")
                if any(isinstance(self.workflow.nodes.get(each), Route) for each in edge.targets):
                    raise Unsound("a fork is left for a route")
            if len(set(edge.sources)) < len(edge.sources) or len(set(edge.targets)) < len(edge.targets):
                raise Unsound("the same twice")
            heads = [*edge.targets, *([edge.then] if edge.then else [])]
            for source in edge.sources:
                node = self.workflow.nodes.get(source.node)
                into_route = any(isinstance(self.workflow.nodes.get(each), Route) for each in heads)
                failed = source.outcome == "failed" and not isinstance(node, Route)
                if failed and (len(edge.targets) > 1 or into_route):
                    raise Unsound(".failed into a route or a fork")

    # -------------------------------------------------------------------------------------------- moves

    def _all_places(self) -> None:
        empty = Place(frozenset(), frozenset(), tuple(0 for _ in self.edges))
        starts = [each for each in self.edges if Source("START") in each.sources]
        if len(starts) != 1:
            raise Unsound("not one beginning")
        self.explored.begin = list(self.take(empty, Source("START"), (), frozenset()))
        ahead = [place for place, _ in self.explored.begin]
        moves = self.explored.moves
        while ahead:
            place = ahead.pop()
            if place in moves:
                continue
            if len(moves) > self.most:
                raise TooMany
            self.explored.places.append(place)
            self.visited |= {name for name, _ in place.tokens}
            moves[place] = []
            for token in place.tokens:
                for after, entered, answer in self._moves_of(place, token):
                    moves[place].append((after, entered, answer))
                    ahead.append(after)

    def _moves_of(self, place: Place, token: Token) -> Iterator[tuple[Place, int, bool]]:
        name, brackets = token
        left = Place(place.tokens - {token}, place.waiting, place.counts)
        for source, answer in self.ways(name):
            for after, entered in self.take(left, source, brackets, frozenset()):
                yield after, entered, answer

    def ways(self, name: str) -> list[tuple[Source, bool]]:
        """The ways out of a step, and whether a person's answer takes them."""
        node = self.workflow.nodes[name]
        ways: list[tuple[Source, bool]] = []
        if isinstance(node, Human):
            words = node.outcomes or (None,)
            for word in words:
                exact = Source(name, word)
                ways.append((exact if self._edge(exact) is not None else Source(name), True))
            if node.within is not None:
                ways.append((Source(name, "expired"), False))
        else:
            ways.append((Source(name), False))
        if self._edge(Source(name, "failed")) is not None:
            ways.append((Source(name, "failed"), False))
        return ways

    def _edge(self, source: Source) -> int | None:
        return next((at for at, each in enumerate(self.edges) if source in each.sources), None)

    def take(
        self, place: Place, source: Source, brackets: Brackets, routes: frozenset[str]
    ) -> Iterator[tuple[Place, int]]:
        """Follow the edge of a way out; routes are decided at once, every way they can."""
        at = self._edge(source)
        if at is None:
            raise Unsound(f"stuck at {source}")
        edge = self.edges[at]
        if edge.limit is not None:
            spent = place.counts[at] >= edge.limit
            self.used.add((at, "then" if spent else "edge"))
            if spent:
                yield from self._enter(place, str(edge.then), brackets, True, routes)
            else:
                counts = tuple(count + (each == at) for each, count in enumerate(place.counts))
                taken = Place(place.tokens, place.waiting, counts)
                yield from self._enter(taken, edge.targets[0], brackets, False, routes)
            return
        self.used.add((at, "edge"))
        if edge.leaves:
            if not brackets:
                raise Unsound(f"{source} leaves no fork")
            *outside, (fork, _) = brackets
            outer = tuple(outside)
            tokens = frozenset(each for each in place.tokens if not _within(each[1], outer, fork))
            waiting = frozenset(each for each in place.waiting if not _within(each[2], outer, fork))
            yield from self._enter(Place(tokens, waiting, place.counts), edge.targets[0], outer, True, routes)
        elif len(edge.sources) > 1:
            yield from self._join(place, source, at, edge, brackets, routes)
        elif len(edge.targets) > 1:
            before = [(place, 0)]
            for number, target in enumerate(edge.targets):
                before = [
                    (after, entered + more)
                    for each, entered in before
                    for after, more in (
                        self._enter(each, target, (*brackets, (at, number)), True, routes)
                        if self._all_there(each, brackets, at, number)
                        else [(each, 0)]  # a route at the head of an arm left the fork
                    )
                ]
            # What a route at the head of another arm left at once was never entered.
            yield from ((after, len(after.tokens - place.tokens)) for after, _ in before)
        else:
            for target in edge.targets:
                yield from self._enter(place, target, brackets, True, routes)

    def _all_there(self, place: Place, brackets: Brackets, fork: int, number: int) -> bool:
        """Whether something stands in each of the first so many arms of a fork."""
        there = [how for _, how in place.tokens] + [how for _, _, how in place.waiting]
        arms = {how[len(brackets)][1] for how in there if _within(how, brackets, fork)}
        return arms >= set(range(number))

    def _join(
        self, place: Place, source: Source, at: int, edge: Edge, brackets: Brackets, routes: frozenset[str]
    ) -> Iterator[tuple[Place, int]]:
        if any(here == at and there == source for here, there, _ in place.waiting):
            raise Unsound(f"{source} comes to its join twice")
        waiting = place.waiting | {(at, source, brackets)}
        there = [(who, how) for here, who, how in waiting if here == at]
        if len(there) < len(edge.sources):
            yield Place(place.tokens, waiting, place.counts), 0
            return
        tops = {how[-1:] for _, how in there}
        rests = {how[:-1] for _, how in there}
        forks = {fork for top in tops for fork, _ in top}
        if len(rests) != 1 or () in tops or len(forks) != 1 or len(tops) != len(there):
            raise Unsound(f"the join {edge} does not close the arms of one fork")
        if len(tops) != len(self.edges[min(forks)].targets):
            raise Unsound(f"the join {edge} leaves an arm behind")
        self.used.add((at, "joined"))
        rest = frozenset(each for each in waiting if each[0] != at)
        yield from self._enter(
            Place(place.tokens, rest, place.counts), edge.targets[0], next(iter(rests)), True, routes
        )

    def _enter(
        self, place: Place, target: str, brackets: Brackets, unbounded: bool, routes: frozenset[str]
    ) -> Iterator[tuple[Place, int]]:
        if unbounded:
            counts = tuple(
                0 if edge.limit is not None and target in edge.targets else count
                for edge, count in zip(self.edges, place.counts, strict=True)
            )
            place = Place(place.tokens, place.waiting, counts)
        if target == "END" or target.startswith("FAIL: "):
            if brackets or place.tokens or place.waiting:
                raise Unsound(f"{target} with others under way")
            yield Place(frozenset(), frozenset(), tuple(0 for _ in place.counts)), 0
            return
        node = self.workflow.nodes.get(target)
        if node is None:
            raise Unsound(f"no node {target}")
        self.look(target)
        if self.brackets.setdefault(target, brackets) != brackets:
            raise Unsound(f"{target} lies in different arms")
        if isinstance(node, Route):
            if target in routes:
                raise Unsound(f"{target} decides twice on one state")
            self.visited.add(target)
            for word in node.outcomes:
                yield from self.take(place, Source(target, word), brackets, routes | {target})
            return
        if any(name == target for name, _ in place.tokens):
            raise Unsound(f"two tokens on {target}")
        yield Place(place.tokens | {(target, brackets)}, place.waiting, place.counts), 1

    # -------------------------------------------------------------------------------------------- verdicts

    def _nothing_dead(self) -> None:
        if dead := set(self.workflow.nodes) - self.visited:
            raise Unsound(f"never reached: {dead}")
        for at, edge in enumerate(self.edges):
            sources = {self._edge(source) == at for source in edge.sources}
            joined = len(edge.sources) == 1 or (at, "joined") in self.used
            if (at, "edge") not in self.used or sources != {True} or not joined:
                raise Unsound(f"never taken: {edge}")
            if edge.limit is not None and (at, "then") not in self.used:
                self.explored.dead_then = True

    def _can_end(self) -> None:
        moves = self.explored.moves
        before: dict[Place, list[Place]] = defaultdict(list)
        for place, steps in moves.items():
            for after, _, _ in steps:
                before[after].append(place)
        ahead = [place for place in moves if not place.tokens and not place.waiting]
        good = set(ahead)
        while ahead:
            for earlier in before[ahead.pop()]:
                if earlier not in good:
                    good.add(earlier)
                    ahead.append(earlier)
        if len(good) < len(moves):
            raise Unsound("a state from which nothing ends")

    def _terminates(self) -> None:
        """Longest stretch without an answer, by depth-first search; a way back to an open place is an endless loop."""
        best: dict[Place, int] = {}
        under_way: set[Place] = set()
        for first in self.explored.moves:
            stack = [] if first in best else [first]
            while stack:
                place = stack[-1]
                under_way.add(place)
                ahead = [after for after, _ in self._unanswered(place) if after not in best]
                if any(after in under_way for after in ahead):
                    raise Unsound("endless without an answer")
                if ahead:
                    stack.append(ahead[0])
                    continue
                best[place] = max((entered + best[after] for after, entered in self._unanswered(place)), default=0)
                under_way.discard(stack.pop())
        stretches = [entered + best[place] for place, entered in self.explored.begin]
        for moves in self.explored.moves.values():
            stretches += [entered + best[after] for after, entered, answer in moves if answer]
        self.explored.most_steps = max(stretches)

    def _unanswered(self, place: Place) -> list[tuple[Place, int]]:
        return [(after, entered) for after, entered, answer in self.explored.moves[place] if not answer]
