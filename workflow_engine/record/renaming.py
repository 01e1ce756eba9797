"""Renaming: what of a run is kept under the names of nodes and edges, said again under the names they have now.

Whatever a run holds by a node's name must be here, or a renamed node loses it: tests/record looks at every field.
Never raises: a fact that contradicts the run, which only a forger writes, gives a run that fits no workflow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from workflow_engine.record.frontier import Frontier
from workflow_engine.record.ids import step_key

if TYPE_CHECKING:
    from workflow_engine.record.events import RunMigrated
    from workflow_engine.record.run import Run

T = TypeVar("T")

BY_NODE = ("failed", "caught", "doubts", "deaths", "items", "calls", "entered", "answered")
"""The fields of a run that map a node's name to something, or that of an item in it (record.ids.place_of)."""
NODE_IN_EACH = ("open", "waits")
"""Those that list values with a `node`."""


def renamed(run: Run, event: RunMigrated) -> dict[str, Any]:
    """The fields of a run that change."""
    nodes = event.nodes
    changes: dict[str, Any] = {"frontier": moved(run.frontier, event)}
    if not nodes:
        return changes
    for field in BY_NODE:
        if kept := getattr(run, field):
            changes[field] = _under(nodes, kept)
    for field in NODE_IN_EACH:
        if any(each.node in nodes for each in getattr(run, field)):
            changes[field] = tuple(
                replace(each, node=nodes[each.node]) if each.node in nodes else each for each in getattr(run, field)
            )
    # A step that is due under another name is still the same step, so it keeps its key.
    keys = dict(run.keys)
    for node in run.frontier.due:
        if node in nodes:
            keys[node] = keys.get(node) or step_key(run.id, node, run.frontier.visits.get(node, 1))
    return {**changes, "keys": _under(nodes, keys)}


def moved(frontier: Frontier, event: RunMigrated) -> Frontier:
    """The same place, under the names of now, without the bounds that are counted no more."""
    nodes, edges, ways = event.nodes, event.edges, event.ways
    return Frontier(
        due=tuple(dict.fromkeys(nodes.get(each, each) for each in frontier.due)),
        visits=_under(nodes, frontier.visits),
        arrived={
            edges.get(key, key): tuple(ways.get(each, each) for each in there)
            for key, there in frontier.arrived.items()
        },
        counts={edges.get(key, key): count for key, count in frontier.counts.items() if key not in event.forgotten},
        ended=frontier.ended,
        spent={
            edges.get(key, nodes.get(key, key)): each
            for key, each in frontier.spent.items()
            if key not in event.forgotten
        },
        leaving={
            edges.get(fork, fork): (ways.get(way, way), nodes.get(target, target))
            for fork, (way, target) in frontier.leaving.items()
        },
    )


def called_then(events: Sequence[Any], node: str) -> list[str]:
    """What a node was called at each event of a journal; `node` is its name at the end of it."""
    names = [node] * len(events)
    for at in range(len(events) - 1, -1, -1):
        names[at] = node
        found = getattr(events[at], "nodes", None)
        if isinstance(found, Mapping):  # of RunMigrated: what came before it was said under the former name
            node = next((old for old, new in found.items() if new == node), node)
    return names


def _under(names: Mapping[str, str], kept: Mapping[str, T]) -> dict[str, T]:
    return {_place(names, name): each for name, each in kept.items()}


def _place(names: Mapping[str, str], place: str) -> str:
    node, bracket, item = place.partition("[")
    return place if node not in names else f"{names[node]}{bracket}{item}"
