"""Small graphs, drawn at random or counted out: five nodes at most, of every kind, with every kind of edge."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from workflow_engine.spec.edges import Edge, Source
from workflow_engine.spec.nodes import Function, Human, Node, Route
from workflow_engine.spec.question import Question
from workflow_engine.spec.state import State
from workflow_engine.spec.workflow import Workflow

NAMES = "abcde"
KINDS = ("function", "route", "choice", "person", "hurried")


class Empty(State):
    pass


def _does() -> None:
    pass


def _decides() -> Literal["x", "y"]:
    return "x"


def _asks() -> Question[str]:
    return Question("?")


def _offers() -> Question[Literal["x", "y"]]:
    return Question("?")


@cache
def node(kind: str, name: str) -> Node:
    """One node of a kind; frozen, so the graphs share them."""
    match kind:
        case "function":
            return Function(name=name, body=_does)
        case "route":
            return Route(name=name, body=_decides)
        case "choice":
            return Human(name=name, body=_offers)
        case "person":
            return Human(name=name, body=_asks)
        case _:
            return Human(name=name, body=_offers, within=timedelta(days=1))


def ways_of(kind: str, name: str) -> list[Source]:
    """The ways out that must have an edge."""
    match kind:
        case "function" | "person":
            return [Source(name)]
        case "hurried":
            return [Source(name, "x"), Source(name, "y"), Source(name, "expired")]
        case _:
            return [Source(name, "x"), Source(name, "y")]


def made(kinds: dict[str, str], edges: list[Edge]) -> Workflow[Any]:
    """A workflow of these nodes and edges."""
    nodes = {name: node(kind, name) for name, kind in kinds.items()}
    return Workflow("small", Empty, tuple(dict.fromkeys(edges)), MappingProxyType(nodes))


def edge(sources: list[Source], targets: list[str], limit: int | None = None, then: str | None = None) -> Edge:
    return Edge._of(tuple(sources), tuple(targets), limit, then)


def drawn(rng: random.Random, size: int) -> Workflow[Any]:
    """A random graph: mostly whole (every way out has one edge), sometimes broken."""
    kinds = {name: rng.choices(KINDS, (10, 6, 3, 1, 1))[0] for name in NAMES[:size]}
    ways = [way for name, kind in kinds.items() for way in ways_of(kind, name)]
    ways += [Source(name, "failed") for name, kind in kinds.items() if kind == "function" and rng.random() < 0.15]
    if rng.random() < 0.05:
        ways.remove(rng.choice(ways))
    if ways and rng.random() < 0.03:
        ways.append(rng.choice(ways))
    rng.shuffle(ways)
    places = [*kinds, "END"]
    tangled = rng.random() < 0.5
    edges: list[Edge] = []
    begin = rng.sample(list(kinds), min(size, 2)) if tangled and rng.random() < 0.3 else [rng.choice(list(kinds))]
    edges.append(edge([Source("START")], begin))
    while ways:
        luck = rng.random()
        if tangled and luck < 0.25 and len(ways) > 1:
            count = 3 if luck < 0.03 and len(ways) > 2 else 2
            edges.append(edge([ways.pop() for _ in range(count)], [rng.choice(places)]))
        elif tangled and luck < 0.45 and size > 1:
            edges.append(edge([ways.pop()], rng.sample(list(kinds), 3 if luck < 0.28 and size > 2 else 2)))
        elif luck > 0.75:
            edges.append(edge([ways.pop()], [rng.choice(list(kinds))], rng.choice((1, 1, 2, 3)), rng.choice(places)))
        else:
            edges.append(edge([ways.pop()], [rng.choice(places)]))
    return made(kinds, edges)


def counted(size: int, kinds: tuple[str, ...], limits: tuple[int, ...], *, forks: bool) -> Iterator[Workflow[Any]]:
    """Every graph of this size that begins at `a`: each way out goes anywhere, bounded or not, forks, or is joined."""
    names = NAMES[:size]
    places = [*names, "END"]
    targets: list[tuple[tuple[str, ...], int | None, str | None]] = [((place,), None, None) for place in places]
    targets += [((to,), limit, then) for limit in limits for to in names for then in places]
    begins: list[tuple[str, ...]] = [("a",)]
    if forks:
        targets += [(pair, None, None) for pair in itertools.combinations(names, 2)]
        begins += [("a", other) for other in names[1:]]
    for chosen in itertools.product(kinds, repeat=size):
        ways = [way for name, kind in zip(names, chosen, strict=True) for way in ways_of(kind, name)]
        groupings = [[[way] for way in ways]]
        if forks:
            groupings += [
                [list(pair), *([way] for way in ways if way not in pair)] for pair in itertools.combinations(ways, 2)
            ]
        for begin, groups in itertools.product(begins, groupings):
            options = [targets if len(group) == 1 else [((place,), None, None) for place in places] for group in groups]
            for ends in itertools.product(*options):
                rows = [
                    edge(group, list(to), limit, then) for group, (to, limit, then) in zip(groups, ends, strict=True)
                ]
                yield made(dict(zip(names, chosen, strict=True)), [edge([Source("START")], list(begin)), *rows])
