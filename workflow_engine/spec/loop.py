"""The body of a loop: which nodes a bounded edge goes round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from workflow_engine.spec.edges import Edge


def body_of(bounded: Edge, edges: Iterable[Edge]) -> frozenset[str]:
    """The nodes between a bounded edge's target and its source, both included.

    It is the natural loop of compilers (Aho, Lam, Sethi, Ullman, "Compilers", 9.6.6): what can come to the source
    without passing the target, so that an outer loop around it is none of it. What cannot be come to from the target is
    left out, where a loop is entered in its middle.
    """
    before: dict[str, set[str]] = {}
    after: dict[str, set[str]] = {}
    for edge in edges:
        for source in edge.sources:
            for target in edge.leads_to:
                before.setdefault(target, set()).add(source.node)
                after.setdefault(source.node, set()).add(target)
    body: set[str] = set()
    for head in bounded.targets:
        behind = _reached((each.node for each in bounded.sources), before, head)
        body |= {head} | (behind & _reached([head], after, None))
    return frozenset(body)


def _reached(starts: Iterable[str], ways: Mapping[str, set[str]], wall: str | None) -> set[str]:
    found: set[str] = set()
    ahead = [each for each in starts if each != wall]
    while ahead:
        place = ahead.pop()
        if place not in found:
            found.add(place)
            ahead.extend(each for each in ways.get(place, ()) if each != wall)
    return found
