"""Parts of a picture: what is around one card, and loops put into one card each, for graphs too large for a page."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from difflib import get_close_matches

from workflow_engine.draw.diagram import Arrow, Card, Diagram, Group, Status
from workflow_engine.draw.lettering import width
from workflow_engine.draw.measures import several
from workflow_engine.errors import CardNotFound, DrawingError

# What a loop as a whole is, from what its cards are: the first that holds.
_FIRST: tuple[Status, ...] = (
    "failed", "interrupted", "waiting", "running", "cancelled", "looping", "done", "not reached"
)  # fmt: skip
_NAMED = 34
_SIGNS = ("start", "end", "fork", "join")


def focused(diagram: Diagram, card: str, around: int = 1) -> Diagram:
    """What is at most so many arrows away from the card of this name, whichever way they lead.

    Where arrows lead on, a small card says how many more there are. Raises DrawingError for a name no card has.
    """
    middle = _named(diagram, card)
    near = {middle}
    for _ in range(around):
        near |= {end for arrow in diagram.arrows if {arrow.tail, arrow.head} & near for end in (arrow.tail, arrow.head)}
    cards = tuple(each for each in diagram.cards if each.id in near)
    arrows = [each for each in diagram.arrows if {each.tail, each.head} <= near]
    more, ways = _more(diagram, near)
    groups = (replace(each, cards=each.cards & near) for each in diagram.groups)
    kept = dict.fromkeys(each for each in groups if len(each.cards) > 1)
    fact = f"around {card}: {len(cards)} of {several(len(diagram.cards), 'card')}"
    header = replace(diagram.header, facts=(*diagram.header.facts, fact))
    return Diagram(header, (*cards, *more), (*arrows, *ways), _apart(kept))


def loops_folded(diagram: Diagram, names: Collection[str] = ()) -> Diagram:
    """Boxes as one card each: all that are outermost, or those around the cards of these names.

    A card of a box that is folded counts as inside it. Raises DrawingError where no box is around a card named.
    """
    ids = [_named(diagram, name) for name in names]
    for name, each in zip(names, ids, strict=True):
        if not any(each in group.cards for group in diagram.groups):
            raise DrawingError(f"no loop is around {name!r}", "name a node inside a box of the picture")
    wanted = [
        group
        for group in diagram.groups
        if not any(group.cards < other.cards for other in diagram.groups if not ids or set(ids) & other.cards)
        and (not ids or set(ids) & group.cards)
    ]
    for at, group in enumerate(wanted):
        diagram = _folded(diagram, group, f"loop {at}")
    return diagram


def _folded(diagram: Diagram, group: Group, name: str) -> Diagram:
    inside = [card for card in diagram.cards if card.id in group.cards]
    found = {card.status for card in inside}
    status: Status | None = next((each for each in _FIRST if each in found), None)
    taken = [each.count for each in diagram.arrows if {each.tail, each.head} <= group.cards and each.meaning == "loop"]
    named = [card.name for card in inside if card.kind not in _SIGNS] or [inside[0].name]
    first, last = named[0], named[-1]
    title = f"{first} … {last}" if width(first + last) < _NAMED else f"{first} …"
    lines = (f"{several(len(named), 'node')} · {group.caption}", *(each for each in taken if each.startswith("×")))
    card = Card(name, title, "loop", status, lines)
    cards: list[Card] = []
    for each in diagram.cards:
        if each.id not in group.cards:
            cards.append(each)
        elif card not in cards:
            cards.append(card)
    arrows = dict.fromkeys(
        replace(
            each,
            tail=name if each.tail in group.cards else each.tail,
            head=name if each.head in group.cards else each.head,
        )
        for each in diagram.arrows
        if not {each.tail, each.head} <= group.cards
    )
    groups = (
        replace(each, cards=(each.cards - group.cards) | {name}) if each.cards > group.cards else each
        for each in diagram.groups
        if not each.cards <= group.cards
    )
    return Diagram(diagram.header, tuple(cards), tuple(arrows), tuple(each for each in groups if len(each.cards) > 1))


def _named(diagram: Diagram, name: str) -> str:
    found = next((card.id for card in diagram.cards if name in (card.id, card.name)), None)
    if found is None:
        named = [card.id for card in diagram.cards if card.kind not in _SIGNS]
        near = get_close_matches(name, named, 1)
        cure = f"did you mean {near[0]}? " if near else ""
        raise CardNotFound(f"no card of the picture is named {name!r}", f"{cure}the cards are {', '.join(named[:20])}")
    return found


def _more(diagram: Diagram, near: Collection[str]) -> tuple[list[Card], list[Arrow]]:
    """A small card at each end where arrows lead out of sight."""
    cards, arrows = [], []
    for here, away, onward in _beyond(diagram, near):
        name = f"{'after' if onward else 'before'} {here}"
        said = several(len(away), "card")
        cards.append(Card(name, f"{said} more" if len(away) > 1 else away[0], "more"))
        arrows.append(Arrow(here, name) if onward else Arrow(name, here))
    return cards, arrows


def _beyond(diagram: Diagram, near: Collection[str]) -> Iterator[tuple[str, list[str], bool]]:
    names = {card.id: card.name for card in diagram.cards}
    for card in diagram.cards:
        if card.id not in near:
            continue
        onward = dict.fromkeys(names[each.head] for each in diagram.arrows if each.tail == card.id)
        before = dict.fromkeys(names[each.tail] for each in diagram.arrows if each.head == card.id)
        seen = {names[each] for each in near}
        for away, way in ((onward, True), (before, False)):
            if hidden := [each for each in away if each not in seen]:
                yield card.id, hidden, way


def _apart(groups: Iterable[Group]) -> tuple[Group, ...]:
    """Two boxes with the same cards left are one."""
    return tuple({each.cards: each for each in groups}.values())
