"""A canvas: shapes and words at fixed places, coloured by a palette's parts, as an SVG or as the background of a graph.

For pictures that need no layout, such as a timeline. Lengths are points, y grows downwards. Their PNG and PDF are made
by Graphviz as well: an empty graph with all shapes as its background, so that nothing else need be installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from xml.etree import ElementTree

from workflow_engine.draw.advances import advance
from workflow_engine.draw.labels import SIGN_FACE, TEXT_FACE
from workflow_engine.draw.lettering import plain
from workflow_engine.draw.svg import AS_TEXT, SIGN_FAMILY, SVG, TEXT_FAMILY, written
from workflow_engine.draw.theme import PAINTS, Theme, colours, style

Dash: TypeAlias = Literal["", "dashed", "dotted"]
_DASHES = {"dashed": "6 4", "dotted": "1.5 4"}


@dataclass(frozen=True)
class Box:
    """A rectangle, its corners rounded by `round`. `said` is told to whoever points at it, `data` to programs."""

    x: float
    y: float
    wide: float
    high: float
    fill: str = ""
    stroke: str = ""
    thick: float = 1.5
    dash: Dash = ""
    round: float = 0
    said: str = ""
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """A line through points, or, with a `fill`, the area they surround."""

    points: tuple[tuple[float, float], ...]
    stroke: str = ""
    thick: float = 1.5
    dash: Dash = ""
    fill: str = ""
    said: str = ""


@dataclass(frozen=True)
class Words:
    """A line of text that begins at `x`, or has its middle or its end there. A `sign` is of the font of signs."""

    x: float
    y: float
    text: str
    size: float = 12
    colour: str = "soft"
    bold: bool = False
    anchor: Literal["start", "middle", "end"] = "start"
    sign: bool = False

    @property
    def wide(self) -> float:
        return advance(self.text, self.size, bold=self.bold)


Shape: TypeAlias = Box | Line | Words


@dataclass(frozen=True)
class Canvas:
    """`title` and `text` say in words what is seen."""

    wide: float
    high: float
    shapes: tuple[Shape, ...]
    title: str
    text: str = ""

    def svg(self, theme: Theme = "light") -> bytes:
        """The SVG. The same canvas gives the same bytes."""
        both = theme in ("auto", "page")
        pen = _Pen(colours(theme), both)
        root = ElementTree.Element(
            "svg",
            {
                "xmlns": SVG,
                "width": f"{self.wide:g}pt",
                "height": f"{self.high:g}pt",
                "viewBox": f"0 0 {self.wide:g} {self.high:g}",
                "role": "img",
                "aria-label": plain(self.title),
                "class": "diagram",
                "font-family": TEXT_FAMILY,
            },
        )
        if self.text:
            ElementTree.SubElement(root, "desc").text = "".join(
                each if each == "\n" else plain(each) or " " for each in self.text
            )
        for shape in (Box(0, 0, self.wide, self.high, "page"), *self.shapes):
            pen.draw(root, shape)
        if theme == "auto":
            ElementTree.SubElement(root, "style").text = style(pen.used)
        ElementTree.indent(root, "")
        return written(root)

    def dot(self, theme: Theme = "light") -> str:
        """An empty graph of this size with the shapes behind it, in the words of Graphviz's xdot."""
        paint = colours(theme)
        steps = " ".join(step for shape in self.shapes for step in _steps(shape, self.high, paint))
        quoted = steps.replace("\\", "\\\\").replace('"', '\\"')
        corner = 'style=invis label="" fixedsize=true width=0.01 height=0.01'
        return (
            f'digraph {{ graph [bgcolor="{paint["page"]}" pad=0 margin=0 _background="{quoted}"]\n'
            f'a [pos="0,0" {corner}]\nb [pos="{self.wide:g},{self.high:g}" {corner}] }}\n'
        )


