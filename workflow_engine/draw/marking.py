"""Marks: what a page shows on the live drawing of a workflow, for one moment of a run, as plain JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workflow_engine.draw.diagram import Card, Decision, Diagram
from workflow_engine.draw.labels import DETAIL_COLUMNS
from workflow_engine.draw.lettering import fold, plain, width
from workflow_engine.draw.palette import KIND_SIGNS, SIGNS

MOST = 38
"""How many columns of a line are told: the page may have a wider font than the one it was measured with."""


def marks(diagram: Diagram) -> dict[str, Any]:
    """What a page marks on the live drawing, as JSON: `{"header", "cards": {id: …}, "arrows": […]}`.

    A card has `status`, `sign`, `line`, `decision` and what a screen reader says of it (`said`); an arrow `from`, `to`,
    `edge`, `meaning`, `taken` and `count`. Status and taken are null on the picture of a workflow that no run is on.
    """
    header = diagram.header
    return {
        "header": {"status": header.status, "facts": [plain(each) for each in header.facts]},
        "cards": {card.id: mark_of(card) for card in diagram.cards},
        "arrows": [
            {
                "from": arrow.tail,
                "to": arrow.head,
                "edge": arrow.edge,
                "meaning": arrow.meaning,
                "taken": arrow.taken,
                "count": plain(arrow.count),
            }
            for arrow in diagram.arrows
        ],
    }


def mark_of(card: Card) -> dict[str, Any]:
    """The mark of one card."""
    lines = card.lines if card.status != "waiting" else card.lines[::-1]  # what is waited for, before what it took
    line = _first(lines) if card.status else ""
    decision = "" if card.decision is None else _decided(card.decision)
    if card.kind == "route" and card.status:
        line, decision = "", line
    return {
        "status": card.status,
        "sign": KIND_SIGNS.get(card.kind, "") if card.status is None else SIGNS[card.status],
        "line": line,
        "decision": decision,
        "said": plain(", ".join(part for part in (card.name, card.kind, card.status, *card.lines, decision) if part)),
    }


def _first(lines: Sequence[str]) -> str:
    """As many facts of them as there is room for, the first one cut if need be."""
    told = ""
    for fact in " · ".join(lines).split(" · "):
        longer = f"{told} · {fact}" if told else fact
        if told and width(longer) > MOST:
            break
        told = longer
    return next(iter(fold(told, MOST, 1)), "")


def _decided(decision: Decision) -> str:
    word = "" if decision.outcome is None else f" → {decision.outcome}"
    return next(iter(fold(f"◇ {decision.route}{word}", DETAIL_COLUMNS, 1)), "")
