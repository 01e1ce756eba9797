"""Pictures in a cell: an SVG as an image within HTML, which shows everywhere and can run nothing.

A notebook prefers HTML to Mermaid and Mermaid to SVG, and one that is not trusted shows no SVG at all, but images
within HTML. So all three are given, and the HTML is what people see. Its image has a ground of its own, and stays
readable on a dark page that does not tell the image that it is dark.
"""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import Any, get_args

from workflow_engine.draw import Diagram, Picture, Theme, picture
from workflow_engine.errors import DrawingError, UsageError

Bundle = dict[str, Any]
_THEME: list[Theme] = ["auto"]


def theme(name: Theme | None = None) -> Theme:
    """The theme of pictures from now on, if one is named: light, dark, or auto for what the reader's system prefers."""
    if name is not None:
        if name not in get_args(Theme) or name == "page":
            raise UsageError(f"{name!r} is no theme of a notebook", "take light, dark or auto")
        _THEME[0] = name
    return _THEME[0]


def drawn(diagram: Diagram) -> Picture:
    """The SVG, or Mermaid text where nothing draws here."""
    try:
        return picture(diagram, "svg", theme=theme())
    except DrawingError as error:
        made = picture(diagram, "mermaid", theme=theme())
        return Picture(made.data, "mermaid", None, (str(error),))


def bundle_of(diagram: Diagram, made: Picture, text: str, below: str = "") -> Bundle:
    """What a cell shows of a picture: `text` where there is only text, `below` the HTML under it."""
    mermaid = made.data if made.format == "mermaid" else picture(diagram, "mermaid", theme=theme()).data
    bundle: Bundle = {"text/plain": text, "text/vnd.mermaid": mermaid.decode()}
    if made.format == "svg":
        bundle["image/svg+xml"] = made.data.decode()
        bundle["text/html"] = f"{image(made, text)}{below}"
    elif below:  # HTML would hide the Mermaid drawing, so the picture's words come with it
        notes = "".join(f"<p>{escape(note)}</p>" for note in made.notes)
        bundle["text/html"] = f"{notes}<pre>{escape(made.data.decode())}</pre>{below}"
    return bundle


def image(made: Picture, spoken: str) -> str:
    """The image, with the words for those who do not see it."""
    data = b64encode(made.data).decode()
    return f'<img alt="{escape(spoken)}" src="data:image/svg+xml;base64,{data}" style="max-width:100%">'
