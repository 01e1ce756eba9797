"""W4 and W5 of subflows: fields that fit on both sides, names that mean one thing, an end to what contains itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from workflow_engine.errors import DeclarationError
from workflow_engine.spec.each import Each, value_type
from workflow_engine.spec.nesting import nested, subflow_of, subflows_of
from workflow_engine.spec.nodes import Node
from workflow_engine.spec.subflow import Subflow
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify.accepts import accepts, holds
from workflow_engine.verify.finding import Finding, called, near
from workflow_engine.verify.graph import Graph, has_types, is_count
from workflow_engine.verify.outputs import outputs

DEEPEST = 50
"""How deep a workflow may lie within itself: each level is a run that stays open until those within it are done."""


def subflows(graph: Graph) -> Iterator[Finding]:
    """What can be said of each subflow's fields."""
    for name, around in graph.nodes.items():
        node = subflow_of(around)
        if node is not None:
            try:
                inner = node.workflow
            except DeclarationError:  # told by `nesting`
                continue
            yield from _given(graph, name, node, inner)
            if node is around:
                yield from _missing(graph, name, node, inner)
            yield from _given_back(graph, name, node, inner, around)


def nesting(graph: Graph) -> Iterator[Finding]:
    """Whether each subflow's workflow is there, and ends where it contains itself."""
    for name, around in graph.nodes.items():
        node = subflow_of(around)
        if node is not None:
            try:
                inner = node.workflow
            except DeclarationError as error:
                yield graph.finding("W581", name, error.what, error.cure or "subflow(billing, ...)")
                continue
            yield from _depth(graph, name, node, inner)


def one_name(workflow: Workflow[Any]) -> Iterator[Finding]:
    """Two workflows of one name in one tree: a run's code is found by it, and people tell them apart by it."""
    by_name = {workflow.name: ("", workflow)}
    for path, inner in nested(workflow).items():
        known, other = by_name.setdefault(inner.name, (path, inner))
        if other is not inner:
            where = f"at {known}" if known else "around it"
            what = f"its workflow is called {inner.name!r}, and so is another one, {where}"
            yield Finding("W584", path, what, "give one of the two another name, or use one workflow at both places")


def prefixed(path: str, finding: Finding) -> Finding:
    """A finding of a workflow within another, with the way to it: `bill/charge`."""
    return replace(finding, place=f"{path}/{finding.place}")


def _given(graph: Graph, name: str, node: Subflow, inner: Workflow[Any]) -> Iterator[Finding]:
    fields = graph.workflow.fields
    for theirs, mine in node.reads.items():
        if theirs not in inner.fields:
            cure = near(theirs, inner.fields) + f"its fields are {', '.join(sorted(inner.fields)) or 'none'}"
            yield graph.finding("W431", name, f"reads={{...}} gives '{theirs}', which {inner.name} has not", cure)
        if mine not in fields:
            cure = near(mine, fields) + f"the fields are {', '.join(sorted(fields)) or 'none'}"
            yield graph.finding("W401", name, f"reads '{mine}', which is no field of the state", cure)


def _missing(graph: Graph, name: str, node: Subflow, inner: Workflow[Any]) -> Iterator[Finding]:
    missing = [each.name for each in node.missing]
    if missing:
        what = f"{inner.name} begins with {', '.join(map(repr, missing))}, which nobody gives it"
        yield graph.finding("W432", name, what, f'reads={{"{missing[0]}": "a field of this state"}}')


def _given_back(graph: Graph, name: str, node: Subflow, inner: Workflow[Any], around: Node) -> Iterator[Finding]:
    """What is taken from the workflow within; of one done for each item, what its field holds of one of them."""
    fields, ends = graph.workflow.fields, outputs(inner)
    for mine, theirs in node.gives.items():
        if theirs not in inner.fields:
            cure = near(theirs, inner.fields) + f"its fields are {', '.join(sorted(inner.fields)) or 'none'}"
            yield graph.finding("W433", name, f"writes={{...}} takes '{theirs}', which {inner.name} has not", cure)
            continue
        field, output = fields.get(mine), ends[theirs]
        if field is None or not (has_types(graph.workflow.state) and has_types(inner.state)):
            continue
        theirs_default = inner.fields[theirs].default if output.unwritten else None
        held = field.type
        if isinstance(around, Each):
            try:
                held = value_type(around, graph.workflow)
            except TypeError:  # the field is no such list, which is said of what is written to it
                continue
        if output.unwritten and not holds(held, theirs_default):
            what = f"takes '{theirs}' of {inner.name}, which not every path to its END has written"
            cure = f"write it on every path there, or let '{mine}' hold {theirs_default!r}"
            yield graph.finding("W434", name, what, cure)
        elif node is around and not accepts(held, output.type):
            what = f"writes '{mine}' as {called(output.type)}, and the field holds {called(field.type)}"
            yield graph.finding("W404", name, what, f"let '{mine}' hold what '{theirs}' of {inner.name} does")


def _depth(graph: Graph, name: str, node: Subflow, inner: Workflow[Any]) -> Iterator[Finding]:
    depth: Any = node.depth
    if depth is None:
        if _leads_back(inner, graph.workflow, bounded=False):
            what = f"{graph.workflow.name} contains itself here, and nobody says how deep"
            yield graph.finding("W582", name, what, f"subflow(..., depth=5): at most {DEEPEST}")
        return
    if not is_count(depth) or depth > DEEPEST:
        what = f"depth={depth!r} is no depth"
        yield graph.finding("W583", name, what, f"how often it may lie within itself: 1 to {DEEPEST}")
    elif not _leads_back(inner, graph.workflow, bounded=True):
        what = f"has depth= and {inner.name} does not lead back here"
        yield graph.finding("W585", name, what, "remove depth=", "warning")


def _leads_back(begin: Workflow[Any], goal: Workflow[Any], *, bounded: bool) -> bool:
    """Whether a workflow is or contains another; unless `bounded`, only by subflows that do not say how deep."""
    seen: set[int] = set()
    ahead = [begin]
    while ahead:
        here = ahead.pop()
        if here is goal:
            return True
        if id(here) not in seen:
            seen.add(id(here))
            for node in subflows_of(here):
                if bounded or node.depth is None:
                    try:
                        ahead.append(node.workflow)
                    except DeclarationError:
                        continue
    return False
