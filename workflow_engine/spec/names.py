"""Names: what the nodes, ways out, fields and edges of an earlier version are called, once its migrations are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workflow_engine.spec.edges import Edge, Source
from workflow_engine.spec.migrations import Migration, RenameField, RenameNode, RenameOutcome
from workflow_engine.spec.workflow import Workflow


@dataclass(frozen=True)
class Names:
    """From the names of then to those of now: only what differs. `edges` are keys, `ways` ways out as text."""

    nodes: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    edges: Mapping[str, str] = field(default_factory=dict)
    ways: Mapping[str, str] = field(default_factory=dict)


def names(shape: Mapping[str, Any], migrations: Sequence[Migration], workflow: Workflow[Any]) -> Names:
    """The names after these migrations of a version whose document has this shape.

    The arms of a join may also have changed their order, which needs no declaration. A shape that no engine wrote has
    no names.
    """
    try:
        edges = [_edge(each) for each in shape["edges"]]
        nodes = {name: node_after(name, migrations) for name in shape["nodes"]}
        fields = {name: field_after(name, migrations) for name in shape["fields"]}
    except (KeyError, TypeError, ValueError):
        return Names()
    ways = {source: way_after(source, migrations) for edge in edges for source in edge.sources}
    known = {edge.key for edge in workflow.edges}
    keys: dict[str, str] = {}
    for edge in edges:
        now = Edge._of(
            tuple(ways[each] for each in edge.sources),
            tuple(nodes.get(each, each) for each in edge.targets),
            edge.limit,
            edge.then,
            edge.leaves,
        )
        keys[edge.key] = now.key if now.key in known else _shuffled(now, workflow.edges) or now.key
    return Names(
        _differing(nodes.items()),
        _differing(fields.items()),
        _differing(keys.items()),
        _differing((str(then), str(now)) for then, now in ways.items()),
    )


def node_after(name: str, migrations: Iterable[Migration]) -> str:
    """What a node is called after these migrations."""
    for each in migrations:
        if isinstance(each, RenameNode) and each.old == name:
            name = each.new
    return name


def field_after(name: str, migrations: Iterable[Migration]) -> str:
    """What a field is called after these migrations."""
    for each in migrations:
        if isinstance(each, RenameField) and each.old == name:
            name = each.new
    return name


def way_after(source: Source, migrations: Iterable[Migration]) -> Source:
    """What a way out of a node is called after these migrations."""
    node, outcome = source.node, source.outcome
    for each in migrations:
        if isinstance(each, RenameNode) and each.old == node:
            node = each.new
        elif isinstance(each, RenameOutcome) and (each.node, each.old) == (node, outcome):
            outcome = each.new
    return Source(node, outcome)


def _edge(each: Mapping[str, Any]) -> Edge:
    sources = tuple(Source(str(node), outcome) for node, outcome in each["sources"])
    return Edge._of(sources, tuple(map(str, each["targets"])), each["limit"], each["then"], each.get("leaves") is True)


def _shuffled(edge: Edge, edges: Iterable[Edge]) -> str | None:
    """The key of the same edge with its ends in another order."""
    ends = (frozenset(edge.sources), frozenset(edge.targets))
    return next((each.key for each in edges if (frozenset(each.sources), frozenset(each.targets)) == ends), None)


def _differing(pairs: Iterable[tuple[str, str]] | Iterator[tuple[str, str]]) -> dict[str, str]:
    return {then: now for then, now in pairs if then != now}
