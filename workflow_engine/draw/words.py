"""Pictures in words: what a diagram or a timeline shows, to be read aloud or searched."""

from __future__ import annotations

from collections.abc import Iterator

from workflow_engine.draw.diagram import Arrow, Card, Diagram, Header, Meaning
from workflow_engine.draw.lettering import plain
from workflow_engine.draw.measures import time_taken
from workflow_engine.draw.stretches import Bar
from workflow_engine.draw.timeline import Row, Timeline

_WAYS: dict[Meaning, str] = {
    "plain": "then",
    "loop": "back to",
    "escalation": "bound spent, then",
    "failure": "on failure",
    "leaving": "leaves the fork, then",
}
_BARS = {"attempt": "worked", "wait": "waited", "pause": "paused", "item": "item"}


def in_words(diagram: Diagram) -> str:
    """Every card, in reading order, with the ways out of it; then the boxes around cards."""
    return "\n".join(plain_line for line in _diagram(diagram) if (plain_line := line.rstrip())) + "\n"


def timeline_in_words(timeline: Timeline) -> str:
    """Every node with what it did and when, then the ways back, what happened to the run, and the cost."""
    return "\n".join(_timeline(timeline)) + "\n"


def _diagram(diagram: Diagram) -> Iterator[str]:
    yield _heading(diagram.header)
    onward: dict[str, list[Arrow]] = {}
    for arrow in diagram.arrows:
        onward.setdefault(arrow.tail, []).append(arrow)
    names = {card.id: _name(card) for card in diagram.cards}
    for card in diagram.cards:
        yield f"- {_card(card)}"
        for arrow in onward.get(card.id, ()):
            label = f"{plain(arrow.label)}: " if arrow.label else ""
            count = f" ({plain(arrow.count)})" if arrow.count else ""
            taken = "" if arrow.taken is None or arrow.taken else ", not taken"
            yield f"    {label}{_WAYS[arrow.meaning]} {names[arrow.head]}{count}{taken}"
    for group in diagram.groups:
        inside = ", ".join(names[card.id] for card in diagram.cards if card.id in group.cards)
        yield f"{plain(group.caption)}: {inside}"


def _card(card: Card) -> str:
    words = ", ".join(
        part for part in (_name(card), card.kind if card.kind != _name(card) else "", card.status) if part
    )
    told = "; ".join(plain(line) for line in card.lines if plain(line) != card.status)
    decided = ""
    if card.decision is not None:
        word = card.decision.outcome
        decided = f"; decides {plain(card.decision.route)}" + ("" if word is None else f" → {plain(word)}")
    return f"{words}{f': {told}' if told else ''}{decided}"


def _name(card: Card) -> str:
    match card.kind:
        case "start" | "end" | "fork" | "join":
            return card.kind
        case "fail":
            return f"failure: {plain(card.name)}"
        case _:
            return plain(card.name) or "(no name)"


def _heading(header: Header) -> str:
    return " · ".join(plain(part) for part in (header.title, header.subtitle, *header.facts) if part)


def _timeline(timeline: Timeline) -> Iterator[str]:
    yield _heading(timeline.header)
    for row in timeline.rows:
        if not row.bars:
            yield f"- {plain(row.node)}, {row.kind}: not reached"
            continue
        yield f"- {plain(row.node)}, {row.kind}"
        yield from (f"    {_bar(bar)}" for bar in row.bars if bar.what != "item")
        items = [bar for bar in row.bars if bar.what == "item"]
        if items:
            yield f"    {_items(row, items)}"
    for jump in timeline.jumps:
        yield f"at {time_taken(jump.at)}: {plain(jump.tail)} → {plain(jump.head)} ({jump.meaning})"
    for moment in timeline.moments:
        yield f"at {time_taken(moment.at)}: {moment.words}"
    if timeline.cost is not None:
        yield f"{'cost' if timeline.cost.unit == 'money' else 'used'}: {timeline.cost.words}"


def _bar(bar: Bar) -> str:
    since = f"from {time_taken(bar.start) if bar.start else '0'}"
    which = f"visit {bar.visit}" + (f", try {bar.attempt}" if bar.attempt > 1 or bar.status == "failed" else "")
    still = " so far" if bar.open else ""
    status = "" if bar.what == "pause" else f", {bar.status}"
    label = f" ({plain(bar.label)})" if bar.label else ""
    return f"{since} {_BARS[bar.what]} {time_taken(bar.seconds)}{still}: {which}{status}{label}"


def _items(row: Row, items: list[Bar]) -> str:
    failed = sum(bar.status == "failed" for bar in items)
    longest = max(bar.seconds for bar in items)
    return f"{len(items)} items, {row.lanes} at once at most, {failed} failed, the longest {time_taken(longest)}"
