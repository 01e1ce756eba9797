"""The graph of a workflow as the laws walk it: sane edges in one order, and every single way a run can go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel

from workflow_engine.spec import document
from workflow_engine.spec.edges import START_NAME, Edge, Source, is_end
from workflow_engine.spec.nodes import EXPIRED, FAILED, Human, Node, Route
from workflow_engine.spec.waits import Wait
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify.finding import Finding, Severity, where_of


@dataclass(frozen=True)
class Arc:
    """One way a run can go: leaving `source` by `edge` brings it to `head`. A fork or a join is several arcs."""

    source: Source
    head: str
    edge: Edge
    how: Literal["plain", "bounded", "then"]

    @property
    def tail(self) -> str:
        return self.source.node


class Graph:
    """What the laws ask about. Only edges and nodes that are what they should be; the rest is in `oddities`.

    Everything is in an order that does not depend on the order of rows, so that neither do the findings.
    """

    def __init__(self, workflow: Workflow[Any]) -> None:
        self.workflow = workflow
        self.weights: Mapping[str, int] = {}
        """How many steps entering a node counts for, where it is not one."""
        self.nodes: Mapping[str, Node] = {
            name: node for name, node in sorted(workflow.nodes.items(), key=_name) if _is_node(name, node)
        }
        self.edges: tuple[Edge, ...] = tuple(sorted((each for each in workflow.edges if _is_edge(each)), key=_order))
        self.oddities: tuple[str, ...] = tuple(
            sorted(
                [repr(each) for each in workflow.edges if not _is_edge(each)]
                + [repr(name) for name, node in workflow.nodes.items() if not _is_node(name, node)]
            )
        )
        self.out: dict[Source, Edge] = {}
        for edge in self.edges:
            for source in edge.sources:
                self.out.setdefault(source, edge)

    @cached_property
    def arcs(self) -> tuple[Arc, ...]:
        """Every way between places that exist."""
        return tuple(arc for edge in self.edges for arc in self._arcs_of(edge))

    @cached_property
    def arcs_from(self) -> Mapping[str, tuple[Arc, ...]]:
        return _grouped((arc.tail, arc) for arc in self.arcs)

    @cached_property
    def arcs_into(self) -> Mapping[str, tuple[Arc, ...]]:
        return _grouped((arc.head, arc) for arc in self.arcs)

    @cached_property
    def bounded(self) -> tuple[Edge, ...]:
        """The bounded edges that are well formed: one source, one target, a limit and a `then`."""
        return tuple(each for each in self.edges if is_bound(each))

    def _arcs_of(self, edge: Edge) -> Iterator[Arc]:
        known = [each for each in edge.sources if each.node in self.nodes or each.node == START_NAME]
        for source in known:
            for head in edge.targets:
                if self.exists(head):
                    yield Arc(source, head, edge, "plain" if edge.limit is None else "bounded")
            if edge.limit is not None and edge.then is not None and self.exists(edge.then):
                yield Arc(source, edge.then, edge, "then")

    def exists(self, target: str) -> bool:
        return target in self.nodes or is_end(target)

    def is_route(self, name: str) -> bool:
        return isinstance(self.nodes.get(name), Route)

    def answers(self, source: Source) -> bool:
        """Whether this way out is left by a person's answer, or by a signal that somebody sends, and by nothing else.

        Where a default leads, nobody need have answered.
        """
        if not self.rests(source.node) or source.outcome in (FAILED, EXPIRED):
            return False
        node = self.nodes[source.node]
        return not isinstance(node, Human) or node.default is None or source != self.defaulted(node)

    def rests(self, name: str) -> bool:
        """Whether a run stays at this node until somebody acts. A time comes by itself, so it bounds no loop."""
        node = self.nodes.get(name)
        return isinstance(node, Human) or (isinstance(node, Wait) and bool(node.signals))

    def defaulted(self, node: Human[Any, Any]) -> Source:
        """The way out by which a person's node is left where its default is the answer."""
        named = Source(node.name, node.default_word)
        return named if named in self.out else Source(node.name)

    def fails(self, source: Source) -> bool:
        """Whether this way out is left by a step that gave up; a route may have a word "failed" like any other."""
        return source.outcome == FAILED and not self.is_route(source.node)

    def written(self, source: Source) -> str:
        """A way out as its user writes it: `verdict["passed"]`, `deploy.failed`."""
        if source.outcome is None:
            return source.node
        if source.outcome in (FAILED, EXPIRED) and not self.is_route(source.node):
            return f"{source.node}.{source.outcome}"
        return f'{source.node}["{source.outcome}"]'

    def finding(self, code: str, place: str, what: str, cure: str, severity: Severity = "finding") -> Finding:
        """A finding at a place of this workflow."""
        return Finding(code, str(place), what, cure, where_of(self.workflow, place), severity)


def is_bound(edge: Edge) -> bool:
    """Whether this is a bounded edge as it should be."""
    return is_count(edge.limit) and edge.then is not None and len(edge.sources) == len(edge.targets) == 1


def is_count(number: Any) -> bool:
    """Whether this is a whole number of at least one."""
    return isinstance(number, int) and not isinstance(number, bool) and number >= 1


def fields_written(node: Node) -> tuple[str, ...]:
    """The names a node writes to, if they are names."""
    writes: Any = node.writes
    return writes if isinstance(writes, tuple) and all(isinstance(each, str) for each in writes) else ()


def has_code(node: Node) -> bool:
    """Whether the node was declared here; a workflow read from a document has nodes without a body."""
    return getattr(node.body, "__module__", None) != document.__name__


def has_types(state: type[BaseModel]) -> bool:
    """Whether the state was declared here; a workflow read from a document may know its fields by name only."""
    return state.__module__ != document.__name__


def _name(item: tuple[Any, Any]) -> str:
    return str(item[0])


def _is_node(name: Any, node: Any) -> bool:
    return isinstance(name, str) and isinstance(node, Node)


def _is_edge(edge: Any) -> bool:
    if not isinstance(edge, Edge):
        return False
    # `Edge` can be made by hand from anything: what the type promises may not hold.
    sources, targets, then = (getattr(edge, part, None) for part in ("sources", "targets", "then"))
    return (
        _is_hashable(edge)
        and isinstance(sources, tuple)
        and isinstance(targets, tuple)
        and all(isinstance(each, Source) and _is_way(each.node, each.outcome) for each in sources)
        and all(isinstance(each, str) for each in targets)
        and (then is None or isinstance(then, str))
    )


def _is_hashable(edge: Edge) -> bool:
    try:
        hash(edge)
    except Exception:  # a limit may be anything
        return False
    return True


def _is_way(node: Any, outcome: Any) -> bool:
    return isinstance(node, str) and (outcome is None or isinstance(outcome, str))


def _order(edge: Edge) -> tuple[str, str, str, bool]:
    return (edge.key, repr(edge.limit), repr(edge.then), edge.leaves)


def _grouped(pairs: Iterable[tuple[str, Arc]]) -> Mapping[str, tuple[Arc, ...]]:
    found: dict[str, list[Arc]] = {}
    for name, arc in pairs:
        found.setdefault(name, []).append(arc)
    return {name: tuple(arcs) for name, arcs in found.items()}
