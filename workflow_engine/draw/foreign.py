"""Foreign graphs in pictures: the nodes and edges within, as the graph itself tells them."""

from __future__ import annotations

from workflow_engine.draw.diagram import Arrow, Card, Diagram, Group, Header
from workflow_engine.spec.edges import END_NAME, START_NAME
from workflow_engine.spec.foreign import Foreign

_START, _END = "__start__", "__end__"


def diagram_of_graph(node: Foreign) -> Diagram | None:
    """The picture of a graph, with those of the graphs within it in boxes; None where nobody knows what is within."""
    sketch = node.sketch
    if sketch is None or not sketch.places:
        return None
    cards = tuple(map(_card, sketch.places))
    known = {each.id for each in cards}
    arrows = tuple(Arrow(_id(tail), _id(head), label) for tail, head, label in sketch.edges)
    boxes = dict.fromkeys(
        "/".join(parts[:depth])
        for parts in (each.split("/") for each in sketch.places)
        for depth in range(len(parts) - 1, 0, -1)
    )
    groups = tuple(
        Group(box.rpartition("/")[2], frozenset(_id(each) for each in sketch.places if each.startswith(f"{box}/")))
        for box in boxes
    )
    return Diagram(
        Header(node.name),
        cards,
        tuple(each for each in arrows if {each.tail, each.head} <= known),
        groups,
    )


def _card(place: str) -> Card:
    match place.rpartition("/")[2]:
        case "__start__":
            return Card(_id(place), START_NAME, "start")
        case "__end__":
            return Card(_id(place), END_NAME, "end")
        case name:
            return Card(_id(place), name, "graph")


def _id(place: str) -> str:
    """Its own ends are ours. A node of theirs that is named so is none of these."""
    return {_START: START_NAME, _END: END_NAME}.get(place, f" {place}" if place in (START_NAME, END_NAME) else place)
