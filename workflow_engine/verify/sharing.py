"""W5, what nodes share: names nobody declared, limits that let nobody in, breakers that make no sense."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from workflow_engine.spec.breaker import Breaker
from workflow_engine.verify.finding import Finding, near
from workflow_engine.verify.graph import Graph, is_count


def sharing(graph: Graph) -> Iterator[Finding]:
    """The tables of the workflow, and who uses what stands in them."""
    workflow = graph.workflow
    name = str(workflow.name)
    limits: Mapping[Any, Any] = workflow.limits
    for what, limit in limits.items():
        if not isinstance(what, str):
            yield graph.finding("W536", name, f"limits holds {what!r}, which is no name", 'limits={"gpu": 1}')
        elif not is_count(limit):
            says = f"limits[{what!r}] is {limit!r}: no attempt that uses it could ever begin"
            yield graph.finding("W536", name, says, "a whole number of at least 1")
    for what, breaker in workflow.breakers.items():
        yield from _breaker(graph, name, what, breaker)
    declared = {*workflow.limits, *workflow.breakers}
    used: set[str] = set()
    for place, node in graph.nodes.items():
        used.update(node.uses)
        if node.uses and node.kind in ("human", "route", "wait", "subflow"):
            says = f"has uses=, and a {node.kind} node has no attempts that could hold anything"
            yield graph.finding("W524", place, says, "put it on the nodes that work")
        for what in node.uses:
            if what not in declared:
                says = f"uses {what!r}, which neither limits= nor breakers= of the workflow declares"
                cure = near(what, [str(each) for each in declared]) or f'workflow(..., limits={{"{what}": 1}})'
                yield graph.finding("W536", place, says, cure)
    for what in sorted(map(str, declared - used)):
        says = f"{what!r} is declared, and no node uses it"
        yield graph.finding("W553", name, says, f'write uses="{what}" on the nodes that do', "warning")


def _breaker(graph: Graph, name: str, what: Any, breaker: Any) -> Iterator[Finding]:
    cure = 'breakers={"payments": Breaker(5, on=ConnectionError, rest=timedelta(minutes=1))}'
    if not isinstance(what, str) or not isinstance(breaker, Breaker):
        yield graph.finding("W537", name, f"breakers[{what!r}] is {breaker!r}, which is no Breaker", cure)
        return
    wrong: list[str] = []
    errors: tuple[Any, ...] = breaker.on
    if not is_count(breaker.failures):
        wrong.append(f"failures={breaker.failures!r}")
    wrong += [f"on={each!r}" for each in errors if not (isinstance(each, type) and issubclass(each, BaseException))]
    for setting in ("rest", "within"):
        time: Any = getattr(breaker, setting)
        if not (setting == "within" and time is None) and not (isinstance(time, timedelta) and time > timedelta(0)):
            wrong.append(f"{setting}={time!r}")
    if breaker.meanwhile not in ("wait", "fail"):
        wrong.append(f"meanwhile={breaker.meanwhile!r}")
    for each in wrong:
        yield graph.finding("W537", name, f"the breaker of {what!r} cannot work with {each}", cure)
