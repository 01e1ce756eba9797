"""W1, shape: names are unique and mean something, every node is reached from START, every path can end."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

from workflow_engine.spec.edges import END_NAME, FAIL_PREFIX, START_NAME, Edge, Source, is_end
from workflow_engine.spec.nodes import Human, Node, Route
from workflow_engine.spec.waits import Wait
from workflow_engine.verify.course import Course
from workflow_engine.verify.finding import Finding, near
from workflow_engine.verify.graph import Graph
from workflow_engine.verify.paths import ending, loops, shown, traps

LONGEST = 64
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_RESERVED = (START_NAME, END_NAME, FAIL_PREFIX.rstrip(": "))


def names(graph: Graph) -> Iterator[Finding]:
    """Whatever can be said of nodes and edges one at a time."""
    for oddity in graph.oddities:
        yield graph.finding(
            "W112", graph.workflow.name, f"{oddity[:80]} is no edge or node", "write rows as START >> first >> second"
        )
    for name, node in graph.nodes.items():
        yield from _name(graph, name, node)
    for name in sorted(map(str, graph.workflow.clashes)):
        yield graph.finding(
            "W104", name, f"two nodes are called {name!r}", f'call one of them something else: {name}.named("...")'
        )
    for edge in graph.edges:
        yield from _edge(graph, edge)
    yield from _start(graph)
    yield from _dead_ends(graph)


def reach(course: Course) -> Iterator[Finding]:
    """Every node is reached from START, and from every node some path ends."""
    graph = course.graph
    if Source(START_NAME) not in graph.out:
        return
    for name in graph.nodes:
        if name not in course.reached:
            cure = f"lead to it (... >> {name}), or remove it"
            yield graph.finding("W108", name, "is never reached from START", cure)
    never = course.reached - ending(course.arcs)
    for trap in traps(course.arcs, never):
        loop = loops(arc for arc in course.arcs if arc.tail in trap and arc.head in trap)
        if loop:
            what = f"never ends: no path leads out of {shown(loop[0])}"
            yield graph.finding("W110", trap[0], what, "lead one of its ways out on to END or FAIL(...)")


def _name(graph: Graph, name: str, node: Node) -> Iterator[Finding]:
    if name in _RESERVED or is_end(name):
        cure = f'name it otherwise: {node.kind}(name="...")'
        yield graph.finding("W102", name, f"{name!r} is the engine's own word, not a node's name", cure)
    elif not _fits(name):
        what = f"{name[:LONGEST]!r} is no name for a node"
        cure = f"use letters, digits, _ and -, a letter first, at most {LONGEST}"
        yield graph.finding("W103", name[:LONGEST], what, cure)
    if node.name != name:
        what = f"the node under this name calls itself {node.name!r}"
        yield graph.finding("W104", name, what, "give it to workflow(...) under one name")
    if node.signature.problem is not None:
        problem = _ADDRESS.sub("", " ".join(node.signature.problem.split()))
        what = f"its annotations cannot be read: {problem[:120]}"
        yield graph.finding("W111", name, what, "write a plain `def` whose annotations name things this file knows")


def _fits(name: str) -> bool:
    plain = unicodedata.normalize("NFKC", name)
    return 0 < len(name) <= LONGEST and plain == name and name.replace("-", "_").isidentifier()


def _edge(graph: Graph, edge: Edge) -> Iterator[Finding]:
    place = edge.sources[0].node if edge.sources else graph.workflow.name
    if not edge.sources or not edge.targets:
        missing = "beginning" if not edge.sources else "end"
        yield graph.finding("W112", place, f"an edge ({edge}) has no {missing}", "name a node on both sides of >>")
    for source in edge.sources:
        if is_end(source.node):
            yield graph.finding("W107", source.node, f"an edge leads on from it ({edge})", "nothing follows an end")
        elif source.node == START_NAME:
            if source.outcome is not None:
                yield graph.finding("W105", START_NAME, f"START has no outcome {source.outcome!r}", "START >> first")
            elif edge.joins:
                yield graph.finding("W105", START_NAME, f"START cannot be joined ({edge})", "START >> first")
        elif source.node not in graph.nodes:
            yield _unknown(graph, place, source.node)
    for target in edge.leads_to:
        if target == START_NAME:
            what = f"an edge leads into START ({edge})"
            yield graph.finding("W106", place, what, "name the node after START instead")
        elif not graph.exists(target):
            yield _unknown(graph, place, target)


def _unknown(graph: Graph, place: str, name: str) -> Finding:
    cure = near(name, graph.nodes) + f"the nodes are {', '.join(list(graph.nodes)[:12]) or 'none'}"
    return graph.finding("W101", place, f"an edge names {name!r}, which is no node", cure)


def _start(graph: Graph) -> Iterator[Finding]:
    starts = [edge for edge in graph.edges if any(source.node == START_NAME for source in edge.sources)]
    name = graph.workflow.name
    if not starts:
        yield graph.finding("W105", START_NAME, f"{name} has no beginning", "begin a row with START >> first_node")
    elif len(starts) > 1:
        heads = ", ".join(sorted({target for edge in starts for target in edge.targets}))
        what = f"{len(starts)} edges leave START (to {heads})"
        yield graph.finding("W105", START_NAME, what, "keep one; START >> (a, b) starts both at once")
    elif not graph.nodes and all(is_end(target) for target in starts[0].leads_to):
        yield graph.finding("W105", START_NAME, f"{name} has no nodes", "START >> first_node >> END")


def _dead_ends(graph: Graph) -> Iterator[Finding]:
    """Every node but a route, whose words are law W2's, is left by a plain edge, or by a word for every answer."""
    left = Counter(source.node for source in graph.out)
    for name, node in graph.nodes.items():
        words = isinstance(node, Human | Wait) and (node.outcomes or node.signature.problem)
        if isinstance(node, Route) or words:
            continue
        if Source(name) not in graph.out:
            only = "only ways out by an outcome" if left[name] else "no way out"
            yield graph.finding("W109", name, f"has {only}: nothing follows it", f"add: {name} >> END")
