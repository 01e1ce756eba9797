"""Paths: which place leads to which, which places lie in a loop, and the shortest way there. The work of networkx.

networkx is imported inside the functions: declaring a workflow must not load it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from workflow_engine.spec.edges import is_end
from workflow_engine.verify.graph import Arc

if TYPE_CHECKING:
    import networkx as nx

Network: TypeAlias = "nx.DiGraph[str]"


def network(arcs: Iterable[Arc]) -> Network:
    """The arcs as a directed graph of places, in an order of their own."""
    import networkx as nx

    made: Network = nx.DiGraph()
    made.add_edges_from(sorted({(arc.tail, arc.head) for arc in arcs}))
    return made


def after(arcs: Iterable[Arc], place: str) -> frozenset[str]:
    """Every place the arcs lead to from here, this one included."""
    import networkx as nx

    made = network(arcs)
    return frozenset({place} | (nx.descendants(made, place) if place in made else set()))


def ending(arcs: Iterable[Arc]) -> frozenset[str]:
    """Every place from which the arcs lead to END or a FAIL, ends included."""
    made = network(arcs).reverse(copy=False)
    found: set[str] = set()
    ahead = [place for place in made if is_end(place)]
    while ahead:
        place = ahead.pop()
        if place not in found:
            found.add(place)
            ahead.extend(made.successors(place))
    return frozenset(found)


class Reach:
    """Which place leads to which, for all at once: bits of one number per strongly connected component."""

    def __init__(self, arcs: Iterable[Arc]) -> None:
        import networkx as nx

        components: Any = nx.condensation(network(arcs))
        self._component: dict[str, int] = components.graph["mapping"]
        self._ahead: dict[int, int] = {}
        for one in reversed(list(nx.topological_sort(components))):
            bits = 1 << one
            for other in components.successors(one):
                bits |= self._ahead[other]
            self._ahead[one] = bits

    def leads(self, tail: str, head: str) -> bool:
        """Whether a way of no or more arcs leads from one place to the other."""
        if tail == head:
            return True
        if tail not in self._component or head not in self._component:
            return False
        return bool(self._ahead[self._component[tail]] >> self._component[head] & 1)


def loops(arcs: Iterable[Arc]) -> list[list[str]]:
    """One shortest loop, first place repeated at its end, for each strongly connected component that has one."""
    import networkx as nx

    made = network(arcs)
    return sorted(
        _loop(made.subgraph(places), min(places))
        for places in nx.strongly_connected_components(made)
        if len(places) > 1 or any(made.has_edge(place, place) for place in places)
    )


def _loop(made: Network, place: str) -> list[str]:
    import networkx as nx

    ways = (nx.shortest_path(made, following, place) for following in sorted(made.successors(place)))
    return [place, *min(ways, key=lambda way: (len(way), way))]


def traps(arcs: Iterable[Arc], places: frozenset[str]) -> list[list[str]]:
    """The strongly connected components among `places` that no arc leaves, each sorted: where a run stays for ever."""
    import networkx as nx

    made = network(arcs)
    return sorted(
        sorted(component)
        for component in nx.strongly_connected_components(made)
        if component <= places and all(head in component for tail in component for head in made.successors(tail))
    )


def shown(path: Iterable[str]) -> str:
    """`START > a > b`, its middle left out where it is long."""
    places = list(path)
    return " > ".join(places if len(places) <= 9 else [*places[:5], "...", *places[-3:]])
