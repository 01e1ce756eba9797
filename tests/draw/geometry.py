"""Geometry: where the cards, words and lines of an SVG are, read from the picture itself and the fonts' own metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

from workflow_engine.draw.fonts import SHIPPED

SVG = "{http://www.w3.org/2000/svg}"
FACES = {"regular": "Inter_400Regular.ttf", "bold": "Inter_700Bold.ttf", "sign": "DejaVuSans.ttf"}


@dataclass(frozen=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def holds(self, other: Box, slack: float = 0.0) -> bool:
        return (
            self.left <= other.left + slack
            and other.right <= self.right + slack
            and self.top <= other.top + slack
            and other.bottom <= self.bottom + slack
        )

    def shrunk(self, by: float) -> Box:
        return Box(self.left + by, self.top + by, self.right - by, self.bottom - by)

    def has(self, x: float, y: float) -> bool:
        return self.left < x < self.right and self.top < y < self.bottom


@dataclass(frozen=True)
class Words:
    text: str
    box: Box
    colour: str
    held: float | None
    measured: float


@dataclass(frozen=True)
class Part:
    """One `g` of the picture: a card, a label, a group, an arrow, or the page (whose words are the header's)."""

    classes: frozenset[str]
    title: str
    node: str | None
    box: Box | None
    fill: str | None
    words: tuple[Words, ...]
    line: tuple[tuple[float, float], ...]


def parts(svg: bytes) -> tuple[Part, ...]:
    root = ElementTree.fromstring(svg)
    return tuple(_part(group) for group in root.iter(f"{SVG}g"))


def of(found: tuple[Part, ...], kind: str) -> list[Part]:
    return [part for part in found if kind in part.classes]


def _part(group: ElementTree.Element) -> Part:
    shapes = [child for child in group if child.tag.removeprefix(SVG) in ("path", "polygon", "ellipse")]
    classes = frozenset(group.get("class", "").split())
    title = group.find(f"{SVG}title")
    filled = [shape.get("fill") for shape in shapes if shape.get("fill") not in (None, "none")]
    boxes = [_box(shape) for shape in shapes]
    return Part(
        classes,
        "" if title is None or title.text is None else title.text,
        group.get("data-node"),
        _around(boxes) if boxes else None,
        filled[-1] if filled and "card" in classes else filled[0] if filled else None,
        tuple(_words(text) for text in group.findall(f"{SVG}text") if (text.text or "").strip()),
        tuple(_sampled(shapes[0])) if "arrow" in classes and shapes else (),
    )


def _numbers(text: str) -> list[tuple[float, float]]:
    found = [float(each) for each in re.findall(r"-?\d+(?:\.\d+)?", text)]
    return list(zip(found[::2], found[1::2], strict=True))


def _box(shape: ElementTree.Element) -> Box:
    if shape.tag == f"{SVG}ellipse":
        x, y, wide, high = (float(shape.attrib[key]) for key in ("cx", "cy", "rx", "ry"))
        return Box(x - wide, y - high, x + wide, y + high)
    points = _numbers(shape.get("d") or shape.attrib["points"])
    return Box(
        min(x for x, _ in points),
        min(y for _, y in points),
        max(x for x, _ in points),
        max(y for _, y in points),
    )


def _around(boxes: list[Box]) -> Box:
    return Box(
        min(box.left for box in boxes),
        min(box.top for box in boxes),
        max(box.right for box in boxes),
        max(box.bottom for box in boxes),
    )


def _sampled(path: ElementTree.Element) -> Iterator[tuple[float, float]]:
    """Points along a path of cubic Bézier curves, which is what Graphviz writes."""
    if path.tag != f"{SVG}path":
        return
    start, *rest = _numbers(path.attrib["d"])
    for first, second, end in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        for step in range(33):
            t = step / 32
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            bend = (start, first, second, end)
            yield (
                sum(w * x for w, (x, _) in zip(weights, bend, strict=True)),
                sum(w * y for w, (_, y) in zip(weights, bend, strict=True)),
            )
        start = end


def _words(text: ElementTree.Element) -> Words:
    words = (text.text or "").replace("\ufe0e", "")
    size = float(text.attrib["font-size"])
    face = "sign" if "font-family" in text.attrib else "bold" if text.get("font-weight") == "bold" else "regular"
    measured = advance(words, face) * size
    held = text.get("textLength")
    wide = measured if held is None else float(held)
    left = float(text.attrib["x"]) - (wide / 2 if text.get("text-anchor") == "middle" else 0)
    base = float(text.attrib["y"])
    return Words(
        words.strip(),
        Box(left, base - 0.75 * size, left + wide, base + 0.22 * size),
        text.attrib["fill"],
        None if held is None else float(held),
        measured,
    )


def advance(words: str, face: str) -> float:
    """How wide the words are in the shipped font, in units of the font's size. Kerning is not counted."""
    wide = 0.0
    for each in words:
        for name in (face, "regular", "sign"):
            units, glyphs, advances = _metrics(SHIPPED / FACES[name])
            if ord(each) in glyphs:
                wide += advances[glyphs[ord(each)]][0] / units
                break
    return wide


@cache
def _metrics(path: Path) -> tuple[int, dict[int, str], dict[str, tuple[int, int]]]:
    font: Any = TTFont(path)
    return font["head"].unitsPerEm, font.getBestCmap(), font["hmtx"].metrics
