"""W5, budgets: bounds that bound nothing, and budgets of what uses nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from workflow_engine.spec.budget import Budget
from workflow_engine.spec.each import Each
from workflow_engine.spec.nodes import Function, Node
from workflow_engine.verify.finding import Finding
from workflow_engine.verify.graph import Graph, is_count

_CURE = "Budget(steps=100, seconds=600, tokens=50_000, money=2.50); one bound is enough"


def budgets(graph: Graph) -> Iterator[Finding]:
    """Those of the run, of each node and of each loop."""
    yield from _bounds(graph, str(graph.workflow.name), graph.workflow.budget)
    for name, node in graph.nodes.items():
        given: Any = node.budget
        if given is not None and node.kind in ("human", "route", "wait"):
            what = f"has budget=, and a {node.kind} node uses nothing up"
            yield graph.finding("W524", name, what, "put it on the nodes that work")
            continue
        yield from _bounds(graph, name, given)
        if isinstance(given, Budget) and (given.tokens is not None or given.money is not None) and _is_plain(node):
            what = "has a budget of tokens or money, and asks no model"
            yield graph.finding("W535", name, what, "budget steps or seconds, or put it on the agent")
    for edge in graph.edges:
        if edge.budget is None or not edge.sources:
            continue
        yield from _bounds(graph, edge.sources[0].node, edge.budget)
        if edge.limit is None:
            what = f"has a budget on an edge without a bound ({edge.key})"
            yield graph.finding("W535", edge.sources[0].node, what, "at_most(3, node, then=..., budget=Budget(...))")


def _is_plain(node: Node) -> bool:
    return isinstance(node.one if isinstance(node, Each) else node, Function)


def _bounds(graph: Graph, place: str, budget: Any) -> Iterator[Finding]:
    if budget is None:
        return
    if not isinstance(budget, Budget):
        yield graph.finding("W535", place, f"budget={budget!r} is no Budget", _CURE)
    elif not budget.settings:
        yield graph.finding("W535", place, "has a Budget() that bounds nothing", _CURE)
    else:
        for name, limit in budget.settings.items():
            if not (is_count(limit) if name in ("steps", "tokens") else _is_amount(limit)):
                what = f"budget {name}={limit!r} is no bound: it leaves nothing to begin with"
                yield graph.finding("W535", place, what, _CURE)


def _is_amount(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number) and number > 0
