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

NAMES = "abcdef"
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


def edge(
    sources: list[Source],
    targets: list[str],
    limit: int | None = None,
    then: str | None = None,
    leaves: bool = False,
) -> Edge:
    return Edge._of(tuple(sources), tuple(targets), limit, then, leaves)


def left(rng: random.Random) -> Workflow[Any]:
    """A random graph with a fork that some ways out leave: often sound, for what can be left or joined mostly is."""
    size = rng.choice((4, 5, 5, 6))
    kinds = {name: rng.choices(KINDS, (10, 6, 3, 1, 1))[0] for name in "abcdef"[:size]}
    kinds["a"] = rng.choice(("function", "function", "person"))
    inner, heads = list(kinds)[1:], rng.choice((["b", "c"], ["b", "c"], ["b", "c", "d"]))
    inside = heads + ([inner[len(heads)]] if len(inner) > len(heads) + 1 and rng.random() < 0.4 else [])
    outside = [name for name in inner if name not in inside] or ["END"]
    edges = [edge([Source("START")], ["a"]), edge([Source("a")], heads)]
    ends: list[Source] = []
    for name in inside:
        ways = ways_of(kinds[name], name) + [Source(name, "failed")] * (kinds[name] != "route" and rng.random() < 0.15)
        joins = rng.random() < 0.8
        for way in ways:
            luck = rng.random()
            if name == "b" and inside != heads and luck < 0.5:
                edges.append(edge([way], [inside[-1]]))
            elif joins and luck < 0.7 and way.outcome != "failed" and (name in heads or luck < 0.4):
                ends.append(way)
                joins = False
            elif luck < 0.94:
                target = rng.choice([*outside, *outside, "END", "a"])
                edges.append(edge([way], [target], leaves=rng.random() < 0.97))
            else:
                edges.append(edge([way], [rng.choice(list(kinds))], leaves=rng.random() < 0.5))
    if len(ends) > 1:
        edges.append(edge(ends, [rng.choice([*outside, "END"])]))
    else:
        edges += [edge([way], [rng.choice(outside)], leaves=True) for way in ends]
    for at, name in enumerate(outside):
        for way in ways_of(kinds[name], name) if name in kinds else ():
            back = rng.random() < 0.15 and way.outcome is not None
            ahead = rng.choice([*outside[at + 1 :], "END"])
            edges.append(edge([way], ["a"], rng.choice((1, 2)), ahead) if back else edge([way], [ahead]))
    return made(kinds, edges)


def drawn(rng: random.Random, size: int) -> Workflow[Any]:
    """A random graph: mostly whole (every way out has one edge), often orderly (edges lead on, loops are bounded)."""
    kinds = {name: rng.choices(KINDS, (10, 6, 3, 1, 1))[0] for name in NAMES[:size]}
    ways = [way for name, kind in kinds.items() for way in ways_of(kind, name)]
    ways += [Source(name, "failed") for name in kinds if rng.random() < 0.1 and kinds[name] != "route"]
    if rng.random() < 0.04:
        ways.remove(rng.choice(ways))
    if ways and rng.random() < 0.03:
        ways.append(rng.choice(ways))
    rng.shuffle(ways)
    orderly, tangled = rng.random() < 0.8, rng.random() < 0.4
    places = [*kinds, "END"]

    def place(way: Source) -> str:
        at = NAMES.index(way.node)
        return rng.choice(places[at + 1 : at + 3]) if orderly and rng.random() < 0.85 else rng.choice(places)

    begin = places[:2] if tangled and size > 1 and rng.random() < 0.2 else ["a"]
    edges = [edge([Source("START")], begin)]
    if size > 2 and rng.random() < 0.3:
        edges += _forked(rng, kinds, ways)
    while ways:
        way, luck = ways.pop(), rng.random()
        if tangled and luck < 0.3 and ways:
            pair = [way, ways.pop()]
            edges.append(edge(pair, [place(max(pair, key=lambda each: each.node))]))
        elif tangled and luck < 0.5 and size > 2:
            at = NAMES.index(way.node)
            heads = places[at + 1 : at + 3] if orderly and at + 2 < size else rng.sample(list(kinds), 2)
            edges.append(edge([way], heads))
        elif luck > 0.8:
            edges.append(edge([way], [rng.choice(list(kinds))], rng.choice((1, 1, 2, 3)), place(way)))
        else:
            edges.append(edge([way], [place(way)]))
    return made(kinds, edges)


def _forked(rng: random.Random, kinds: dict[str, str], ways: list[Source]) -> list[Edge]:
    """A fork after `a`, its join, and loops in its arms. The ways out this uses up are taken away."""

    def one_of(name: str) -> list[Source]:
        chosen = [each for each in ways if each.node == name and each.outcome not in ("failed", "expired")][:1]
        for each in chosen:
            ways.remove(each)
        return chosen

    after = "d" if "d" in kinds else "END"
    rows = [(one_of("a"), ["b", "c"]), (one_of("b") + one_of("c"), [after])]
    edges = [edge(sources, heads) for sources, heads in rows if sources]
    for name in "bc":
        for each in [each for each in ways if each.node == name and rng.random() < 0.8]:
            ways.remove(each)
            other = rng.choice(["e", name]) if "e" in kinds and name == "c" else name
            edges.append(edge([each], [other], rng.randint(1, 2), rng.choice([other, name])))
    edges += [edge([each], [rng.choice("ac")]) for each in one_of("e") if rng.random() < 0.8]
    return edges


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
