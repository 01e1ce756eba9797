"""The laws of declared migrations, which belong to W6: each must lead from what was to what is here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from workflow_engine.spec.edges import Source
from workflow_engine.spec.migrations import (
    AddField,
    ChangeField,
    DropField,
    Migration,
    RenameField,
    RenameNode,
    RenameOutcome,
)
from workflow_engine.spec.names import field_after, node_after, way_after
from workflow_engine.verify.finding import Finding, near
from workflow_engine.verify.graph import Graph


def migrations(graph: Graph) -> Iterator[Finding]:
    """Names that exist nowhere, names that still exist, two names made one, and two that look alike."""
    declared = graph.workflow.migrations
    for text, count in Counter(map(str, declared)).items():
        if count > 1:
            what = f"{text} is declared {count} times, and a run takes it up once"
            yield graph.finding("W624", graph.workflow.name, what, "give each function a name of its own")
    for at, each in enumerate(declared):
        yield from _leads_here(graph, each, declared[at + 1 :])
    yield from _united(graph, declared)


def _leads_here(graph: Graph, each: Migration, later: Sequence[Migration]) -> Iterator[Finding]:
    nodes, fields = graph.nodes, graph.workflow.fields
    dropped = {drop.name for drop in later if isinstance(drop, DropField)}
    match each:
        case RenameNode():
            if (name := node_after(each.new, later)) not in nodes:
                yield _nowhere(graph, each, "node", name, nodes)
            if each.old in nodes and each.old not in {more.new for more in later if isinstance(more, RenameNode)}:
                yield _still(graph, each, "node", each.old)
        case RenameOutcome():
            way = way_after(Source(node_after(each.node, later), each.new), later)
            node = nodes.get(way.node)
            if node is None:
                yield _nowhere(graph, each, "node", way.node, nodes)
            elif way.outcome not in node.outcomes:
                yield _nowhere(graph, each, f"outcome of {way.node}", str(way.outcome), node.outcomes)
            elif each.old in node.outcomes:
                yield _still(graph, each, f"outcome of {way.node}", each.old)
        case RenameField():
            name = field_after(each.new, later)
            if name not in fields and name not in dropped:
                yield _nowhere(graph, each, "field", name, fields)
            if each.old in fields and each.old not in {more.new for more in later if isinstance(more, RenameField)}:
                yield _still(graph, each, "field", each.old)
        case ChangeField() | AddField():
            name = field_after(each.name, later)
            if name not in fields and name not in dropped:
                yield _nowhere(graph, each, "field", name, fields)
        case DropField():
            again = {more.name for more in later if isinstance(more, AddField)}
            again |= {more.new for more in later if isinstance(more, RenameField)}
            if each.name in fields and each.name not in again:
                yield _still(graph, each, "field", each.name)


def _united(graph: Graph, declared: Sequence[Migration]) -> Iterator[Finding]:
    """Two renames that lead to one name: a run that has both could not tell them apart."""
    for what, kind, after in (("node", RenameNode, node_after), ("field", RenameField, field_after)):
        ends: dict[str, list[str]] = {}
        begun = {each.new for each in declared if isinstance(each, kind)}
        for at, each in enumerate(declared):
            if isinstance(each, kind) and each.old not in begun:  # the first of a row of renames
                ends.setdefault(after(each.new, declared[at + 1 :]), []).append(each.old)
        for name, olds in sorted(ends.items()):
            if len(set(olds)) > 1:
                told = f"{what}s {' and '.join(sorted(set(olds)))} are both called {name} now"
                yield graph.finding("W622", name, told, "rename one of them, or give each a name of its own")


def _nowhere(graph: Graph, each: Migration, what: str, name: str, known: Iterable[str]) -> Finding:

    cure = f"{near(name, known)}name one that is here, or take the migration out"
    return graph.finding("W621", name, f"{each} leads to it, and there is no such {what}", cure)


def _still(graph: Graph, each: Migration, what: str, name: str) -> Finding:
    cure = "take the migration out once no run needs it, or give what is new another name"
    return graph.finding("W623", name, f"{each} says it is gone, and it is a {what} still", cure)
