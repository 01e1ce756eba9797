"""What a node takes and gives, read off its signature: which fields, with which types, and what of it is wrong (W4)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import GenericAlias
from typing import Any, Literal, TypeAlias, get_args, get_origin

from workflow_engine.errors import DeclarationError, Failure
from workflow_engine.spec.each import Each, Result, element_of, inputs_of, item_parameters, result_of
from workflow_engine.spec.foreign import Foreign
from workflow_engine.spec.nodes import Agent, Function, Human, Node, Parameter, Route, signature_of
from workflow_engine.spec.state import Field, required
from workflow_engine.spec.subflow import Subflow
from workflow_engine.spec.waits import Wait
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify.accepts import accepts, members_of, never, stored, unknown, without_none
from workflow_engine.verify.carried import lost
from workflow_engine.verify.finding import Finding, called, near
from workflow_engine.verify.graph import Graph, fields_written, has_code, has_types

Meaning: TypeAlias = Literal["handed in", "field", "failure", "nothing"]


@dataclass(frozen=True)
class Read:
    """A field a node reads, and the type it expects."""

    field: str
    type: Any


def means(workflow: Workflow[Any], parameter: Parameter) -> Meaning:
    """What a parameter is filled with."""
    if workflow.hands_in(parameter.type):
        return "handed in"
    if parameter.name in workflow.fields:
        return "field"
    return "failure" if parameter.name == "failure" else "nothing"


def reads_of(workflow: Workflow[Any], node: Node) -> tuple[Read, ...]:
    """The fields its body reads, and those its `finish` or its probe read besides."""
    given = (each for _, each in _parameters(workflow, node) if means(workflow, each) == "field")
    if isinstance(node, Wait):  # whether its field holds a time at all is another law's
        return tuple(Read(each.name, required(workflow.fields[each.name].type)) for each in given)
    return tuple(Read(each.name, each.type) for each in given)


def writes_of(workflow: Workflow[Any], node: Node) -> dict[str, Any]:
    """The fields a node writes that exist, and the type each has once it is stored."""
    fields = workflow.fields
    return {
        name: stored(fields[name].type, kind) if fields[name].reducer is None else fields[name].type
        for name, kind in _given(workflow, node).items()
        if name in fields
    }


def signatures(graph: Graph) -> Iterator[Finding]:
    """Parameters that mean nothing and values that go nowhere, node by node."""
    for name, node in graph.nodes.items():
        yield from _takes(graph, name, node)
        yield from _gives(graph, name, node)


def _parameters(workflow: Workflow[Any], node: Node) -> Iterator[tuple[str, Parameter]]:
    for parameter in inputs_of(node, workflow):
        if not isinstance(node, Each) or parameter.name != node.items or parameter.name in workflow.fields:
            yield "until=: " if isinstance(node, Wait) else "", parameter
    items = {each.name for each in item_parameters(node, workflow)} if isinstance(node, Each) else set()
    node = node.one if isinstance(node, Each) else node
    if isinstance(node, Agent) and callable(node.finish):
        yield from (("finish: ", each) for each in signature_of(node.finish).parameters[1:] if each.name not in items)
    if isinstance(node, Foreign) and node.out is not None:
        yield from (("out: ", each) for each in signature_of(node.out).parameters[1:])
    if isinstance(node, Function) and callable(node.in_doubt):
        yield from (("probe: ", each) for each in signature_of(node.in_doubt).parameters if each.name not in items)


# What a node takes


def _takes(graph: Graph, name: str, node: Node) -> Iterator[Finding]:
    workflow = graph.workflow
    if isinstance(node, Subflow):  # its own law looks at both sides (subflows.py)
        return
    if isinstance(node, Each):
        yield from _spreads(graph, name, node)
        if isinstance(node.one, Subflow):
            return
    for whose, parameter in _parameters(workflow, node):
        meaning = means(workflow, parameter)
        if isinstance(node, Route) and meaning != "field":
            what = f"is a route and reads '{parameter.name}', which is no field of the state"
            cure = near(parameter.name, workflow.fields) + "a route decides on the state alone"
            yield graph.finding("W401", name, what, cure)
        elif meaning == "nothing":
            yield from _nothing(graph, name, whose, parameter)
        elif meaning == "failure":
            yield from _failure(graph, name, whose, parameter)
    yield from _by_name(graph, name, node)


def _spreads(graph: Graph, name: str, node: Each[Any, Any]) -> Iterator[Finding]:
    """Whether there is a list to go over, and one parameter for its items."""
    workflow, fields = graph.workflow, graph.workflow.fields
    element: Any = inspect.Parameter.empty
    if node.items not in fields:
        cure = near(str(node.items), fields) + f"the fields are {', '.join(sorted(fields)) or 'none'}"
        yield graph.finding("W417", name, f"goes over '{node.items}', which is no field of the state", cure)
    elif has_types(workflow.state):
        try:
            element = element_of(fields[node.items].type)
        except TypeError:
            what = f"goes over '{node.items}', and the field holds {called(fields[node.items].type)}: no list"
            yield graph.finding("W417", name, what, "declare it as list[...]: items are done by their place in it")
    items = item_parameters(node, workflow)
    if isinstance(node.one, Subflow):
        yield from _entered_with(graph, name, node.one, [each.name for each in items])
    elif not items and has_code(node) and node.signature.problem is None:
        said = "each" if unknown(element) else called(element)
        what = "takes no item: each of its parameters is a field, a resource, or has a default"
        yield graph.finding("W418", name, what, f"take the item by a name that is no field: def {name}(item: {said})")
    elif len(items) > 1:
        what = f"takes {len(items)} items ({', '.join(each.name for each in items)}), and is given one at a time"
        cure = "".join(near(each.name, fields) for each in items) + "the others must be fields or resources"
        yield graph.finding("W418", name, what, cure)


def _entered_with(graph: Graph, name: str, node: Subflow, items: list[str]) -> Iterator[Finding]:
    """Whether the workflow of a subflow takes one item: the one input that nobody else gives it."""
    try:
        inner = node.workflow
    except DeclarationError:  # told by its own law
        return
    if not items:
        what = f"takes no item: every input that {inner.name} begins with is given by its reads="
        yield graph.finding("W418", name, what, "leave out of reads= what an item is, a field there without a default")
    elif len(items) > 1:
        what = f"takes {len(items)} items ({', '.join(items)}), and is given one at a time"
        cure = f'give {inner.name} the others: reads={{"{items[-1]}": "a field of this state"}}'
        yield graph.finding("W418", name, what, cure)


def _nothing(graph: Graph, name: str, whose: str, parameter: Parameter) -> Iterator[Finding]:
    offer = near(parameter.name, graph.workflow.fields)
    if parameter.has_default:
        if offer:
            what = f"{whose}parameter '{parameter.name}' names no field and always keeps its default"
            yield graph.finding("W451", name, what, offer.strip(), "warning")
        return
    what = f"{whose}parameter '{parameter.name}' names no field of the state"
    kind = parameter.type
    if not offer and isinstance(kind, type) and not unknown(kind) and kind.__module__ != "builtins":
        cure = f"declare the field, or the resource: workflow(..., resources={{{called(kind)}: open_it}})"
    else:
        cure = offer + f"the fields are {', '.join(sorted(graph.workflow.fields)) or 'none'}"
    yield graph.finding("W401", name, what, cure)


def _failure(graph: Graph, name: str, whose: str, parameter: Parameter) -> Iterator[Finding]:
    if not accepts(parameter.type, Failure):
        what = f"{whose}parameter 'failure' is a {called(parameter.type)}, and a Failure is what it is given"
        yield graph.finding("W412", name, what, "failure: Failure | None")
    arcs = graph.arcs_into.get(name, ())
    by_other = sorted({graph.written(arc.source) for arc in arcs if arc.edge.joins or not graph.fails(arc.source)})
    if (by_other or not arcs) and not accepts(parameter.type, type(None)):
        what = f"{whose}reads a failure, and is entered without one by {', '.join(by_other) or 'nothing'}"
        yield graph.finding("W412", name, what, "take `failure: Failure | None`")


def _by_name(graph: Graph, name: str, node: Node) -> Iterator[Finding]:
    try:
        parameters = inspect.signature(node.body).parameters.values()
    except (TypeError, ValueError):
        return
    if alone := [each.name for each in parameters if each.kind is each.POSITIONAL_ONLY]:
        what = f"parameter '{alone[0]}' can only be given by position, and reads are given by name"
        yield graph.finding("W415", name, what, "remove the / from its parameters")


# What a node gives


def _given(workflow: Workflow[Any], node: Node) -> dict[str, Any]:
    """The type of what a node hands to each field it names; Any where its annotations do not say."""
    fields, writes = workflow.fields, fields_written(node)
    match node:
        case Agent():
            if callable(node.finish):
                return dict.fromkeys(writes, signature_of(node.finish).returns)
            return {name: without_none(fields[name].type) if name in fields else Any for name in writes}
        case Wait():
            return {field: node.payload(signal, fields) for signal, field in node.carried.items()}
        case Human():
            return dict.fromkeys(writes, Any if node.answer is None else node.answer)
        case Subflow():
            return _given_back(node)
        case Each():
            return {name: _listed(workflow, node, name) for name in writes} if len(writes) == 1 else {}
        case Foreign() if node.out is None:
            found = node.anatomy
            known = {} if found is None else found.gives or {}
            return {name: known.get(channel, Any) for name, channel in zip(writes, node.channels, strict=False)}
        case Function() | Foreign():
            returns = node.signature.returns if isinstance(node, Function) else signature_of(_out(node)).returns
            if len(writes) == 1:
                return {writes[0]: returns}
            return dict(zip(writes, _parts(returns, len(writes)) or [Any] * len(writes), strict=True))
        case _:
            return {}


def _out(node: Foreign) -> Callable[..., Any]:
    assert node.out is not None
    return node.out


def _given_back(node: Subflow) -> dict[str, Any]:
    # What a workflow's fields hold at its END is found by the laws of data flow, which stand on this file.
    from workflow_engine.verify.outputs import outputs

    try:
        ends = outputs(node.workflow)
    except DeclarationError:
        return dict.fromkeys(node.gives, Any)
    return {mine: ends[theirs].type if theirs in ends else Any for mine, theirs in node.gives.items()}


def _listed(workflow: Workflow[Any], node: Each[Any, Any], field: str) -> Any:
    """The type of the list that an `each` node writes: of the kind its field holds, with what one item comes to."""
    held = workflow.fields[field].type if field in workflow.fields else Any
    element = held_value = Any
    collected = node.on_error == "collect"
    with suppress(TypeError):  # no list: it is said that what is written does not fit
        element = element_of(held)
        held_value = result_of(element) if collected else element
    if isinstance(node.one, Agent) and node.one.finish is None:
        value = without_none(held_value)
    else:
        value = _given(workflow, node.one).get(field, Any)
    if collected:
        # Two parametrised models are never subclasses of one another, whatever their parameters are.
        result: Any = Result
        value = element if held_value is not Any and accepts(held_value, value) else result[value]
    if any(get_origin(each) is tuple for each in members_of(held)):
        return GenericAlias(tuple, (value, ...))
    return GenericAlias(list, (value,))


def _parts(returns: Any, count: int) -> list[Any] | None:
    """The types a tuple annotation gives to so many fields; None if it is none or has another length."""
    if unknown(returns) or returns is tuple:
        return [Any] * count
    arguments = get_args(returns)
    if not (get_origin(returns) is tuple and arguments):
        return [Any] * count if isinstance(returns, type) and issubclass(returns, tuple) else None
    if arguments[-1] is ...:
        return [arguments[0]] * count
    return list(arguments) if len(arguments) == count else None


def _gives(graph: Graph, name: str, node: Node) -> Iterator[Finding]:
    fields, writes = graph.workflow.fields, fields_written(node)
    if writes != node.writes:
        yield graph.finding(
            "W405", name, f"writes={node.writes!r} names no field", 'writes="field", or a tuple of fields'
        )
    for field in sorted({each for each in writes if writes.count(each) > 1}):
        yield graph.finding("W405", name, f"names '{field}' twice in writes=", "name each field once")
    for field in dict.fromkeys(writes):
        if field not in fields:
            cure = near(field, fields) + f"the fields are {', '.join(sorted(fields)) or 'none'}"
            yield graph.finding("W405", name, f"writes '{field}', which is no field of the state", cure)
    if isinstance(node, Each) and len(writes) > 1:
        what = f"writes {len(writes)} fields, and each item comes to one value"
        yield graph.finding("W419", name, what, 'writes="field": one list, of a model with all of it')
    one = node.one if isinstance(node, Each) else node
    if isinstance(one, Function) and one.signature.problem is None:
        yield from _returned(graph, name, one)
    for field, kind in _given(graph.workflow, node).items():
        if field in fields and not isinstance(node, Subflow) and not _fits(fields[field], kind):
            what = f"writes '{field}' as {called(kind)}, and the field holds {called(fields[field].type)}"
            cure = f"return {called(fields[field].type)}, or let the field hold both"
            if isinstance(node, Each):
                cure = f"let the field hold {called(kind)}"
            yield graph.finding("W404", name, what, cure)
    if isinstance(node, Human) and node.answer is not None and (why := lost(node.answer)):
        what = f"asks for {called(node.answer)}, and {why}"
        yield graph.finding("W410", name, what, "ask for plain data or a model of it")


def _returned(graph: Graph, name: str, node: Function[Any, Any]) -> Iterator[Finding]:
    returns, nothing = node.signature.returns, members_of(node.signature.returns) == (type(None),)
    writes = fields_written(node)
    if writes and nothing:
        what = f"writes {', '.join(map(repr, writes))} and returns nothing"
        yield graph.finding("W406", name, what, "return the value, or remove writes=")
    elif len(writes) > 1 and _parts(returns, len(writes)) is None:
        what = f"writes {len(writes)} fields and returns {called(returns)}"
        cure = f"return a tuple, one value each for {', '.join(writes)}"
        yield graph.finding("W406", name, what, cure)
    elif not writes and not nothing and not unknown(returns) and not never(returns):
        what = f"returns {called(returns)} and writes no field"
        yield graph.finding("W407", name, what, '@function(writes="field"), or return None')


def _fits(field: Field, kind: Any) -> bool:
    # True is an int to Python, but not to typed JSON.
    members = [each for each in members_of(field.type) if kind is not bool or each not in (int, float)]
    return any(accepts(each, kind) for each in members) or (kind is not bool and accepts(field.type, kind))