@dataclass
class _Pen:
    paint: Mapping[str, str]
    both: bool
    used: set[str] = field(default_factory=set)

    def draw(self, root: ElementTree.Element, shape: Shape) -> None:
        if isinstance(shape, Words):
            self.words(root, shape)
            return
        if isinstance(shape, Box):
            look = {"x": shape.x, "y": shape.y, "width": shape.wide, "height": shape.high, "rx": shape.round}
            element = ElementTree.SubElement(root, "rect", {key: _number(each) for key, each in look.items()})
            element.attrib.update({f"data-{name}": plain(each) for name, each in shape.data.items()})
        else:
            points = " ".join(f"{_number(x)},{_number(y)}" for x, y in shape.points)
            element = ElementTree.SubElement(root, "polygon" if shape.fill else "polyline", {"points": points})
        self.ink(element, shape.fill, shape.stroke, shape.thick, shape.dash)
        if shape.said:
            ElementTree.SubElement(element, "title").text = plain(shape.said)

    def words(self, root: ElementTree.Element, words: Words) -> None:
        place = {"x": _number(words.x), "y": _number(words.y), "font-size": f"{words.size:g}"}
        element = ElementTree.SubElement(root, "text", place)
        if words.anchor != "start":
            element.set("text-anchor", words.anchor)
        if words.bold:
            element.set("font-weight", "bold")
        self.ink(element, words.colour, "", 0, "")
        if words.sign:
            element.set("font-family", SIGN_FAMILY)
        elif words.text.isascii() and words.text.strip():
            element.attrib.update({"textLength": f"{words.wide:.2f}", "lengthAdjust": "spacingAndGlyphs"})
        element.text = "".join(each + AS_TEXT for each in words.text) if words.sign else plain(words.text)

    def ink(self, element: ElementTree.Element, fill: str, stroke: str, thick: float, dash: Dash) -> None:
        element.set("fill", self.paint[fill] if fill else "none")
        if stroke:
            element.attrib.update({"stroke": self.paint[stroke], "stroke-width": f"{thick:g}"})
        if dash:
            element.set("stroke-dasharray", _DASHES[dash])
        if self.both:
            classes = [f"{PAINTS[paint]}-{part}" for paint, part in (("fill", fill), ("stroke", stroke)) if part]
            element.set("class", " ".join(classes))
            self.used.update(classes)


def _number(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _steps(shape: Shape, high: float, paint: Mapping[str, str]) -> Iterator[str]:
    """A shape as xdot's steps, in which y grows upwards."""
    if isinstance(shape, Words):
        face, text = (SIGN_FACE, shape.text) if shape.sign else (TEXT_FACE, plain(shape.text))
        if not text.strip():
            return
        side = {"start": -1, "middle": 0, "end": 1}[shape.anchor]
        yield f"c {_counted(paint[shape.colour])} F {shape.size:g} {_counted(face)} t {int(shape.bold)}"
        yield f"T {_number(shape.x)} {_number(high - shape.y)} {side} {_number(shape.wide)} {_counted(text)}"
        return
    clear = "#00000000"
    yield f"c {_counted(paint[shape.stroke] if shape.stroke else clear)} C {_counted(paint.get(shape.fill, clear))}"
    yield f"S {_counted(f'setlinewidth({shape.thick:g})')} S {_counted(shape.dash or 'solid')}"
    if isinstance(shape, Line):
        points = " ".join(f"{_number(x)} {_number(high - y)}" for x, y in shape.points)
        yield f"{'P' if shape.fill else 'L'} {len(shape.points)} {points}"
        return
    left, top, right, bottom = shape.x, high - shape.y, shape.x + shape.wide, high - shape.y - shape.high
    if not shape.round:
        corners = ((left, bottom), (right, bottom), (right, top), (left, top))
        yield f"{'P' if shape.fill else 'p'} 4 " + " ".join(f"{_number(x)} {_number(y)}" for x, y in corners)
        return
    yield f"{'b' if shape.fill else 'B'} 25 " + " ".join(
        f"{_number(x)} {_number(y)}" for x, y in _rounded(left, bottom, right, top, shape.round)
    )


def _counted(text: str) -> str:
    """Text as xdot has it: behind the number of its bytes."""
    return f"{len(text.encode())} -{text}"


def _rounded(left: float, bottom: float, right: float, top: float, by: float) -> Iterator[tuple[float, float]]:
    """The Bézier points of a rectangle with round corners."""
    by = min(by, (right - left) / 2, (top - bottom) / 2)
    k = by * 0.45  # how far a curve's handle is from the corner for a quarter of a circle
    yield left, bottom + by
    yield from ((left, bottom + k), (left + k, bottom), (left + by, bottom))
    yield from ((left + by, bottom), (right - by, bottom), (right - by, bottom))
    yield from ((right - k, bottom), (right, bottom + k), (right, bottom + by))
    yield from ((right, bottom + by), (right, top - by), (right, top - by))
    yield from ((right, top - k), (right - k, top), (right - by, top))
    yield from ((right - by, top), (left + by, top), (left + by, top))
    yield from ((left + k, top), (left, top - k), (left, top - by))
    yield from ((left, top - by), (left, bottom + by), (left, bottom + by))
