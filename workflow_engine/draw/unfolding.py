"""Unfolding: the picture of a subflow or a foreign graph put in place of its card, in a box around it.

The card stays, as the way in: what enters the subflow enters its card, and what only its failure takes leaves from
there. The rest leaves from the END within.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from workflow_engine.draw.diagram import Arrow, Card, Diagram, Group
from workflow_engine.draw.extract import diagram_of
from workflow_engine.draw.foreign import diagram_of_graph
from workflow_engine.errors import DeclarationError
from workflow_engine.spec.each import Each
from workflow_engine.spec.edges import END_NAME, START_NAME
from workflow_engine.spec.foreign import Foreign
from workflow_engine.spec.nesting import subflows_of
from workflow_engine.spec.workflow import Workflow

Pictured = Callable[[str, Workflow[Any] | Foreign], Diagram | None]
"""The picture of what is within a node by the way to it (`bill/charge`), or None for one that stays folded."""


def unfolded(workflow: Workflow[Any], diagram: Diagram, pictured: Pictured, way: str = "") -> Diagram:
    """A picture with those of the workflows within, each as `pictured` has it. One within itself is opened once."""
    return _unfolded(workflow, diagram, pictured, way, (id(workflow),))


def _unfolded(
    workflow: Workflow[Any], diagram: Diagram, pictured: Pictured, way: str, around: tuple[int, ...]
) -> Diagram:
    for node in subflows_of(workflow):
        try:
            inner = node.workflow
        except DeclarationError:  # the laws say so
            continue
        if id(inner) in around:
            continue
        path = f"{way}{node.name}"
        own = pictured(path, inner)
        if own is not None:
            own = _unfolded(inner, own, pictured, f"{path}/", (*around, id(inner)))
            many = isinstance(workflow.nodes[node.name], Each)
            diagram = _put(diagram, node.name, own, f"{own.header.title}, for each item" if many else own.header.title)
    for graph in workflow.nodes.values():
        own = pictured(f"{way}{graph.name}", graph) if isinstance(graph, Foreign) else None
        if own is not None:
            diagram = _put(diagram, graph.name, own, own.header.title)
    return diagram


def every(folded: frozenset[str] = frozenset()) -> Pictured:
    """Pictures of all workflows and graphs within, save of nodes of these names or at these ways."""

    def pictured(path: str, within: Workflow[Any] | Foreign) -> Diagram | None:
        if path in folded or path.rpartition("/")[2] in folded:
            return None
        return diagram_of_graph(within) if isinstance(within, Foreign) else diagram_of(within)

    return pictured


def _put(outer: Diagram, name: str, inner: Diagram, title: str) -> Diagram:
    """One picture within another, in a box of this title in place of the card of this name."""
    place = next((at for at, card in enumerate(outer.cards) if card.id == name), None)
    if place is None:
        return outer
    card = outer.cards[place]
    cards = [replace(each, id=f"{name}/{each.id}") for each in inner.cards if each.id != START_NAME]
    arrows = [
        replace(each, tail=name if each.tail == START_NAME else f"{name}/{each.tail}", head=f"{name}/{each.head}")
        for each in inner.arrows
    ]
    end = f"{name}/{END_NAME}"
    last = end if any(each.id == end for each in cards) else name
    if card.decision is not None and last == end:
        # What is decided in its card is decided once it has ended.
        word = card.decision.outcome
        lines = () if word is None else (f"→ {word}",)
        last = f"{name}/ {card.decision.route}"
        cards.append(Card(last, card.decision.route, "route", card.status, lines))
        arrows.append(Arrow(end, last, taken=None if card.status is None else word is not None))
        card = replace(card, decision=None)
    inside = frozenset({name, *(each.id for each in cards)})
    groups = [replace(each, cards=each.cards | inside) if name in each.cards else each for each in outer.groups]
    groups += [replace(each, cards=frozenset(_inside(name, one) for one in each.cards)) for each in inner.groups]
    groups.append(Group(title, inside))
    return Diagram(
        outer.header,
        (*outer.cards[:place], card, *cards, *outer.cards[place + 1 :]),
        (*(_out(each, name, last) for each in outer.arrows), *arrows),
        tuple(groups),
    )


def _out(arrow: Arrow, name: str, last: str) -> Arrow:
    return replace(arrow, tail=last) if arrow.tail == name and arrow.meaning != "failure" else arrow


def _inside(name: str, card: str) -> str:
    return name if card == START_NAME else f"{name}/{card}"
