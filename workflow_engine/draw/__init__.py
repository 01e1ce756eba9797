"""Pictures of workflows and runs: a diagram of plain values, drawn as SVG, PNG, PDF, DOT or Mermaid.

Nothing is loaded until it is asked for: importing this room imports no drawing library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workflow_engine.draw.chart import timeline_picture
    from workflow_engine.draw.diagram import Arrow, Card, Decision, Diagram, Direction, Group, Header
    from workflow_engine.draw.dot import to_dot
    from workflow_engine.draw.drawing import FORMATS, Format, Picture, picture, picture_async, render
    from workflow_engine.draw.extract import diagram_of, diagram_of_run
    from workflow_engine.draw.film import replay
    from workflow_engine.draw.focus import focused, loops_folded
    from workflow_engine.draw.inpage import live, live_async
    from workflow_engine.draw.marking import marks
    from workflow_engine.draw.mermaid import to_mermaid
    from workflow_engine.draw.sheet import stylesheet
    from workflow_engine.draw.theme import Theme
    from workflow_engine.draw.timeline import Timeline, timeline_of
    from workflow_engine.draw.words import in_words, timeline_in_words

_ROOMS = {
    "chart": ("timeline_picture",),
    "diagram": ("Arrow", "Card", "Decision", "Diagram", "Direction", "Group", "Header"),
    "drawing": ("FORMATS", "Format", "Picture", "picture", "picture_async", "render"),
    "dot": ("to_dot",),
    "extract": ("diagram_of", "diagram_of_run"),
    "film": ("replay",),
    "focus": ("focused", "loops_folded"),
    "inpage": ("live", "live_async"),
    "marking": ("marks",),
    "sheet": ("stylesheet",),
    "mermaid": ("to_mermaid",),
    "theme": ("Theme",),
    "timeline": ("Timeline", "timeline_of"),
    "words": ("in_words", "timeline_in_words"),
}
_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_OF[name]}"), name)


__all__ = [
    "FORMATS",
    "Arrow",
    "Card",
    "Decision",
    "Diagram",
    "Direction",
    "Format",
    "Group",
    "Header",
    "Picture",
    "Theme",
    "Timeline",
    "diagram_of",
    "diagram_of_run",
    "focused",
    "in_words",
    "live",
    "live_async",
    "loops_folded",
    "marks",
    "picture",
    "picture_async",
    "render",
    "replay",
    "stylesheet",
    "timeline_in_words",
    "timeline_of",
    "timeline_picture",
    "to_dot",
    "to_mermaid",
]
