"""A workflow as JSON and back: everything but the code, enough to list, draw, compare and prove its shape."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

from pydantic import BaseModel, TypeAdapter, create_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError

from workflow_engine.errors import DeclarationError, UsageError
from workflow_engine.spec.budget import Budget
from workflow_engine.spec.chat import Chat
from workflow_engine.spec.each import Each, inputs_of
from workflow_engine.spec.edges import Edge, Source
from workflow_engine.spec.foreign import Foreign, Sketch
from workflow_engine.spec.nesting import nested, subflow_of
from workflow_engine.spec.nodes import Agent, Function, Human, Node, Parameter, Route, Signature
from workflow_engine.spec.subflow import Subflow
from workflow_engine.spec.waits import Signal, Wait
from workflow_engine.spec.workflow import Workflow

VERSION = 1
_NOTHING = {"type": "null"}
_KINDS: dict[str, type[Node]] = {
    "agent": Agent,
    "each": Each,
    "function": Function,
    "graph": Foreign,
    "human": Human,
    "route": Route,
    "subflow": Subflow,
    "wait": Wait,
}


def to_document(workflow: Workflow[Any]) -> dict[str, Any]:
    """Plain JSON: `shape` is what a run depends on, `notes` is what only people read."""
    shape = _shape(workflow)
    # Each once, by name, however often and however deep it stands: the law allows no two of one name.
    within = {each.name: _shape(each) for each in reversed([*nested(workflow).values()])}
    return {
        "version": VERSION,
        "shape": {**shape, "workflows": dict(sorted(within.items()))} if within else shape,
        "notes": {
            "bodies": dict(workflow.bodies),
            "instructions": _instructions(workflow),
            # Not in the shape: where a run stands does not depend on them, so it goes on under others.
            **({"policies": policies} if (policies := _policies(workflow)) else {}),
            **({"chat": asdict(workflow.chat)} if workflow.chat is not None else {}),
            **({"graphs": graphs} if (graphs := _graphs(workflow)) else {}),
            **({"migrations": [str(each) for each in workflow.migrations]} if workflow.migrations else {}),
        },
    }


def _shape(workflow: Workflow[Any]) -> dict[str, Any]:
    return {
        "name": workflow.name,
        "fields": {name: _field(each) for name, each in sorted(workflow.fields.items())},
        "nodes": {name: _node(node, workflow) for name, node in sorted(workflow.nodes.items())},
        "edges": sorted((_edge(edge) for edge in workflow.edges), key=repr),
    }


class Document(dict[str, Any]):
    """A workflow's document that nobody changes, and its text: the same for all runs, so made once."""

    @cached_property
    def text(self) -> str:
        return json.dumps(self, separators=(",", ":"))


_MADE: WeakKeyDictionary[Workflow[Any], Document] = WeakKeyDictionary()


def document_of(workflow: Workflow[Any]) -> Document:
    """`to_document`, made once for each workflow. Not to be changed."""
    made = _MADE.get(workflow)
    if made is None:
        made = _MADE[workflow] = Document(to_document(workflow))
    return made


def from_document(document: Any, *, state: type[BaseModel] | None = None, nodes: Sequence[Node] = ()) -> Workflow[Any]:
    """The workflow of a document. Without `nodes` it has no code: it can be drawn and proved, not run."""
    if not isinstance(document, dict) or "shape" not in document:
        raise UsageError("this is no workflow document", "write one with to_document(workflow)")
    if document.get("version") != VERSION:
        raise UsageError(f"the document has version {document.get('version')!r}, this engine reads {VERSION}")
    shape = document["shape"]
    try:
        given = {node.name: node for node in nodes}
        notes = document.get("notes", {})
        within = _within(shape, notes)
        found = {name: given.get(name) or _without_code(name, each, within) for name, each in shape["nodes"].items()}
        found.update(_sketched(found, notes.get("graphs", {}).get(shape["name"], {})))
        edges = tuple(
            Edge._of(
                tuple(Source(node, outcome) for node, outcome in each["sources"]),
                tuple(each["targets"]),
                each["limit"],
                each["then"],
                each.get("leaves") is True,
            )
            for each in shape["edges"]
        )
        fields: dict[str, Any] = {
            name: (Any, ... if each["required"] else None) for name, each in shape["fields"].items()
        }
        chat = Chat(**notes["chat"]) if notes.get("chat") else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"the workflow document is incomplete: {type(error).__name__} {error}") from error
    workflow = Workflow(
        name=shape["name"],
        state=state or create_model("State", **fields),
        edges=edges,
        nodes=MappingProxyType(found),
        chat=chat,
    )
    within[workflow.name] = workflow
    if state is None:
        # Without its class the types of the state are not here, but the document knows the hash they lead to.
        workflow.__dict__["shape"] = hash_of(shape)
    return workflow


