"""Regions: the whole of a workflow and each arm of its forks, nested as they nest. Each becomes one LangGraph graph.

In a workflow without findings forks and joins match like brackets, so every node lies in exactly one region, a run has
at most one node due in each, and a fork's arms are left together through its join.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from workflow_engine.spec.edges import START_NAME, Edge, Source, is_end
from workflow_engine.spec.nodes import Route
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
    """All regions by place, and where each node lies."""

    all: Mapping[Place, Region]
    of: Mapping[str, Place]


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
    return Regions(all_, of)


def _led_to(
    edge: Edge, source: Source, here: Place, arrived: dict[Edge, dict[Source, Place]], all_: dict[Place, Region]
) -> list[tuple[str, Place]]:
    if edge.joins:
        there = arrived.setdefault(edge, {})
        there[source] = here
        # The arms of one fork differ in the last turn only: what is before it is where the fork stands.
        return [(target, here[:-1]) for target in edge.targets] if len(there) == len(edge.sources) else []
    if not edge.forks:
        return [(target, here) for target in edge.leads_to]
    arms: dict[str, Place] = {head: (*here, (edge.key, number)) for number, head in enumerate(edge.targets)}
    all_[here].forks[edge.key] = arms
    for arm in arms.values():
        all_.setdefault(arm, Region(arm))
    return list(arms.items())
