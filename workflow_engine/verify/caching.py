"""W5, `cache=`: results may be kept only of what gives the same for the same."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from workflow_engine.spec.each import Each
from workflow_engine.spec.nodes import Function
from workflow_engine.verify.finding import Finding
from workflow_engine.verify.graph import Graph, has_code


def caching(graph: Graph) -> Iterator[Finding]:
    """Every function whose results are kept."""
    for name, node in graph.nodes.items():
        if isinstance(node, Each) and isinstance(node.one, Function) and node.one.cache is not None:
            what = "does for each item what has cache=, and results of items are not kept under it"
            yield graph.finding("W538", name, what, "remove cache=: a finished item never runs again in its run")
        if isinstance(node, Function) and node.cache is not None:
            yield from _cached(graph, name, node)


def _cached(graph: Graph, name: str, node: Function[Any, Any]) -> Iterator[Finding]:
    age: Any = node.cache
    if not isinstance(age, timedelta) or age <= timedelta(0):
        yield graph.finding("W538", name, f"cache={age!r} is no time to keep a result", "cache=timedelta(days=1)")
    if node.effect:
        what = "is an effect and has cache=: the second time it would not happen"
        yield graph.finding("W538", name, what, "remove cache=, or split what it works out from what it does")
    if not node.writes:
        what = "has cache= and writes nothing that could be kept"
        yield graph.finding("W538", name, what, "@function(writes=..., cache=...), or remove cache=")
    if any(each.name == "failure" for each in node.signature.parameters if each.name not in graph.workflow.fields):
        what = "has cache= and reads 'failure', which is no field"
        yield graph.finding("W538", name, what, "read fields only, or remove cache=")
    for field in node.writes:
        if field in graph.workflow.fields and graph.workflow.fields[field].files:
            what = f"has cache= and writes {field!r}, which names files: their contents go with their run"
            yield graph.finding("W538", name, what, "remove cache=, or keep what is small and make the file anew")
    held = _held(node) if has_code(node) else ()
    if held:
        what = f"has cache= and holds {', '.join(held)} from around it, which is no part of what a result is kept under"
        yield graph.finding("W552", name, what, "pass it as a field of the state", "warning")


def _held(node: Function[Any, Any]) -> tuple[str, ...]:
    try:
        return tuple(getattr(getattr(inspect.unwrap(node.body), "__code__", None), "co_freevars", ()))
    except ValueError:  # __wrapped__ leads in a circle
        return ()
