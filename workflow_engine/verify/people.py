"""W5, people: who is asked, when again, what holds when the time is up, and how many must say the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from workflow_engine.record.people import is_group
from workflow_engine.spec.edges import Source
from workflow_engine.spec.nodes import EXPIRED, Human
from workflow_engine.verify.finding import Finding
from workflow_engine.verify.graph import Graph, has_code, is_count


def people(graph: Graph) -> Iterator[Finding]:
    """The deadlines of every person's node, and who may answer."""
    for name, node in graph.nodes.items():
        if isinstance(node, Human):
            yield from _reminders(graph, name, node)
            yield from _default(graph, name, node)
            yield from _names(graph, name, node)
            yield from _approvals(graph, name, node)


def _reminders(graph: Graph, name: str, node: Human[Any, Any]) -> Iterator[Finding]:
    given: Any = node.remind
    cure = "remind=(timedelta(days=1),)"
    for each in given if isinstance(given, tuple) else (given,):
        if not isinstance(each, timedelta) or each <= timedelta(0):
            yield graph.finding("W531", name, f"remind={each!r} is no time after the asking", cure)
        elif isinstance(node.within, timedelta) and each >= node.within:
            what = f"is to be reminded of after {each}, when its time ({node.within}) is up"
            yield graph.finding("W531", name, what, "remind earlier, or give within= more time")


def _default(graph: Graph, name: str, node: Human[Any, Any]) -> Iterator[Finding]:
    if node.default is None:
        return
    if node.within is None:
        what = "has a default answer and no time after which it holds"
        yield graph.finding("W532", name, what, "add within=timedelta(days=2), or remove default=")
    if Source(name, EXPIRED) in graph.out:
        what = "has a default answer and leads on by expired as well: only one of them can hold"
        yield graph.finding("W532", name, what, f"remove default=, or the edge {name}.expired >> ...")
    if not has_code(node) or node.answer is None:
        return
    try:
        value = node.default_answer()
    except (ValidationError, ValueError, TypeError, RecursionError) as error:
        said = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else str(error)
        one = repr(node.outcomes[0]) if node.outcomes else "..."
        what = f"the default {node.default!r} is no answer to it: {said}"
        yield graph.finding("W532", name, what, f"default={one}, or a whole answer")
        return
    word = value.get("choice") if isinstance(value, Mapping) else value
    approvals: Any = node.approvals
    if isinstance(word, str) and isinstance(approvals, Mapping) and word in approvals:
        what = f"its default is {word!r}, which needs {approvals[word]} people: nobody would have approved"
        yield graph.finding("W532", name, what, "choose a default that needs nobody's approval")


def _names(graph: Graph, name: str, node: Human[Any, Any]) -> Iterator[Finding]:
    to: Any = node.to
    if to is not None and (not _is_name(to) or is_group(to)):
        cure = 'to="alice"; a group goes into candidates=("group:release",)'
        yield graph.finding("W533", name, f"to={to!r} is no person's name", cure)
    given: Any = node.candidates
    for each in given:
        if not _is_name(each):
            yield graph.finding("W533", name, f"candidate {each!r} is no name", 'candidates=("bob", "group:release")')


def _is_name(each: Any) -> bool:
    return isinstance(each, str) and each == " ".join(each.split()) and each not in ("", "group:")


def _approvals(graph: Graph, name: str, node: Human[Any, Any]) -> Iterator[Finding]:
    given: Any = node.approvals
    cure = 'approvals={"release": 2}'
    if not isinstance(given, Mapping):
        yield graph.finding("W534", name, f"approvals={given!r} does not say how many people a choice needs", cure)
        return
    for word, count in given.items():
        if word not in node.outcomes:
            known = ", ".join(node.outcomes) or "none: its answer is no Literal"
            yield graph.finding("W534", name, f"approvals names {word!r}; its choices are {known}", cure)
        if not is_count(count) or count < 2:
            yield graph.finding("W534", name, f"{word!r} needs {count!r} people", "two or more; one is always needed")
    asked = {each for each in (node.to, *node.candidates) if isinstance(each, str)}
    most = max((count for count in given.values() if is_count(count)), default=0)
    if asked and not any(is_group(each) for each in asked) and most > len(asked):
        what = f"needs {most} people to say the same, and {len(asked)} may answer"
        yield graph.finding("W534", name, what, 'name more candidates, or a group: candidates=("group:release",)')