def _graphs(workflow: Workflow[Any]) -> dict[str, Any]:
    """What the foreign graphs look like, here and in the workflows within: by workflow, then by node."""
    found: dict[str, Any] = {}
    for each in (workflow, *nested(workflow).values()):
        graphs = (node for node in each.nodes.values() if isinstance(node, Foreign))
        sketches = {node.name: sketch.document for node in graphs if (sketch := node.sketch) is not None}
        if sketches:
            found[each.name] = sketches
    return found


def _sketched(nodes: Mapping[str, Node], graphs: Mapping[str, Any]) -> dict[str, Node]:
    """The foreign graphs among nodes without code, with what they look like."""
    made: dict[str, Node] = {}
    for name in graphs:
        node = nodes.get(name)
        if isinstance(node, Foreign) and node.graph is None:
            made[name] = replace(node, remembered=Sketch.of(graphs[name]))
            vars(made[name])["signature"] = node.signature  # which no body tells here
    return made


def _within(shape: Mapping[str, Any], notes: Mapping[str, Any]) -> dict[str, Workflow[Any]]:
    """Where the workflows within one are looked up: each is made when it is first asked for."""
    shapes = shape.get("workflows", {})

    class Within(dict[str, Workflow[Any]]):
        def __missing__(self, name: str) -> Workflow[Any]:
            own = {**shapes[name], "workflows": shapes}
            made = from_document({"version": VERSION, "shape": own, "notes": {"graphs": notes.get("graphs", {})}})
            return self.setdefault(name, made)

    return Within()


