"""An SVG as a page needs it: Graphviz's drawing with names, classes, spoken titles, and text that keeps its width.

Graphviz measured every text with the shipped fonts. A browser without them takes another font and would run out of the
cards; `textLength` holds each text to the width it was measured with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from workflow_engine.draw.diagram import Arrow, Diagram
from workflow_engine.draw.labels import SIGN_FACE, TEXT_FACE
from workflow_engine.draw.lettering import plain
from workflow_engine.draw.words import in_words

# Beyond that, a description would only be a second file within the file.
MOST_TOLD = 120

SVG = "http://www.w3.org/2000/svg"

TEXT_FAMILY = f"{TEXT_FACE}, system-ui, Helvetica, Arial, '{SIGN_FACE}', sans-serif"
SIGN_FAMILY = f"'{SIGN_FACE}', 'Segoe UI Symbol', 'Apple Symbols', sans-serif"
# Graphviz's own dashes run together on thick lines.
GRAPHVIZ_DASHES, DASHES = "5,2", "6,4"
# Asks for the plain form of signs that telephones would otherwise show as coloured emoji.
AS_TEXT = "\ufe0e"


def finished(svg: bytes, layout: bytes, diagram: Diagram) -> ElementTree.Element:
    """`svg` as a tree, with the names and words of `diagram`.

    `layout` is the same drawing in Graphviz's JSON, with widths.
    """
    widths = _widths(json.loads(layout))
    root = ElementTree.fromstring(svg)
    for element in list(root.iter()):
        element.tag = element.tag.removeprefix(f"{{{SVG}}}")
    for text in root.iter("text"):
        _hold(text, widths)
    names = {card.id: card.name for card in diagram.cards}
    for line in root.iter():
        if line.get("stroke-dasharray") == GRAPHVIZ_DASHES:
            line.set("stroke-dasharray", DASHES)
    for group in root.iter("g"):
        _name(group, diagram, names)
    header = diagram.header
    root.attrib.update(
        {
            "xmlns": SVG,
            "role": "img",
            "aria-label": plain(" · ".join(part for part in (header.title, header.subtitle, *header.facts) if part)),
            "class": "diagram",
            "font-family": TEXT_FAMILY,
        }
    )
    if len(diagram.cards) <= MOST_TOLD:
        description = ElementTree.Element("desc")
        description.text = in_words(diagram)
        root.insert(0, description)
    return root


def written(root: ElementTree.Element) -> bytes:
    """The file of an SVG."""
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _widths(layout: dict[str, Any]) -> dict[tuple[str, str, float, bool], float]:
    """The measured width of every text, by its words, font, size and weight."""
    found: dict[tuple[str, str, float, bool], float] = {}
    for part in (layout, *layout.get("objects", ()), *layout.get("edges", ())):
        face, size, bold = "", 0.0, False
        for step in part.get("_ldraw_", ()):
            match step["op"]:
                case "F":
                    face, size = step["face"], float(step["size"])
                case "t":
                    bold = bool(step["fontchar"] & 1)
                case "T":
                    found[step["text"], face, size, bold] = float(step["width"])
    return found


def _hold(text: ElementTree.Element, widths: dict[tuple[str, str, float, bool], float]) -> None:
    words = (text.text or "").replace("\u00a0", " ")
    face = text.attrib.pop("font-family", TEXT_FACE)
    # Graphviz's JSON escapes a backslash twice.
    key = (words.replace("\\", "\\\\"), face, float(text.get("font-size", "0")), text.get("font-weight") == "bold")
    if words.strip() and key in widths:
        text.set("textLength", f"{widths[key]:g}")
        text.set("lengthAdjust", "spacingAndGlyphs")
    if face == SIGN_FACE:
        text.set("font-family", SIGN_FAMILY)
        text.text = "".join(each + AS_TEXT for each in words)


def _name(group: ElementTree.Element, diagram: Diagram, names: Mapping[str, str]) -> None:
    """Say which card, arrow or group of the diagram this is: as data for a page, as a title for people."""
    title = group.find("title")
    what, _, number = group.attrib.pop("id", "").partition("-")
    group.set("class", " ".join(group.get("class", "").split()[1:]) or "page")
    if title is None or not number:
        return
    match what:
        case "card":
            card = diagram.cards[int(number)]
            parts = dict.fromkeys(part for part in (card.name, card.kind, card.status) if part)
            title.text = plain(", ".join(parts))
            group.attrib.update({"data-node": plain(card.id), "data-card": number})
        case "arrow" | "label":
            arrow = diagram.arrows[int(number)]
            title.text = _spoken(arrow, names)
            group.attrib.update({"data-from": plain(arrow.tail), "data-to": plain(arrow.head)})
            group.set("data-arrow", number)
            if arrow.edge:
                group.set("data-edge", plain(arrow.edge))
        case "group":
            title.text = plain(diagram.groups[int(number)].caption)


def _spoken(arrow: Arrow, names: Mapping[str, str]) -> str:
    words = " ".join(part for part in (arrow.label, arrow.count) if part)
    return plain(f"{names[arrow.tail]} → {names[arrow.head]}" + (f": {words}" if words else ""))
