"""The live drawing: a workflow laid out once, on which a page marks where a run stands without anything moving.

Every card keeps room for its sign, one line of facts and the word of its route; every arrow for a count. What they look
like is said by classes and a style sheet, for pages forbid styles within. docs/pictures.md tells the marks to use.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, get_args
from xml.etree import ElementTree

from workflow_engine.draw.diagram import Arrow, Card, Decision, Diagram, Direction, Header, Meaning, Status
from workflow_engine.draw.dot import dot_with
from workflow_engine.draw.drawing import Picture, laid_out
from workflow_engine.draw.engine import Drawn, NotDrawn
from workflow_engine.draw.lettering import plain, width
from workflow_engine.draw.marking import mark_of, marks
from workflow_engine.draw.palette import LIGHT, SIGNS, Palette, Stroke, Tone
from workflow_engine.draw.svg import AS_TEXT, finished, written
from workflow_engine.errors import DrawingError

ROOM = "3 visits · 18 m 40 s · 48.2k tokens · $0.48"
"""A line as long as any that is told on a card; longer ones are cut."""
MANY = "×88"
SIGNLESS = frozenset({"start", "end", "fork", "join"})

_FILL, _BORDER, _TITLE, _SIGN, _SOFT, _LINE, _WORDS = (f"#11fe0{number}" for number in range(7))
_TONE, _STROKE = Tone(_FILL, _BORDER, _TITLE, _SIGN), Stroke(_LINE, _WORDS)
_CODED = Palette(
    page="transparent",
    title=_TITLE,
    soft=_SOFT,
    group="#11fe08",
    group_border="#11fe09",
    mark=_BORDER,
    idle=_STROKE,
    plan=_STROKE,
    taken=MappingProxyType(dict.fromkeys(get_args(Meaning), _STROKE)),
    statuses=MappingProxyType(dict.fromkeys(get_args(Status), _TONE)),
    kinds=MappingProxyType({}),
    neutral=_TONE,
)


def live(
    diagram: Diagram, now: Diagram | None = None, *, direction: Direction = "down", seconds: float = 60
) -> Picture:
    """The live SVG of a workflow (`diagram_of`), marked with where a run stands (`now`, of `diagram_of_run`) if given.

    Its layout depends on the workflow alone. Blocks for the time of a child process; in an event loop use `live_async`.
    Raises DrawingError where no engine draws here.
    """
    made, root = spread_out(diagram, direction, seconds)
    told = marks(now or diagram)
    for group in root.iter("g"):
        dress(group, diagram, told)
    return Picture(written(root), "svg", made.engine, made.notes)


def spread_out(diagram: Diagram, direction: Direction, seconds: float) -> tuple[Drawn, ElementTree.Element]:
    """The live drawing before anything is marked on it: every part still has to be dressed."""
    made = laid_out(diagram, dot_with(_roomy(diagram), _CODED, direction, MANY), ("svg", "json"), seconds=seconds)
    if isinstance(made, NotDrawn):
        why = "; ".join(made.reasons) or "none was found"
        raise DrawingError(f"no drawing engine works here: {why}", "pip install pygraphviz")
    root = finished(made.files["svg"], made.files["json"], diagram)
    root.attrib.update(
        {
            **{side: root.get(side, "").removesuffix("pt") for side in ("width", "height")},
            "class": "diagram live",
            "role": "group",
            "data-signs": json.dumps(dict(SIGNS), ensure_ascii=False, separators=(",", ":")),
        }
    )
    for description in root.findall("desc"):
        root.remove(description)  # what it says changes; each card says itself
    _arrows_as_one(root)
    return made, root


def dress(group: ElementTree.Element, diagram: Diagram, told: Mapping[str, Any]) -> None:
    """Give one group of the drawing its classes, and the words of its mark."""
    _dress_ground(group)
    if (number := group.get("data-card")) is not None:
        card = diagram.cards[int(number)]
        _dress_card(group, card, told["cards"].get(card.id) or mark_of(card))
    elif (number := group.get("data-arrow")) is not None:
        arrow = diagram.arrows[int(number)]
        # Most marks stand where their arrows do; a workflow that changed since has others.
        here = told["arrows"][int(number) : int(number) + 1]
        _dress_arrow(group, arrow, next((each for each in (*here, *told["arrows"]) if _same(each, arrow)), {}))


async def live_async(
    diagram: Diagram, now: Diagram | None = None, *, direction: Direction = "down", seconds: float = 60
) -> Picture:
    """`live`, while the event loop goes on."""
    return await asyncio.to_thread(live, diagram, now, direction=direction, seconds=seconds)


def _roomy(diagram: Diagram) -> Diagram:
    """The same with every card and arrow as large as it may become."""
    words: dict[str, list[str]] = {}
    for arrow in diagram.arrows:
        words.setdefault(arrow.tail, [""]).append(arrow.label)
    cards = []
    for card in diagram.cards:
        longest = max(words.get(card.id, [""]), key=width)
        decision = None if card.decision is None else Decision(card.decision.route, longest)
        lines = (f"→ {longest}",) if card.kind == "route" else () if card.kind == "fail" else (ROOM,)
        cards.append(replace(card, status="waiting", lines=lines, decision=decision))
    arrows = (replace(each, count=_count(each)) for each in diagram.arrows)
    return replace(diagram, header=Header(""), cards=tuple(cards), arrows=tuple(arrows))


def _count(arrow: Arrow) -> str:
    if arrow.meaning == "loop":
        return f"×{arrow.limit} of {arrow.limit}, 88 in all"
    return f"{arrow.count} {MANY}".strip() if arrow.label or arrow.count else ""


def _arrows_as_one(root: ElementTree.Element) -> None:
    """Put the two halves of an arrow, and the words between them, into one group."""
    parents = {child: parent for parent in root.iter() for child in parent}
    first: dict[str, ElementTree.Element] = {}
    for group in [each for each in root.iter("g") if "data-arrow" in each.attrib]:
        whole = first.setdefault(group.attrib["data-arrow"], group)
        if whole is not group:
            whole.extend(part for part in group if part.tag != "title" and _drawn(part))
            parents[group].remove(group)
        else:
            whole[:] = [part for part in whole if _drawn(part)]


def _drawn(part: ElementTree.Element) -> bool:
    """Not the frame of a label, which nobody sees."""
    return part.tag != "polygon" or part.get("stroke") != "none"


def _dress_card(group: ElementTree.Element, card: Card, mark: Mapping[str, Any]) -> None:
    tone = LIGHT.tone(card.kind, mark["status"])
    signless = card.kind in SIGNLESS
    classes = ("card", card.kind, (mark["status"] or "").replace(" ", "-"))
    group.attrib.update({"class": " ".join(filter(None, classes)), "role": "img", "aria-label": mark["said"]})
    texts = [each for each in group if each.tag == "text"]
    for shape in (each for each in group if each.tag not in ("text", "title")):
        hollow = shape.get("fill") == "none"
        shape.attrib.update({"class": "box" if not signless else "ring" if hollow else "dot", "stroke": tone.border})
        shape.attrib.pop("stroke-width", None)
        if not hollow:
            shape.set("fill", tone.fill if not signless else "#ffffff" if card.kind == "end" else tone.border)
    if signless:
        return
    roles = iter(("kind", "line", "decision"))
    below = [mark["line"], mark["decision"]]
    for text in texts:
        match text.get("fill"):
            case code if code == _SIGN:
                _set(text, "sign", tone.sign, "".join(each + AS_TEXT for each in mark["sign"]))
                _centre(text)
            case code if code == _TITLE and (card.kind != "route" or text is not texts[-1]):
                text.attrib.update({"class": "name", "fill": tone.title})
            case code if code == _TITLE:
                _set(text, "decision", tone.title, mark["decision"], line="3")
            case _:
                role = next(roles, "more")
                if role == "kind":
                    text.attrib.update({"class": "kind", "fill": LIGHT.soft})
                elif role == "more":  # the room of a word that is cut instead
                    group.remove(text)
                else:
                    number = "2" if role == "line" else "3"
                    _set(text, role, LIGHT.soft, below.pop(0), line=number)


def _dress_arrow(group: ElementTree.Element, arrow: Arrow, mark: Mapping[str, Any]) -> None:
    taken = mark.get("taken")
    stroke = LIGHT.stroke(arrow.meaning, taken)
    state = () if taken is None else ("taken",) if taken else ("idle",)
    group.set("class", " ".join(("arrow", arrow.meaning, *state)))
    texts = [each for each in group if each.tag == "text"]
    for part in group:
        if part.tag == "path":
            part.attrib.update({"class": "way", "stroke": stroke.line})
            part.attrib.pop("stroke-width", None)
            part.attrib.pop("stroke-dasharray", None)
        elif part.tag == "polygon":
            part.attrib.update({"class": "head", "fill": stroke.line, "stroke": stroke.line})
    for text in texts:
        text.attrib.update({"class": "words", "fill": stroke.text})
    if texts and texts[-1].get("font-weight") == "bold":
        _count_in(group, texts, plain(mark.get("count", "")))


def _count_in(group: ElementTree.Element, texts: list[ElementTree.Element], words: str) -> None:
    """The count behind the last line of the label, both in the middle of their room however long the count becomes."""
    *before, count = texts
    beside = bool(before) and before[-1].get("y") == count.get("y")
    line = before[-1] if beside else count
    left = float(line.get("x", "0"))
    right = float(count.get("x", "0")) + float(count.get("textLength", "0"))
    if count.get("text-anchor") == "start":
        line.attrib.update({"text-anchor": "middle", "x": f"{(left + right) / 2:.2f}"})
    said = (line.text or "").strip() if beside else ""
    for each in ("textLength", "lengthAdjust", "font-weight", "xml:space"):
        line.attrib.pop(each, None)
    line.text = said
    span = ElementTree.SubElement(
        line, "tspan", {"class": "count", "data-count": "", "font-weight": "bold", **({"dx": "6"} if said else {})}
    )
    span.text = words
    line.set("data-room", f"{right - left:g}")
    if beside:
        group.remove(count)


def _dress_ground(group: ElementTree.Element) -> None:
    """What no run changes: the page, which shows through, and the boxes around loops."""
    for part in list(group):
        if part.get("fill") in ("none", "transparent") and "page" in group.get("class", "") and part.tag == "polygon":
            group.remove(part)
        elif group.get("class") == "group" and part.tag == "path":
            part.attrib.update({"class": "ground", "fill": LIGHT.group, "stroke": LIGHT.group_border})
        elif group.get("class") == "group" and part.tag == "text":
            part.attrib.update({"class": "caption", "fill": LIGHT.soft})


def _set(text: ElementTree.Element, role: str, colour: str, words: str, *, line: str = "") -> None:
    """Words that change: in the room they were measured for, and no longer squeezed to its width."""
    room = text.attrib.pop("textLength", "")
    text.attrib.pop("lengthAdjust", None)
    text.attrib.update({"class": role, "fill": colour, "data-room": room, **({"data-line": line} if line else {})})
    text.text = words


def _centre(text: ElementTree.Element) -> None:
    if text.get("text-anchor") == "start":
        middle = float(text.get("x", "0")) + float(text.get("data-room") or "0") / 2
        text.attrib.update({"text-anchor": "middle", "x": f"{middle:.2f}"})


def _same(mark: Mapping[str, Any], arrow: Arrow) -> bool:
    return (mark["from"], mark["to"], mark["edge"]) == (arrow.tail, arrow.head, arrow.edge)