def hash_of(shape: Mapping[str, Any]) -> str:
    """The hash of a document's shape."""
    text = json.dumps(shape, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _field(field: Any) -> dict[str, Any]:
    try:
        schema = field.adapter.json_schema()
    except (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError):
        schema = {"x-type": repr(field.type)}
    return {"required": field.required, "reducer": field.reducer.name if field.reducer else None, "schema": schema}


def _node(node: Node, workflow: Workflow[Any]) -> dict[str, Any]:
    return {
        "kind": node.kind,
        "reads": sorted({each.name for each in inputs_of(node, workflow) if each.name in workflow.fields}),
        "writes": list(node.writes),
        "outcomes": list(node.outcomes),
        "effect": node.effect,
        "within": node.within.total_seconds() if isinstance(node, Human | Wait) and node.within else None,
        **({} if (within := subflow_of(node)) is None else _inner(within)),
        **({"each": {"items": node.items, "on_error": node.on_error}} if isinstance(node, Each) else {}),
        **({"wait": _wait(node, workflow)} if isinstance(node, Wait) else {}),
        **(_people(node) if isinstance(node, Human) else {}),
    }


def _inner(node: Subflow) -> dict[str, Any]:
    try:
        name: str | None = node.workflow.name
    except DeclarationError:  # the laws say so
        name = None
    return {"workflow": name, "given": dict(node.reads), "gives": dict(node.gives), "depth": node.depth}


def _wait(node: Wait, workflow: Workflow[Any]) -> dict[str, Any]:
    """What it waits for. With what each signal carries, so that one can be held against it without code."""
    return {
        "signals": [[name, carried_schema(node.payload(name, workflow.fields))] for name in node.names],
        "first": node.first,
        "until": node.until,
        "lasting": None if node.lasting is None else node.lasting.total_seconds(),
        "topic": node.topic,
    }


def carried_schema(payload: Any) -> dict[str, Any]:
    """The JSON Schema of what a signal carries; of None, for one that carries nothing."""
    if payload is None:
        return dict(_NOTHING)
    if isinstance(payload, dict):  # of a document: its class is not here
        return payload
    try:
        return TypeAdapter(payload).json_schema()
    except (PydanticUserError, PydanticInvalidForJsonSchema, PydanticSchemaGenerationError):  # W4 says so
        return {"x-type": repr(payload)}


def _people(node: Human[Any, Any]) -> dict[str, Any]:
    """What is declared beside the time; only what is set, so that a workflow that uses none of it keeps its shape."""
    declared = {
        "remind": [each.total_seconds() for each in node.remind],
        "default": _default(node),
        "to": node.to,
        "candidates": list(node.candidates),
        "approvals": dict(sorted(node.approvals.items())),
    }
    return {name: value for name, value in declared.items() if value not in (None, [], {})}


def _default(node: Human[Any, Any]) -> Any:
    try:
        return node.default_answer()
    except Exception:  # it is no answer, which the laws say
        return repr(node.default)


def _edge(edge: Edge) -> dict[str, Any]:
    return {
        "sources": [[each.node, each.outcome] for each in edge.sources],
        "targets": list(edge.targets),
        "limit": edge.limit,
        "then": edge.then,
        # Only where it is so: a workflow without keeps its shape.
        **({"leaves": True} if edge.leaves else {}),
    }


def _policies(workflow: Workflow[Any]) -> dict[str, Any]:
    """The bounds of the run, its nodes and its loops, for people to read: seconds, and budgets by what they count."""
    found: dict[str, Any] = {}
    if isinstance(workflow.timeout, timedelta):
        found["timeout"] = workflow.timeout.total_seconds()
    if isinstance(workflow.budget, Budget):
        found["budget"] = workflow.budget.settings
    nodes = {name: node.budget for name, node in sorted(workflow.nodes.items()) if isinstance(node.budget, Budget)}
    loops = {edge.key: edge.budget for edge in workflow.edges if isinstance(edge.budget, Budget)}
    for name, each in (("nodes", nodes), ("loops", dict(sorted(loops.items())))):
        if each:
            found[name] = {place: {"budget": budget.settings} for place, budget in each.items()}
    return found


def _instructions(workflow: Workflow[Any]) -> dict[str, str]:
    return {node.name: node.instructions for node in sorted(workflow.agents, key=lambda each: each.name)}


def _given_within(each: dict[str, Any], within: Mapping[str, Workflow[Any]]) -> dict[str, Any]:
    inner = each["workflow"]
    return {"flow": lambda: within[inner], "reads": each["given"], "gives": each["gives"], "depth": each["depth"]}


def _one_without_code(
    name: str, each: dict[str, Any], body: Callable[..., Any], within: Mapping[str, Workflow[Any]]
) -> Function[Any, Any] | Subflow:
    """What an `each` node does for an item."""
    writes = tuple(each["writes"])
    if "workflow" in each:
        return Subflow(name=name, body=body, writes=writes, **_given_within(each, within))
    return Function(name=name, body=body, writes=writes, effect=bool(each.get("effect")))


def _without_code(name: str, each: dict[str, Any], within: Mapping[str, Workflow[Any]]) -> Node:
    def body(*_args: Any, **_kwargs: Any) -> Any:
        raise UsageError(f"the code of node {name!r} is not here", "give from_document its nodes")

    kind = _KINDS[each["kind"]]
    more: dict[str, Any] = {}
    reads = each["reads"]
    if kind is Function:
        more["effect"] = bool(each.get("effect"))
    if kind is Each:
        more = {"one": _one_without_code(name, each, body, within), **each["each"]}
        reads = [read for read in reads if read != more["items"]]
    if kind in (Human, Wait) and each.get("within"):
        more["within"] = timedelta(seconds=each["within"])
    if kind is Wait:
        told = each["wait"]
        lasting = told["lasting"]
        more |= {
            "signals": tuple(
                Signal(signal, None if schema == _NOTHING else schema) for signal, schema in told["signals"]
            ),
            "first": bool(told["first"]),
            "until": told["until"],
            "lasting": None if lasting is None else timedelta(seconds=lasting),
            "topic": told["topic"],
        }
    if kind is Subflow:
        more |= _given_within(each, within)
    if kind is Human:
        more["remind"] = tuple(timedelta(seconds=seconds) for seconds in each.get("remind", ()))
        more["candidates"] = tuple(each.get("candidates", ()))
        more |= {name: each[name] for name in ("default", "to", "approvals") if name in each}
    node = kind(name=name, body=body, writes=tuple(each["writes"]), **more)
    # Reads and outcomes come from annotations that are not here: fill the caches the annotations would have filled.
    node.__dict__["signature"] = Signature(tuple(Parameter(read, Any, False) for read in reads), Any)
    if kind in (Human, Route):
        node.__dict__["_words"] = tuple(each["outcomes"])
    return node
