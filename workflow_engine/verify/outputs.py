"""Outputs: what the fields of a workflow hold once a run of it has come to END, for whoever it is a node of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union
from weakref import WeakKeyDictionary

from workflow_engine.spec.edges import END_NAME, START_NAME
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify.arms import arms
from workflow_engine.verify.course import Course
from workflow_engine.verify.flow import Flow, certain_after, fields_of
from workflow_engine.verify.graph import Graph
from workflow_engine.verify.signatures import writes_of


@dataclass(frozen=True)
class Output:
    """One field at END: its type there, and whether some path has not written it, so that it holds its default."""

    type: Any
    unwritten: bool = False


_KNOWN: WeakKeyDictionary[Workflow[Any], Mapping[str, Output]] = WeakKeyDictionary()
_UNDER_WAY: set[int] = set()


def outputs(workflow: Workflow[Any]) -> Mapping[str, Output]:
    """The fields of a workflow at END. Within one that contains itself, its fields have the types they are declared."""
    known = _KNOWN.get(workflow)
    if known is not None:
        return known
    if id(workflow) in _UNDER_WAY:
        return {name: Output(field.type) for name, field in workflow.fields.items()}
    _UNDER_WAY.add(id(workflow))
    try:
        known = _KNOWN[workflow] = _at_end(workflow)
    finally:
        _UNDER_WAY.discard(id(workflow))
    return known


def _at_end(workflow: Workflow[Any]) -> Mapping[str, Output]:
    graph = Graph(workflow)
    lie, course, fields = arms(graph), Course(graph, sane=False), workflow.fields
    writes = {name: writes_of(workflow, node) for name, node in graph.nodes.items()}
    bits = fields_of(fields, writes)
    begin = {START_NAME: sum(bits.begun.values())}
    spent = [edge for edge in graph.bounded if edge.key in course.spent]
    certain = certain_after(graph, course.arcs, lie, bits, spent)
    reached = Flow(graph, course.arcs, lie, bits, begin, certain).into.get(END_NAME, 0)
    found: dict[str, Output] = {}
    for name, field in fields.items():
        begun = bool(reached & bits.begun[name])
        if field.reducer is not None or (field.required and begun) or not reached & bits.all[name]:
            found[name] = Output(field.type, begun and not field.required)
            continue
        types = [writes[node][name] for node, bit in bits.written.items() if name in bit and reached & bit[name]]
        unwritten = begun and not field.required
        if unwritten:
            types.append(type(None) if field.default is None else field.type)
        found[name] = Output(Union[tuple(types)], unwritten)  # noqa: UP007 (made at run time)
    return found
