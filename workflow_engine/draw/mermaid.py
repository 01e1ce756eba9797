"""A diagram as Mermaid text: works with nothing installed, and shows in Markdown wherever Mermaid does."""

from __future__ import annotations

from collections.abc import Iterator

from workflow_engine.draw.diagram import Arrow, Card, Diagram, Direction, Group
from workflow_engine.draw.lettering import plain
from workflow_engine.draw.palette import KIND_SIGNS, SIGNS, Palette, Tone
from workflow_engine.draw.theme import Theme, palette_of

# Mermaid takes an entity code for any character; these are the ones its grammar or its HTML labels would trip over.
_SPECIAL = {ord(each): f"#{ord(each)};" for each in "#;\"'<>&`\\|{}[]()%*_~$@^="}

_LINES = {"plain": "-->", "escalation": "==>", "loop": "-.->", "failure": "-.->", "leaving": "==>"}


def to_mermaid(diagram: Diagram, *, theme: Theme = "light", direction: Direction = "down") -> str:
    """A Mermaid flowchart of `diagram`. The same diagram gives the same text. It has one theme: auto is light."""
    return "\n".join(_lines(diagram, palette_of(theme), direction)) + "\n"


def _lines(diagram: Diagram, palette: Palette, direction: Direction) -> Iterator[str]:
    header = diagram.header
    title = " · ".join(part for part in (header.title, header.subtitle, *header.facts) if part)
    yield from ("---", f"title: {_yaml(title)}", "---", f"flowchart {'TD' if direction == 'down' else 'LR'}")
    names = {card.id: f"n{at}" for at, card in enumerate(diagram.cards)}
    yield from _inside(diagram, None, names, "    ")
    for arrow in diagram.arrows:
        yield f"    {names[arrow.tail]} {_line(arrow)} {names[arrow.head]}"
    tones = {_class(card): palette.tone(card.kind, card.status) for card in diagram.cards}
    for name, tone in tones.items():
        yield f"    classDef {name} {_look(name, tone)}"
    for name in tones:
        yield f"    class {','.join(names[card.id] for card in diagram.cards if _class(card) == name)} {name}"
    for at in range(len(diagram.groups)):
        yield f"    style g{at} fill:{palette.group},stroke:{palette.group_border},color:{palette.soft}"
    for at, arrow in enumerate(diagram.arrows):
        width = "2.5px" if arrow.taken else "1.3px"
        yield f"    linkStyle {at} stroke:{palette.stroke(arrow.meaning, arrow.taken).line},stroke-width:{width}"


def _inside(diagram: Diagram, group: Group | None, names: dict[str, str], margin: str) -> Iterator[str]:
    within = [each for each in diagram.groups if group is None or each.cards < group.cards]
    outermost = [each for each in within if not any(each.cards < other.cards for other in within)]
    deeper = frozenset[str]().union(*(each.cards for each in outermost))
    for card in diagram.cards:
        if (group is None or card.id in group.cards) and card.id not in deeper:
            yield f"{margin}{names[card.id]}{_shape(card)}"
    for each in outermost:
        yield f'{margin}subgraph g{diagram.groups.index(each)} ["{_text(each.caption)}"]'
        yield from _inside(diagram, each, names, margin + "    ")
        yield f"{margin}end"


def _shape(card: Card) -> str:
    sign = KIND_SIGNS.get(card.kind, "") if card.status is None else SIGNS[card.status]
    words = [f"{sign} {_text(card.name)}".strip()]
    if card.kind not in ("start", "end", "fork", "join", "route", "fail", "more"):
        words[0] += f" · {card.kind}"
    words += [_text(line) for line in card.lines]
    if card.decision is not None:
        outcome = "" if card.decision.outcome is None else f" → {_text(card.decision.outcome)}"
        words.append(f"◇ {_text(card.decision.route)}{outcome}")
    label = f'"{"<br/>".join(words)}"'
    match card.kind:
        case "start" | "end":
            return f"(({label}))"
        case "route":
            return f"{{{label}}}"
        case "fork" | "join" | "fail" | "more":
            return f"([{label}])"
        case _:
            return f"({label})"


def _line(arrow: Arrow) -> str:
    words = " ".join(_text(part) for part in (arrow.label, arrow.count) if part)
    return _LINES[arrow.meaning] + (f'|"{words}"|' if words else "")


def _class(card: Card) -> str:
    return card.kind + "Card" if card.status is None else card.status.replace(" ", "") + "Card"


def _look(name: str, tone: Tone) -> str:
    dash = ",stroke-dasharray:5 4" if name.startswith("notreached") else ""
    return f"fill:{tone.fill},stroke:{tone.border},color:{tone.title},stroke-width:1.5px{dash}"


def _text(text: str) -> str:
    return plain(text).translate(_SPECIAL)


def _yaml(text: str) -> str:
    """A quoted YAML scalar in which nothing is left that Mermaid or a page around it could take for its own."""
    return '"' + "".join(f"\\u{ord(each):04x}" if each in '<>&%{}"\\' else each for each in plain(text)) + '"'
