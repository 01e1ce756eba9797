"""Turns: which arrows of a diagram lead back."""

from __future__ import annotations

from collections.abc import Iterator

from workflow_engine.draw.diagram import Diagram


def backward(diagram: Diagram) -> Iterator[int]:
    """The arrows that lead back to a card still being followed, going depth first in the order of the cards.

    Without them the arrows have one direction, the picture's. Arrows from a card to itself are not counted.
    """
    onward: dict[str, list[tuple[int, str]]] = {card.id: [] for card in diagram.cards}
    for at, arrow in enumerate(diagram.arrows):
        onward[arrow.tail].append((at, arrow.head))
    followed: set[str] = set()
    seen: set[str] = set()
    for card in diagram.cards:
        if card.id in seen:
            continue
        # A trail of iterators rather than recursion: a chain of a thousand cards is legal.
        trail = [(card.id, iter(onward[card.id]))]
        followed.add(card.id)
        seen.add(card.id)
        while trail:
            here, rest = trail[-1]
            step = next(rest, None)
            if step is None:
                trail.pop()
                followed.discard(here)
                continue
            at, head = step
            if head in followed and head != here:
                yield at
            elif head not in seen:
                followed.add(head)
                seen.add(head)
                trail.append((head, iter(onward[head])))
