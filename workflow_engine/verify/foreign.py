"""W4 and W5 of foreign graphs: channels that are there, what is made of output, and that they stop only to ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workflow_engine.errors import DeclarationError
from workflow_engine.spec.foreign import Foreign
from workflow_engine.verify.finding import Finding, near
from workflow_engine.verify.graph import Graph


def foreign(graph: Graph) -> Iterator[Finding]:
    """What can be said of each graph as far as it tells."""
    for name, node in graph.nodes.items():
        if isinstance(node, Foreign) and node.graph is not None:
            yield from _foreign(graph, name, node)


def _foreign(graph: Graph, name: str, node: Foreign) -> Iterator[Finding]:
    assert node.graph is not None
    try:
        known = node.graph.anatomy
    except DeclarationError as error:
        yield graph.finding("W571", name, error.what, error.cure or "langgraph_node(builder.compile(), ...)")
        return
    taken = () if node.reads is None else tuple(channel for channel, _ in node.reads)
    yield from _channels(graph, name, "input", "into=lambda ...: ...", taken, known.takes, "W441")
    yield from _channels(graph, name, "output", "out=lambda output: ...", node.channels, known.gives, "W442")
    if node.out is not None and not node.writes:
        yield graph.finding("W443", name, "has out= and writes no field", 'langgraph_node(..., writes="field")')
    for stop in known.stops:
        what = f"its graph is compiled with {stop}: it would stop there and ask nothing"
        yield graph.finding("W572", name, what, "compile it without, and call interrupt(...) where a person decides")


def _channels(
    graph: Graph,
    name: str,
    side: str,
    function: str,
    named: tuple[str, ...],
    known: Mapping[str, Any] | None,
    code: str,
) -> Iterator[Finding]:
    if named and known is None:
        what = f"names channels of its graph's {side}, which has none by name"
        yield graph.finding(code, name, what, function)
        return
    for channel in named:
        if channel not in (known or {}):
            what = f"names {channel!r}, which is no channel of its graph's {side}"
            cure = near(channel, known or {}) + f"its channels are {', '.join(sorted(known or {})) or 'none'}"
            yield graph.finding(code, name, what, cure)
