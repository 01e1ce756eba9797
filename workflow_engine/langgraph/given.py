"""A graph as somebody gave it: compiled, not compiled yet, or a function that makes it; and what can be told of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, NotRequired, Required, TypeAlias, get_args, get_origin

from langgraph._internal import _serde
from langgraph.channels import BinaryOperatorAggregate, LastValue
from langgraph.channels.base import BaseChannel
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel
from typing_extensions import ReadOnly

from workflow_engine.errors import DeclarationError
from workflow_engine.langgraph.serializer import Name
from workflow_engine.spec.edges import shown
from workflow_engine.spec.foreign import Anatomy, Sketch

AnyGraph: TypeAlias = Pregel[Any, Any, Any, Any] | StateGraph[Any, Any, Any, Any]
_WRAPPERS = (NotRequired, Required, ReadOnly, Annotated)
_CURE = "give langgraph_node a compiled graph, a StateGraph, or a function without parameters that returns one"


class GivenGraph:
    """Implements spec.foreign.ForeignGraph. What makes the graph is called when it is first asked for."""

    def __init__(self, given: AnyGraph | Callable[[], AnyGraph], types: Iterable[type | Name] = ()) -> None:
        self._given = given
        self._types = tuple(types)

    @cached_property
    def graph(self) -> Pregel[Any, Any, Any, Any]:
        """The compiled graph. Raises errors.DeclarationError."""
        made: Any = self._given
        if not isinstance(made, Pregel | StateGraph):
            if not callable(made):
                raise DeclarationError(f"{shown(made)} is no graph", _CURE)
            try:
                made = made()
            except Exception as error:  # the factory is the user's function
                name = getattr(self._given, "__name__", "its factory")
                raise DeclarationError(f"{name} could not make the graph: {type(error).__name__}: {error}") from error
        if isinstance(made, StateGraph):
            try:
                made = made.compile()
            except ValueError as error:
                raise DeclarationError(f"the graph does not compile: {error}") from error
        if not isinstance(made, Pregel):
            raise DeclarationError(f"{shown(made)} is no graph of LangGraph's", _CURE)
        return made

    @property
    def anatomy(self) -> Anatomy:
        """What can be told of it. Raises errors.DeclarationError."""
        return self._anatomy

    @cached_property
    def _anatomy(self) -> Anatomy:
        graph = self.graph
        return Anatomy(
            _channels(graph, graph.input_channels, given=True),
            _channels(graph, graph.output_channels, given=False),
            tuple(name for name in graph.nodes if not name.startswith("__")),
            _structure(graph),
            tuple(_stops(graph)),
        )

    @property
    def sketch(self) -> Sketch | None:
        """What it looks like. Raises errors.DeclarationError."""
        return self._sketch

    @cached_property
    def _sketch(self) -> Sketch | None:
        graph = self.graph
        try:
            drawn = graph.get_graph(xray=True)
        except Exception:  # a graph within is the user's, and may not know what it looks like
            return None
        edges = ((_way(each.source), _way(each.target), each.data) for each in drawn.edges)
        return Sketch(
            tuple(map(_way, drawn.nodes)),
            tuple((tail, head, "" if data is None else str(data)) for tail, head, data in edges),
        )

    @cached_property
    def types(self) -> tuple[type | Name, ...]:
        """The classes its state may hold: those that it was declared with, and those that its schemas name."""
        names: set[Name] = set()
        for each in (self.graph, *_within(self.graph)):
            builder = getattr(each, "builder", None)
            if builder is not None:
                names |= _serde.build_serde_allowlist(schemas=list(builder.schemas), channels=builder.channels)
        return (*self._types, *sorted(names))


def _way(id: str) -> str:
    return id.replace(":", "/")


def _within(graph: Pregel[Any, Any, Any, Any]) -> Iterator[Pregel[Any, Any, Any, Any]]:
    for _, each in graph.get_subgraphs(recurse=True):
        if isinstance(each, Pregel):
            yield each


def _stops(graph: Pregel[Any, Any, Any, Any]) -> Iterator[str]:
    for each in (graph, *_within(graph)):
        for setting in ("interrupt_before", "interrupt_after"):
            nodes = getattr(each, f"{setting}_nodes")
            if nodes:
                yield f"{setting}={nodes if isinstance(nodes, str) else list(nodes)}"


# ------------------------------------------------------------------------------------------------ channels


def _channels(graph: Pregel[Any, Any, Any, Any], names: Any, *, given: bool) -> Mapping[str, Any] | None:
    """The channels of the input or the output by name; None where the value has none, as with @entrypoint."""
    builder = getattr(graph, "builder", None)
    if builder is not None:
        schema = builder.input_schema if given else builder.output_schema
        names = [name for name in builder.schemas[schema] if name != "__root__"]
    if isinstance(names, str) or not names:
        return None
    return {name: _type(graph.channels.get(name), given=given) for name in names}


def _type(channel: Any, *, given: bool) -> Any:
    if not isinstance(channel, BaseChannel):
        return Any
    if given:
        # A reducer may take more than the channel holds: add_messages takes a text for a message.
        return _bare(channel.UpdateType) if isinstance(channel, LastValue) else Any
    return _bare(channel.ValueType) if isinstance(channel, LastValue | BinaryOperatorAggregate) else Any


def _bare(annotation: Any) -> Any:
    while get_origin(annotation) in _WRAPPERS:
        annotation = get_args(annotation)[0]
    return annotation


# ------------------------------------------------------------------------------------------------ structure


def _structure(graph: Pregel[Any, Any, Any, Any]) -> str:
    """A hash of its nodes and edges and of those within them."""
    try:
        drawn = graph.get_graph(xray=True)
        edges = [
            [each.source, each.target, "" if each.data is None else str(each.data), each.conditional]
            for each in drawn.edges
        ]
        parts = [sorted(drawn.nodes), sorted(edges)]
    except Exception:  # what cannot be drawn still has nodes
        parts = [sorted(graph.nodes)]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]
