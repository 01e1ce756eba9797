"""The course a run can take: which nodes it can come to, and which bounds it can spend.

A bounded edge leads to its `then` only if the loop it closes can be walked until the bound is spent. Structure decides
nearly always: if no way leads from the edge's target back to its source, its `then` is never taken; if one leads back
that needs no bound unspent, it is. Where two bounds share a loop, only counting decides, and `walk` counts as long as
there are few states. Beyond that a bound that may be spent is taken to be one that can.
"""

from __future__ import annotations

from functools import cached_property

from workflow_engine.spec.edges import START_NAME
from workflow_engine.verify.graph import Arc, Graph
from workflow_engine.verify.paths import Reach, after
from workflow_engine.verify.walk import Walk, walk

STATES = 3_000
"""How many states are counted before structure alone has to do."""


class Course:
    """Where a run of this graph can go. `sane` says that the graph is whole enough for its states to be counted."""

    def __init__(self, graph: Graph, *, sane: bool, states: int = STATES) -> None:
        self.graph = graph
        self._sane = sane
        self._states = states

    @cached_property
    def walk(self) -> Walk | None:
        """Every state a run can be in, or None where they are too many or the graph is broken."""
        return walk(self.graph, self._states) if self._sane and self._states else None

    @cached_property
    def spent(self) -> frozenset[str]:
        """The keys of the bounded edges whose bound can be spent."""
        possible = spendable(self.graph, pure=False)
        if possible != spendable(self.graph, pure=True) and self.walk is not None:
            return frozenset(self.walk.spent)
        return possible

    @cached_property
    def arcs(self) -> tuple[Arc, ...]:
        """The arcs a run can take."""
        return tuple(arc for arc in self.graph.arcs if arc.how != "then" or arc.edge.key in self.spent)

    @cached_property
    def reached(self) -> frozenset[str]:
        """Every place a run can come to, START and ends included."""
        return after(self.arcs, START_NAME)

    @cached_property
    def unbounded(self) -> tuple[Arc, ...]:
        """The arcs no count ever closes, and those taken when one has."""
        return tuple(arc for arc in self.arcs if arc.how != "bounded")

    @cached_property
    def always(self) -> tuple[Arc, ...]:
        """The arcs that are open however many counts are spent."""
        return tuple(arc for arc in self.arcs if arc.how != "bounded" or arc.edge.key not in self.spent)


def spendable(graph: Graph, *, pure: bool) -> frozenset[str]:
    """The keys of the bounded edges that close a loop; with `pure`, one that passes no bounded edge but themselves.

    A loop may go by the `then` of a bound that can be spent itself, so this looks until it finds no more.
    """
    spent: frozenset[str] = frozenset()
    while graph.bounded:
        usable = [
            arc
            for arc in graph.arcs
            if (arc.how == "plain")
            or (arc.how == "bounded" and not pure)
            or (arc.how == "then" and arc.edge.key in spent)
        ]
        reach = Reach(usable)
        now = frozenset(edge.key for edge in graph.bounded if reach.leads(edge.targets[0], edge.sources[0].node))
        if now == spent:
            break
        spent = now
    return spent
