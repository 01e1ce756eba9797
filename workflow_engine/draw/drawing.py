"""Drawing: one diagram in one format, by the best engine there is, with a note where that is not the first choice."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args
from xml.etree import ElementTree

from workflow_engine.draw.canvas import Canvas, Words
from workflow_engine.draw.diagram import Diagram, Direction
from workflow_engine.draw.dot import LARGE, dot_with, to_dot
from workflow_engine.draw.engine import Drawn, EngineName, NotDrawn, draw
from workflow_engine.draw.fonts import uncovered, undrawable
from workflow_engine.draw.lettering import plain
from workflow_engine.draw.mermaid import to_mermaid
from workflow_engine.draw.svg import finished, written
from workflow_engine.draw.theme import Theme, coded, decode, palette_of, style
from workflow_engine.errors import DrawingError

Format: TypeAlias = Literal["svg", "png", "pdf", "dot", "mermaid"]
Drawable: TypeAlias = Literal["svg", "png", "pdf"]
FORMATS: tuple[Format, ...] = get_args(Format)

# Twice the dots of a screen, for sharp words; large graphs would exceed what one image can hold.
PNG_DPI, LARGE_PNG_DPI = 144, 72
_PDF_DATE = re.compile(rb"/CreationDate \(D:\d{14}")


@dataclass(frozen=True)
class Picture:
    """What was drawn. `format` is "mermaid" where no engine could draw what was asked; `notes` then say why.

    `engine` names what laid it out; None for the two texts, which need no engine.
    """

    data: bytes
    format: Format
    engine: EngineName | None = None
    notes: tuple[str, ...] = ()


def picture(
    diagram: Diagram,
    format: Format,
    *,
    theme: Theme = "light",
    direction: Direction = "down",
    seconds: float = 60,
) -> Picture:
    """`diagram` in `format`, or as Mermaid text where no engine works here. The same diagram gives the same bytes.

    An SVG of the theme auto follows the reader's preference, one of the theme page the style sheet of the page it is
    put into (`stylesheet`); in the other formats both are light.
    Blocks for the time of a child process, at most `seconds` an engine; in an event loop use `picture_async`.
    """
    match format:
        case "dot":
            return Picture(to_dot(diagram, theme=theme, direction=direction).encode(), "dot")
        case "mermaid":
            return Picture(to_mermaid(diagram, theme=theme, direction=direction).encode(), "mermaid")
        case "svg" | "png" | "pdf":
            return _drawn(diagram, format, theme, direction, seconds)
        case _:
            raise DrawingError(f"{format!r} is no format of a picture", f"take one of {', '.join(FORMATS)}")


def render(
    diagram: Diagram,
    format: Format,
    *,
    theme: Theme = "light",
    direction: Direction = "down",
    seconds: float = 60,
) -> bytes:
    """The bytes of `picture(...)`; raises DrawingError where another format would have to stand in."""
    made = picture(diagram, format, theme=theme, direction=direction, seconds=seconds)
    if made.format != format:
        raise DrawingError(made.notes[-1], "take the format mermaid, which needs no engine, or: pip install pygraphviz")
    return made.data


async def picture_async(
    diagram: Diagram,
    format: Format,
    *,
    theme: Theme = "light",
    direction: Direction = "down",
    seconds: float = 60,
) -> Picture:
    """`picture`, while the event loop goes on."""
    return await asyncio.to_thread(picture, diagram, format, theme=theme, direction=direction, seconds=seconds)


def laid_out(
    diagram: Diagram, dot: str, formats: Sequence[str], *, dpi: int = 0, seconds: float = 60
) -> Drawn | NotDrawn:
    """What Graphviz makes of `dot`, with the fonts that the words of `diagram` need and notes on those it lacks."""
    foreign = uncovered("".join(_words(diagram)))
    notes = tuple(_font_notes(foreign))
    made = draw(dot, formats, dpi=dpi, machine_fonts=bool(foreign), seconds=seconds)
    if isinstance(made, NotDrawn):
        return replace(made, notes=notes)
    if made.engine != "pygraphviz":
        notes = (*notes, f"drawn by the {made.engine} of this machine")
    return replace(made, notes=(*notes, *made.notes))


def _drawn(diagram: Diagram, format: Drawable, theme: Theme, direction: Direction, seconds: float) -> Picture:
    both = format == "svg" and theme in ("auto", "page")
    made = laid_out(
        diagram,
        dot_with(diagram, coded() if both else palette_of(theme), direction),
        ("svg", "json") if format == "svg" else (format,),
        dpi=0 if format != "png" else PNG_DPI if len(diagram.cards) <= LARGE else LARGE_PNG_DPI,
        seconds=seconds,
    )
    if isinstance(made, NotDrawn):
        why = f"no drawing engine works here ({'; '.join(made.reasons) or 'none was found'}), so this is Mermaid text"
        text = to_mermaid(diagram, theme=theme, direction=direction)
        return Picture(text.encode(), "mermaid", None, (*made.notes, why))
    data = made.files[format]
    if format == "svg":
        root = finished(data, made.files["json"], diagram)
        used = decode(root) if both else frozenset[str]()
        if theme == "auto":
            ElementTree.SubElement(root, "style").text = style(used)
        data = written(root)
    elif format == "pdf":
        data = _PDF_DATE.sub(b"/CreationDate (D:19800101000000", data)
    return Picture(data, format, made.engine, made.notes)


def drawn_canvas(canvas: Canvas, format: Drawable, *, theme: Theme = "light", seconds: float = 60) -> Picture:
    """A canvas as a picture. Its SVG needs no engine; raises DrawingError where none makes a PNG or PDF."""
    if format == "svg":
        return Picture(canvas.svg(theme), "svg")
    foreign = uncovered("".join(each.text for each in canvas.shapes if isinstance(each, Words)))
    made = draw(
        canvas.dot(theme),
        (format,),
        dpi=PNG_DPI if format == "png" else 0,
        machine_fonts=bool(foreign),
        layout="nop2",
        seconds=seconds,
    )
    if isinstance(made, NotDrawn):
        why = "; ".join(made.reasons) or "none was found"
        raise DrawingError(f"no drawing engine makes a {format} here: {why}", "take the format svg, which needs none")
    data = made.files[format]
    if format == "pdf":
        data = _PDF_DATE.sub(b"/CreationDate (D:19800101000000", data)
    return Picture(data, format, made.engine, (*_font_notes(foreign), *made.notes))


def _font_notes(foreign: str) -> Iterator[str]:
    missing = undrawable(foreign)
    if missing is None:
        yield f"the shipped fonts lack {_some(foreign)}; whether this machine has a font for them is not known"
    elif missing:
        cure = "install one for the script (on Debian: fonts-noto-cjk, fonts-noto-color-emoji)"
        yield f"no font on this machine draws {_some(missing)}: {cure}"


def _some(characters: str) -> str:
    shown = " ".join(characters[:8])
    return shown if len(characters) <= 8 else f"{shown} and {len(characters) - 8} more characters"


def _words(diagram: Diagram) -> Iterator[str]:
    """Every text that the picture shows."""
    header = diagram.header
    yield from map(plain, (header.title, header.subtitle, *header.facts))
    for card in diagram.cards:
        yield from map(plain, (card.name, *card.lines))
        if card.decision is not None:
            yield from map(plain, (card.decision.route, card.decision.outcome or ""))
    for arrow in diagram.arrows:
        yield from map(plain, (arrow.label, arrow.count))
    for group in diagram.groups:
        yield plain(group.caption)
