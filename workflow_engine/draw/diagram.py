"""A diagram: cards, arrows and groups as plain values, before anybody decides what they look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from workflow_engine.errors import DrawingError

Kind: TypeAlias = Literal[
    "agent",
    "function",
    "human",
    "route",
    "each",
    "subflow",
    "graph",
    "wait",
    "start",
    "end",
    "fail",
    "fork",
    "join",
    "loop",
    "more",
    "unknown",
]
Status: TypeAlias = Literal[
    "done", "looping", "running", "waiting", "failed", "interrupted", "cancelled", "not reached"
]
Meaning: TypeAlias = Literal["plain", "loop", "escalation", "failure", "leaving"]
Direction: TypeAlias = Literal["down", "right"]
"""Which way a picture reads: to the right, a long chain fits a wide page."""


@dataclass(frozen=True)
class Decision:
    """A route drawn inside the card it is decided in. `outcome` is the word it last gave, in a run."""

    route: str
    outcome: str | None = None


@dataclass(frozen=True)
class Card:
    """One place of the picture. `status` is None where only the workflow is drawn.

    `lines` are details, one line each. The kinds start, end, fork and join are signs without text; their name is
    read by screen readers and shown as a tooltip. A loop is a box drawn as one card; "more" stands for cards not shown.
    """

    id: str
    name: str
    kind: Kind
    status: Status | None = None
    lines: tuple[str, ...] = ()
    decision: Decision | None = None


@dataclass(frozen=True)
class Arrow:
    """One way from card to card.

    `meaning` says what kind of way it is, `taken` whether the run went there (None where only the workflow is drawn).
    `count` stands behind the label: "≤3" on a workflow, "×2 of 3" on a run. `edge` is the key under which the journal
    names the way, with " then" behind it where it is that of a spent bound; `limit` is that bound.
    """

    tail: str
    head: str
    label: str = ""
    count: str = ""
    meaning: Meaning = "plain"
    taken: bool | None = None
    edge: str = ""
    limit: int | None = None


@dataclass(frozen=True)
class Group:
    """A box around cards that belong together, such as what a bounded loop repeats. Groups nest or are apart."""

    caption: str
    cards: frozenset[str]


@dataclass(frozen=True)
class Header:
    """What stands above the cards: the title, what it is a picture of, and facts in one line.

    `status` colours the first fact and gives it its sign.
    """

    title: str
    subtitle: str = ""
    status: Status | None = None
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diagram:
    """Everything a picture shows. Raises DrawingError where arrows or groups name cards that are not there."""

    header: Header
    cards: tuple[Card, ...]
    arrows: tuple[Arrow, ...] = ()
    groups: tuple[Group, ...] = ()

    def __post_init__(self) -> None:
        ids = [card.id for card in self.cards]
        if twice := _first_twice(ids):
            raise DrawingError(f"two cards have the id {twice!r}", "give every card an id of its own")
        known = set(ids)
        named = [end for arrow in self.arrows for end in (arrow.tail, arrow.head)]
        named += sorted(card for group in self.groups for card in group.cards)
        if strange := next((each for each in named if each not in known), None):
            raise DrawingError(f"no card has the id {strange!r}", f"the cards are {', '.join(map(repr, ids[:20]))}")
        for at, one in enumerate(self.groups):
            for other in self.groups[at + 1 :]:
                if one.cards & other.cards and not (one.cards < other.cards or other.cards < one.cards):
                    raise DrawingError(
                        f"the groups {one.caption!r} and {other.caption!r} overlap",
                        "let one group lie in the other, or apart",
                    )


def _first_twice(words: Sequence[str]) -> str | None:
    seen: set[str] = set()
    for word in words:
        if word in seen:
            return word
        seen.add(word)
    return None
