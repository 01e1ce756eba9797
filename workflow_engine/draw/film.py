"""A replay: a run's journal played on its graph, as one SVG that any browser shows and that ends as the run stands.

Every look that a card or an arrow had is drawn in its place; the style sheet shows each for the time it held. Where
nothing animates (paper, a reader who prefers less motion) what is seen is the end. Time is in proportion, as in a
timeline: long stretches without work are cut short, and no look is shown too briefly to be seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from workflow_engine.draw.diagram import Diagram, Direction
from workflow_engine.draw.drawing import Picture
from workflow_engine.draw.extract import diagram_of, diagram_of_run
from workflow_engine.draw.inpage import dress, spread_out
from workflow_engine.draw.lettering import fold, plain
from workflow_engine.draw.marking import marks
from workflow_engine.draw.palette import LIGHT, SIGNS
from workflow_engine.draw.scale import Scale
from workflow_engine.draw.sheet import stylesheet
from workflow_engine.draw.svg import AS_TEXT, SIGN_FAMILY, written
from workflow_engine.draw.theme import Theme
from workflow_engine.draw.timeline import timeline_of
from workflow_engine.draw.words import in_words
from workflow_engine.record.events import RunForked
from workflow_engine.record.fold import advance, begin
from workflow_engine.record.history import history
from workflow_engine.record.run import Run
from workflow_engine.spec.workflow import Workflow

HEAD, FOOT = 60.0, 26.0
LEAST, MOST, EACH = 5.0, 24.0, 0.7
"""How many seconds a replay takes at least and at most, and how many for each look of the whole."""
BRIEFEST = 0.12
MOST_FRAMES = 240


@dataclass(frozen=True)
class Frame:
    """How a run stood from a second of its time on."""

    at: float
    diagram: Diagram


@dataclass
class _Film:
    """When each frame begins, in seconds of the replay, and the rules that show things for a while."""

    begins: list[float]
    length: float
    rules: dict[tuple[float, float], str] = field(default_factory=dict)

    def shown(self, first: int, behind: int) -> tuple[str, bool]:
        """The class of what is to be seen from one frame until another, and whether it is still there in the end."""
        start = self.begins[first] if first else 0.0
        end = self.begins[behind] if behind < len(self.begins) else self.length
        name = self.rules.setdefault((start, end), f"t{len(self.rules)}")
        return name, behind >= len(self.begins)

    def style(self) -> Iterator[str]:
        yield "@media (prefers-reduced-motion:no-preference){"
        for (start, end), name in self.rules.items():
            first, last = (f"{100 * each / self.length:.3f}%" for each in (start, end))
            hidden = "" if start <= 0 else "0%{visibility:hidden}"
            after = "" if end >= self.length else f"{last}{{visibility:hidden}}"
            last_look = "hidden" if end < self.length else "visible"
            yield (
                f"@keyframes {name}{{{hidden}{first}{{visibility:visible}}{after}100%{{visibility:{last_look}}}}}"
                f".{name}{{animation:{name} {self.length:.2f}s step-end both}}"
            )
        yield "@keyframes way{from{transform:scaleX(0)}}"
        yield f".way-gone{{animation:way {self.length:.2f}s linear both}}}}"


def replay(
    workflow: Workflow[Any],
    journal: Iterable[Any],
    *,
    interrupted: bool = False,
    theme: Theme = "light",
    direction: Direction = "down",
    seconds: float = 60,
) -> Picture:
    """The animated SVG of a run, from its events. The same events give the same bytes.

    Blocks for the time of a child process; in an event loop, use a thread. Raises DrawingError where no engine draws.
    """
    events = list(journal)
    bare = diagram_of(workflow)
    frames, run = _frames(workflow, events, interrupted)
    timeline = timeline_of(workflow, run, events, interrupted=interrupted)
    work = [(bar.start, bar.end) for row in timeline.rows for bar in row.bars if bar.what in ("attempt", "item")]
    film = _filmed(frames, Scale.of(timeline.seconds, work))
    made, root = spread_out(bare, direction, seconds)
    told = [marks(frame.diagram) for frame in frames]
    parents = {child: parent for parent in root.iter() for child in parent}
    for group in list(root.iter("g")):
        if "data-card" in group.attrib or "data-arrow" in group.attrib:
            place = parents[group]
            looks = list(_looks(group, bare, told, film))
            at = list(place).index(group)
            place.remove(group)
            for offset, look in enumerate(looks):
                place.insert(at + offset, look)
        else:
            dress(group, bare, told[-1])
    _frame(root, frames, film)
    root.set("role", "img")
    root.set("aria-label", plain(f"replay of {_heading(frames[-1].diagram)}"))
    root.attrib.pop("data-signs", None)
    description = ElementTree.Element("desc")
    description.text = in_words(frames[-1].diagram)
    root.insert(0, description)
    style = ElementTree.SubElement(root, "style")
    style.text = stylesheet("light" if theme == "page" else theme) + "".join(film.style())
    return Picture(written(root), "svg", made.engine, made.notes)


def _frames(workflow: Workflow[Any], events: list[Any], interrupted: bool) -> tuple[list[Frame], Run]:
    """Each standing of the run that looks different from the one before."""
    run: Run | None = None
    found: list[Frame] = []
    begun = events[0].at
    every = max(1, len(events) // MOST_FRAMES)
    for number, event in enumerate(events, 1):
        # A fork's events begin with its parent's.
        run = begin(event) if run is None or isinstance(event, RunForked) else advance(run, event)
        last = number == len(events)
        if not last and (number % every or run.status == "queued"):
            continue
        diagram = diagram_of_run(workflow, run, history(events[:number]), interrupted=interrupted and last)
        if not found or diagram != found[-1].diagram:
            found.append(Frame(max(0.0, (event.at - begun).total_seconds()), diagram))
    assert run is not None
    return found, run


def _filmed(frames: list[Frame], scale: Scale) -> _Film:
    length = min(max(LEAST, EACH * len(frames)), MOST)
    begins: list[float] = []
    for frame in frames:
        wanted = scale.place(min(frame.at, scale.seconds)) * length
        begins.append(max(wanted, begins[-1] + BRIEFEST) if begins else wanted)
    return _Film(begins, max(begins[-1] + 1.0, length))


def _looks(
    group: ElementTree.Element, bare: Diagram, told: Sequence[Mapping[str, Any]], film: _Film
) -> Iterator[ElementTree.Element]:
    """The group once for each look it has, each with the class that shows it for its time."""
    begun, last = 0, _dressed(group, bare, told[0])
    for at in range(1, len(told) + 1):
        now = _dressed(group, bare, told[at]) if at < len(told) else None
        if now is not None and ElementTree.tostring(now) == ElementTree.tostring(last):
            continue
        if begun or now is not None:  # what never changes needs no rule
            name, stays = film.shown(begun, at)
            last.set("class", f"{last.get('class', '')} {name}")
            if not stays:
                last.set("visibility", "hidden")
                last.set("aria-hidden", "true")
        yield last
        if now is not None:
            begun, last = at, now


def _dressed(group: ElementTree.Element, bare: Diagram, told: Mapping[str, Any]) -> ElementTree.Element:
    made = deepcopy(group)
    dress(made, bare, told)
    return made


def _frame(root: ElementTree.Element, frames: list[Frame], film: _Film) -> None:
    """The ground, the header with its facts as they were, and a line that says how much of the replay is over."""
    wide, high = (float(root.get(side, "0")) for side in ("width", "height"))
    wide = max(wide, 520.0)
    left, top, tall = 0.0, -HEAD, high + HEAD + FOOT
    root.attrib.update({"width": f"{wide:g}", "height": f"{tall:g}", "viewBox": f"{left:g} {top:g} {wide:g} {tall:g}"})
    ground = {"x": f"{left:g}", "y": f"{top:g}", "width": f"{wide:g}", "height": f"{tall:g}"}
    root.insert(0, ElementTree.Element("rect", {**ground, "fill": LIGHT.page, "class": "f-page"}))
    header = frames[-1].diagram.header
    title = _text(root, 28, -HEAD + 42, 24, "title", " ".join(fold(header.title, 40, 1)))
    title.set("font-weight", "bold")
    about = ElementTree.SubElement(title, "tspan", {"dx": "12", "font-size": "15", "font-weight": "normal"})
    about.text, about.attrib["fill"], about.attrib["class"] = plain(header.subtitle), LIGHT.soft, "f-soft"
    for at, frame in enumerate(frames):
        name, stays = film.shown(at, at + 1)
        said = frame.diagram.header
        line = _text(root, 28, -HEAD + 64, 12, "soft", "")
        line.set("class", name)
        if not stays:
            line.set("visibility", "hidden")
        part = f"{(said.status or 'not reached').replace(' ', '-')}-sign"
        tone = LIGHT.statuses[said.status or "not reached"].sign
        sign = ElementTree.SubElement(line, "tspan", {"font-family": SIGN_FAMILY, "fill": tone, "class": f"f-{part}"})
        sign.text = "".join(each + AS_TEXT for each in SIGNS[said.status or "not reached"])
        first = ElementTree.SubElement(line, "tspan", {"dx": "5", "font-weight": "bold", "fill": tone})
        first.text = plain(said.facts[0])
        first.set("class", f"f-{part}")
        rest = ElementTree.SubElement(line, "tspan", {"dx": "8", "fill": LIGHT.soft, "class": "f-soft"})
        rest.text = plain(" · ".join(["", *said.facts[1:4]])).strip()
    foot = {"x": "28", "y": f"{high + 4:g}", "height": "3", "rx": "1.5", "width": f"{wide - 56:g}"}
    ElementTree.SubElement(root, "rect", {**foot, "fill": LIGHT.group_border, "class": "f-group-border"})
    gone = {**foot, "fill": LIGHT.statuses["running"].border, "class": "f-running-border way-gone"}
    gone["transform-origin"] = f"28 {high + 4:g}"
    ElementTree.SubElement(root, "rect", gone)


def _text(root: ElementTree.Element, x: float, y: float, size: int, part: str, words: str) -> ElementTree.Element:
    look = {"x": f"{x:g}", "y": f"{y:g}", "font-size": str(size), "fill": getattr(LIGHT, part), "class": f"f-{part}"}
    element = ElementTree.SubElement(root, "text", look)
    element.text = plain(words)
    return element


def _heading(diagram: Diagram) -> str:
    header = diagram.header
    return " · ".join(part for part in (header.title, header.subtitle, *header.facts) if part)
