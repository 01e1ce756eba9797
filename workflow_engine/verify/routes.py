"""W2, routes: every outcome has an edge, every edge an outcome, and no way out two edges."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from workflow_engine.spec.edges import START_NAME, Edge, Source
from workflow_engine.spec.nodes import EXPIRED, FAILED, Human, Node, Route
from workflow_engine.spec.waits import Wait
from workflow_engine.verify.finding import Finding, called, near
from workflow_engine.verify.graph import Graph, has_code


def routes(graph: Graph) -> Iterator[Finding]:
    """Ways out against edges, both ways."""
    yield from _doubled(graph)
    for name, node in graph.nodes.items():
        if isinstance(node, Route):
            yield from _route(graph, name, node)
        elif isinstance(node, Human):
            yield from _human(graph, name, node)
        elif isinstance(node, Wait):
            yield from _words(graph, name, node, "signal")
            yield from _time(graph, name, node, "wait(..., within=timedelta(days=2))")
        yield from _no_such_way(graph, name, node)


def _doubled(graph: Graph) -> Iterator[Finding]:
    by_source: dict[Source, list[Edge]] = {}
    for edge in graph.edges:
        for source in dict.fromkeys(edge.sources):
            by_source.setdefault(source, []).append(edge)
    for source, edges in sorted(by_source.items(), key=lambda item: str(item[0])):
        if len(edges) > 1 and source.node != START_NAME:
            heads = sorted({target for edge in edges for target in edge.targets})
            what = f"{len(edges)} edges leave by {graph.written(source)} (to {', '.join(heads)})"
            cure = f"choose with a @route, or run all of them: {graph.written(source)} >> ({', '.join(heads)})"
            yield graph.finding("W205", source.node, what, cure)


def _route(graph: Graph, name: str, node: Route[Any, Any]) -> Iterator[Finding]:
    if not node.outcomes:
        if node.signature.problem is None:
            what = f"is a route and returns {_returns(node)}, not a Literal of words"
            yield graph.finding("W204", name, what, f'def {name}(...) -> Literal["one", "other"]')
    else:
        for word in node.outcomes:
            if Source(name, word) not in graph.out:
                yield graph.finding("W201", name, f"outcome {word!r} has no edge", f'add: {name}["{word}"] >> ...')
    if Source(name) in graph.out:
        cure = f'name the outcome: {name}["{next(iter(node.outcomes), "word")}"] >> ...'
        yield graph.finding("W203", name, "is a route, and an edge leaves it without an outcome", cure)


def _human(graph: Graph, name: str, node: Human[Any, Any]) -> Iterator[Finding]:
    if node.answer is None and node.signature.problem is None and has_code(node):
        what = f"asks a person and returns {_returns(node)}"
        yield graph.finding("W208", name, what, f"def {name}(...) -> Question[TypeOfTheAnswer]")
    yield from _words(graph, name, node, "answer")
    yield from _time(graph, name, node, "@human(within=timedelta(days=2))")


def _words(graph: Graph, name: str, node: Human[Any, Any] | Wait, said: str) -> Iterator[Finding]:
    """The words it can be left by, answers or signals: each has an edge, or they share the plain one."""
    plain = Source(name) in graph.out
    choice = "choice" if said == "answer" else said
    for word in node.outcomes:
        if word in (FAILED, EXPIRED):
            what = f"the {choice} {word!r} cannot be told from the way out {name}.{word}"
            yield graph.finding("W209", name, what, f"call the {choice} something else")
        elif Source(name, word) not in graph.out and not plain:
            cure = f'add: {name}["{word}"] >> ..., or {name} >> ... for every {said} without an edge'
            yield graph.finding("W201", name, f"the {said} {word!r} has no edge", cure)
    if plain and node.outcomes and all(Source(name, word) in graph.out for word in node.outcomes):
        what = f"its plain edge is never taken: every {said} has an edge of its own"
        yield graph.finding("W210", name, what, f"remove {name} >> {', '.join(graph.out[Source(name)].targets)}")


def _time(graph: Graph, name: str, node: Human[Any, Any] | Wait, cure: str) -> Iterator[Finding]:
    expires = Source(name, EXPIRED) in graph.out
    if expires and node.within is None:
        yield graph.finding("W206", name, "never expires: it has no time limit", cure)
    if node.within is not None and not expires and getattr(node, "default", None) is None:
        what = "nobody says what happens when the time is up"
        why = "nobody answered" if isinstance(node, Human) else "nothing came"
        yield graph.finding("W207", name, what, f'add: {name}.expired >> FAIL("{why}")')


def _no_such_way(graph: Graph, name: str, node: Node) -> Iterator[Finding]:
    """Edges that leave a node by a word it is never left by."""
    if isinstance(node, Route):
        known = list(node.outcomes)
    elif isinstance(node, Human | Wait):
        known = [*node.outcomes, FAILED, EXPIRED]
    else:
        known = [FAILED]
    if isinstance(node, (Route, Human)) and not node.outcomes and (node.signature.problem or isinstance(node, Route)):
        return  # W111 or W204 says so already
    words = {source.outcome for source in graph.out if source.node == name and source.outcome is not None}
    for word in sorted(words - set(known)):
        yield graph.finding("W202", name, f"is never left by {word!r}", near(word, known) + _cure(name, node, word))


def _cure(name: str, node: Node, word: str) -> str:
    match node:
        case Route() if word == FAILED:
            return "a route is no step and has no failed way out: put .failed on the node before it"
        case Route():
            return f"its outcomes are {', '.join(node.outcomes)}"
        case Human():
            return f"its answers are {', '.join(node.outcomes) or 'no Literal'}, and {name}.failed, {name}.expired"
        case Wait() if node.outcomes:
            return f"its signals are {', '.join(node.outcomes)}, and {name}.failed, {name}.expired"
        case _ if word == EXPIRED:
            return f"only people's answers and waits expire; a timeout leads by {name}.failed"
        case _:
            return f"put a @route after {name} to choose by a word"


def _returns(node: Node) -> str:
    returns = node.signature.returns
    return "nothing its annotation tells" if returns is inspect.Parameter.empty else called(returns)
