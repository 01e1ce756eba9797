"""The plan of a workflow's picture: which cards there are, and which way each arrow stands for.

A route with one predecessor is drawn inside that predecessor's card: it is decided in its commit. A route after a join,
or with several predecessors, has a card of its own. Forks and joins are bars. Total: a workflow that breaks laws is
drawn too, for its picture helps to mend it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from workflow_engine.draw.diagram import Decision, Group, Kind, Meaning
from workflow_engine.draw.lettering import fold
from workflow_engine.draw.loops import Loop, groups
from workflow_engine.draw.measures import bounds, time_taken
from workflow_engine.spec.each import Each, inputs_of
from workflow_engine.spec.edges import END_NAME, FAIL_PREFIX, START_NAME, Edge, Source
from workflow_engine.spec.foreign import Foreign
from workflow_engine.spec.nodes import FAILED, Agent, Function, Human, Node, Route
from workflow_engine.spec.policies import attempts_of
from workflow_engine.spec.waits import Wait
from workflow_engine.spec.workflow import Workflow

Leg: TypeAlias = Literal["whole", "arrival", "departure", "then"]
"""What part of an edge an arrow is: all of it, the way into a bar or out of it, or the way of a spent bound."""

READABLE = 44
MOST_PLACES = 8
"""How many characters of reads and writes stand in one line."""


@dataclass(frozen=True)
class Place:
    """A card to be: its lines are what the workflow says of it."""

    id: str
    name: str
    kind: Kind
    lines: tuple[str, ...] = ()
    decision: Decision | None = None


@dataclass(frozen=True)
class Way:
    """An arrow to be. `source` is None behind a bar."""

    tail: str
    head: str
    edge: Edge
    leg: Leg
    source: Source | None
    meaning: Meaning

    @property
    def label(self) -> str:
        return "" if self.source is None or self.source.outcome is None else self.source.outcome


@dataclass(frozen=True)
class Plan:
    places: tuple[Place, ...]
    ways: tuple[Way, ...]
    groups: tuple[Group, ...]


def plan(workflow: Workflow[Any]) -> Plan:
    """What a picture of `workflow` consists of, in reading order. Shuffling the rows of the table changes nothing."""
    hosts = dict(_hosts(workflow))
    order, ways = _read(workflow, [way for edge in workflow.edges for way in _ways(workflow, edge, hosts)], hosts)
    routes = {host: route for route, host in hosts.items()}
    bars = {_bar(edge): edge for edge in workflow.edges}
    places = tuple(
        _bar_place(each, bars[each]) if each in bars else _place(workflow, each, routes.get(each)) for each in order
    )
    kinds = {place.id: place.kind for place in places}
    loops = [Loop(way.tail, way.head, way.edge.limit or 0) for way in ways if way.meaning == "loop"]
    onward = [(way.tail, way.head) for way in ways if way.meaning == "plain" and kinds[way.tail] != "human"]
    return Plan(places, ways, groups(loops, onward))


def _read(workflow: Workflow[Any], ways: list[Way], hosts: Mapping[str, str]) -> tuple[list[str], tuple[Way, ...]]:
    """The places and ways as a reader follows them: from START, first outcome first, then what is not reached."""
    onward: dict[str, list[Way]] = {}
    for way in sorted(ways, key=lambda way: _turn(workflow, way)):
        onward.setdefault(way.tail, []).append(way)
    loose = sorted({end for way in ways for end in (way.tail, way.head)} | {*workflow.nodes} - {*hosts})
    seen: dict[str, None] = {}
    ahead = [*reversed(loose), *([START_NAME] if START_NAME in onward else [])]
    while ahead:
        place = ahead.pop()
        if place not in seen:
            seen[place] = None
            ahead += [way.head for way in reversed(onward.get(place, []))]
    return list(seen), tuple(way for place in seen for way in onward.get(place, []))


def _turn(workflow: Workflow[Any], way: Way) -> tuple[int, str, str, bool]:
    """Where a way stands among those out of one place: by its outcome as declared, the way of a spent bound behind."""
    node = None if way.source is None else workflow.nodes.get(way.source.node)
    outcomes = () if node is None else node.outcomes
    turn = -1 if not way.label else outcomes.index(way.label) if way.label in outcomes else len(outcomes)
    return turn, way.label, way.edge.key, way.leg == "then"


def _hosts(workflow: Workflow[Any]) -> Iterator[tuple[str, str]]:
    """Each route that is drawn inside a card, with the node whose card that is."""
    into: dict[str, list[Edge]] = {}
    for edge in workflow.edges:
        for target in edge.leads_to:
            into.setdefault(target, []).append(edge)
    for name, node in workflow.nodes.items():
        match into.get(name, ()) if isinstance(node, Route) else ():
            case [Edge(sources=(Source(node=host, outcome=None),), targets=(_,), limit=None, then=None)] if (
                host in workflow.nodes and not isinstance(workflow.nodes[host], Route)
            ):
                yield name, host


def _ways(workflow: Workflow[Any], edge: Edge, hosts: Mapping[str, str]) -> Iterator[Way]:
    if any(target in hosts for target in edge.targets):
        return
    bar = _bar(edge) if edge.joins or edge.forks else None
    for source in edge.sources:
        tail = hosts.get(source.node, source.node)
        meaning = _meaning(workflow, edge, source)
        for head in (bar,) if bar else edge.targets:
            yield Way(tail, head, edge, "arrival" if bar else "whole", source, meaning)
        if edge.then is not None:
            yield Way(tail, edge.then, edge, "then", source, "escalation")
    if bar:
        for target in edge.targets:
            yield Way(bar, target, edge, "departure", None, "plain")


def _meaning(workflow: Workflow[Any], edge: Edge, source: Source) -> Meaning:
    if edge.limit is not None:
        return "loop"
    if edge.leaves:
        return "leaving"
    node = workflow.nodes.get(source.node)
    # A route may well have an outcome called "failed"; only an undeclared one is the node's own failure.
    return "failure" if source.outcome == FAILED and node is not None and FAILED not in node.outcomes else "plain"


def _bar(edge: Edge) -> str:
    return f"bar {edge.key}"


def _bar_place(each: str, edge: Edge) -> Place:
    kind: Literal["join", "fork"] = "join" if edge.joins else "fork"
    return Place(each, kind, kind)


def _place(workflow: Workflow[Any], each: str, route: str | None) -> Place:
    if each in workflow.nodes:
        node = workflow.nodes[each]
        kind: Kind = node.kind if node.kind in get_args(Kind) else "unknown"  # type: ignore[assignment]
        return Place(each, each, kind, tuple(_lines(workflow, node)), None if route is None else Decision(route))
    if each == START_NAME:
        return Place(each, START_NAME, "start")
    if each == END_NAME:
        return Place(each, END_NAME, "end")
    if each.startswith(FAIL_PREFIX):
        return Place(each, each.removeprefix(FAIL_PREFIX), "fail")
    return Place(each, each, "unknown", ("named by an edge, but no node of the workflow",))


def _places(places: tuple[str, ...]) -> Iterator[str]:
    """The nodes of a foreign graph, as many as can be read."""
    shown = places[:MOST_PLACES]
    left = len(places) - len(shown)
    yield from fold(f"in it: {', '.join(shown)}{f' and {left} more' if left else ''}", READABLE, 2)


def _lines(workflow: Workflow[Any], node: Node) -> Iterator[str]:
    """What a node reads and writes, then what its declaration says beyond the ordinary."""
    if isinstance(node, Route):
        return
    fields = workflow.state.model_fields
    reads = ", ".join(dict.fromkeys(each.name for each in inputs_of(node, workflow) if each.name in fields))
    writes = ", ".join(node.writes)
    if reads and writes and len(reads) + len(writes) > READABLE:
        yield reads
        yield f"→ {writes}"
    elif reads or writes:
        yield f"{reads} → {writes}".strip() if writes else f"reads {reads}"
    terms = []
    if isinstance(node, Each):
        terms.append(
            f"{node.at_once} at once" if node.on_error == "fail" else f"{node.at_once} at once, {_errors(node)}"
        )
    if node.effect:
        terms.append("effect")
    if (attempts := attempts_of(node.retry)) > 1 and not isinstance(node, Agent):
        terms.append(f"{attempts} attempts")
    if node.timeout is not None:
        terms.append(f"at most {time_taken(node.timeout.total_seconds())}")
    if node.idle is not None:
        terms.append(f"heard of every {time_taken(node.idle.total_seconds())}")
    if node.budget is not None:
        terms.append(bounds(node.budget.settings))
    if node.uses:
        terms.append(f"uses {', '.join(node.uses)}")
    if isinstance(node, Function) and node.cache is not None:
        terms.append(f"kept for {time_taken(node.cache.total_seconds())}")
    if isinstance(node, Human) and node.within is not None:
        then = f", then {node.default_word or 'its default'}" if node.default is not None else ""
        terms.append(f"within {time_taken(node.within.total_seconds())}{then}")
    if isinstance(node, Human) and node.approvals:
        terms += [f"{word}: {count} people" for word, count in node.approvals.items()]
    if isinstance(node, Foreign) and node.anatomy is not None:
        yield from _places(node.anatomy.places)
    if isinstance(node, Wait):
        yield _awaited(node)
        if node.within is not None:
            terms.append(f"within {time_taken(node.within.total_seconds())}")
        if node.topic is not None:
            terms.append(f"topic {node.topic}")
    if terms:
        yield " · ".join(terms)
    if isinstance(node, Human) and (asked := [each for each in (node.to, *node.candidates) if each]):
        yield f"asks {', '.join(asked[:3])}{', …' if len(asked) > 3 else ''}"


def _awaited(node: Wait) -> str:
    if node.until is not None:
        return f"until the time in {node.until}"
    if node.lasting is not None:
        return f"for {time_taken(node.lasting.total_seconds())}"
    return (
        f"for {'any' if node.first else 'all'} of {', '.join(node.names)}"
        if len(node.names) > 1
        else (f"for signal {', '.join(node.names)}")
    )


def _errors(node: Each[Any, Any]) -> str:
    return "failures collected" if node.on_error == "collect" else "failures skipped"
