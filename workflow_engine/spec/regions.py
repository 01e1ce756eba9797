"""Regions: the whole of a workflow and each arm of its forks, nested as they nest.

In a workflow without findings forks and joins match like brackets, so every node lies in exactly one region, a run has
at most one node due in each, and a fork's arms are left together: through its join, or by an edge that leaves the fork.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from workflow_engine.spec.edges import START_NAME, Edge, Source, is_end
from workflow_engine.spec.nodes import Route

if TYPE_CHECKING:
    from workflow_engine.spec.workflow import Workflow

Place: TypeAlias = tuple[tuple[str, int], ...]
"""The way into a region: which arm of which fork, outermost first. Empty for the whole."""


@dataclass
class Region:
    """One region: its steps in order of the table, and under each fork's key the places of its arms by their heads."""

    place: Place
    steps: list[str] = field(default_factory=list)
    forks: dict[str, dict[str, Place]] = field(default_factory=dict)


@dataclass(frozen=True)
class Regions:
    """All regions by place, and where each node lies; `joined` says where the arms end that each join waits for."""

    all: Mapping[Place, Region]
    of: Mapping[str, Place]
    joined: Mapping[str, Place]

    @cached_property
    def inside(self) -> Mapping[str, frozenset[str]]:
        """The nodes in any arm of each fork, by its key: those of forks within it too."""
        return _under(self.of.items())

    @cached_property
    def joins(self) -> Mapping[str, frozenset[str]]:
        """The keys of the joins that arms of each fork come to: its own, and those of forks within it."""
        return _under(self.joined.items())

    @cached_property
    def within(self) -> Mapping[str, frozenset[str]]:
        """The forks that lie in any arm of each fork."""
        return _under((fork, place) for place, region in self.all.items() for fork in region.forks)

    def fork_of(self, node: str) -> str | None:
        """The innermost fork around a node, by its key."""
        place = self.of.get(node, ())
        return place[-1][0] if place else None

    def left_around(self, node: str, left: Iterable[str]) -> str | None:
        """The fork around a node that is among those the run has left; there is at most one."""
        return next((fork for fork in left if any(fork == each for each, _ in self.of.get(node, ()))), None)


def _under(places: Iterable[tuple[str, Place]]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for name, place in places:
        for fork, _ in place:
            found.setdefault(fork, set()).add(name)
    return {fork: frozenset(names) for fork, names in found.items()}


def regions_of(workflow: Workflow[Any]) -> Regions:
    """The regions of a workflow without findings."""
    of: dict[str, Place] = {START_NAME: ()}
    all_: dict[Place, Region] = {(): Region(())}
    arrived: dict[Edge, dict[Source, Place]] = {}
    leaving: dict[str, dict[Source, Edge]] = {}
    for source, edge in workflow.out.items():
        leaving.setdefault(source.node, {})[source] = edge
    ahead = deque([START_NAME])
    while ahead:
        name = ahead.popleft()
        for source, edge in leaving.get(name, {}).items():
            for target, place in _led_to(edge, source, of[name], arrived, all_):
                if target not in of and not is_end(target):
                    of[target] = place
                    if not isinstance(workflow.nodes[target], Route):
                        all_[place].steps.append(target)
                    ahead.append(target)
    return Regions(all_, of, {edge.key: next(iter(there.values())) for edge, there in arrived.items()})


def _led_to(
    edge: Edge, source: Source, here: Place, arrived: dict[Edge, dict[Source, Place]], all_: dict[Place, Region]
) -> list[tuple[str, Place]]:
    if edge.joins:
        there = arrived.setdefault(edge, {})
        there[source] = here
        # The arms of one fork differ in the last turn only: what is before it is where the fork stands.
        return [(target, here[:-1]) for target in edge.targets] if len(there) == len(edge.sources) else []
    if edge.leaves:
        return [(target, here[:-1]) for target in edge.targets]
    if not edge.forks:
        return [(target, here) for target in edge.leads_to]
    arms: dict[str, Place] = {head: (*here, (edge.key, number)) for number, head in enumerate(edge.targets)}
    all_[here].forks[edge.key] = arms
    for arm in arms.values():
        all_.setdefault(arm, Region(arm))
    return list(arms.items())
