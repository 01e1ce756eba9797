"""Themes: one drawing for light pages, for dark ones, or for both, with every colour named by the part it plays.

A drawing for both is made with codes in the place of colours, one for each part. Each code then becomes the light
colour, as an attribute that any viewer understands, and a class by which a style sheet brings the dark one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Literal, TypeAlias
from xml.etree import ElementTree

from workflow_engine.draw.palette import DARK, LIGHT, Palette, Stroke, Tone

Theme: TypeAlias = Literal["light", "dark", "auto", "page"]
"""`auto` follows what the reader prefers; `page` leaves it to the page an SVG is put into, and its style sheet."""

# What paints, with the beginning of the class that says so.
PAINTS = {"fill": "f", "stroke": "s"}


def palette_of(theme: Theme) -> Palette:
    """The colours of a theme; for a drawing that cannot be both, the rest is light."""
    return DARK if theme == "dark" else LIGHT


@cache
def coded() -> Palette:
    """A palette of codes: no colours, but the parts that colours play. `decoded` tells which."""
    codes = iter(f"#c0de{number:02x}" for number in range(256))

    def tone(each: Tone) -> Tone:
        return Tone(*(next(codes) for _ in _tone("", each)))

    def stroke(each: Stroke) -> Stroke:
        return Stroke(*(next(codes) for _ in _stroke("", each)))

    return replace(
        LIGHT,
        **{name: next(codes) for name, _ in _grounds(LIGHT)},
        idle=stroke(LIGHT.idle),
        plan=stroke(LIGHT.plan),
        taken=MappingProxyType({meaning: stroke(each) for meaning, each in LIGHT.taken.items()}),
        statuses=MappingProxyType({status: tone(each) for status, each in LIGHT.statuses.items()}),
        kinds=MappingProxyType({kind: tone(each) for kind, each in LIGHT.kinds.items()}),
        neutral=tone(LIGHT.neutral),
    )


@cache
def decoded() -> Mapping[str, str]:
    """The part of each code."""
    return {code: part for part, code in parts(coded())}


def parts(palette: Palette) -> Iterable[tuple[str, str]]:
    """Every part that a colour plays, with the colour: `done-fill`, `taken-loop-line`, `soft`."""
    yield from ((name.replace("_", "-"), colour) for name, colour in _grounds(palette))
    yield from _stroke("idle", palette.idle)
    yield from _stroke("plan", palette.plan)
    for meaning, stroke in palette.taken.items():
        yield from _stroke(f"taken-{meaning}", stroke)
    for status, tone in palette.statuses.items():
        yield from _tone(status.replace(" ", "-"), tone)
    for kind, tone in palette.kinds.items():
        yield from _tone(kind, tone)
    yield from _tone("neutral", palette.neutral)


def colours(theme: Theme) -> dict[str, str]:
    """The colour of each part."""
    return dict(parts(palette_of(theme)))


def decode(root: ElementTree.Element) -> frozenset[str]:
    """Put light colours and classes in the place of codes; gives the rules' selectors that were used."""
    light, names = colours("light"), decoded()
    used: set[str] = set()
    for element in root.iter():
        for paint, letter in PAINTS.items():
            part = names.get(element.get(paint, ""))
            if part is not None:
                element.set(paint, light[part])
                used.add(f"{letter}-{part}")
                element.set("class", " ".join([*element.get("class", "").split(), f"{letter}-{part}"]))
    return frozenset(used)


def style(used: Iterable[str]) -> str:
    """The style sheet that goes into a drawing for both: the dark colour of each class where dark is preferred."""
    dark, light = colours("dark"), colours("light")
    properties = {letter: paint for paint, letter in PAINTS.items()}
    rules = [
        f".{each}{{{properties[each[0]]}:{dark[each[2:]]}}}"
        for each in sorted(used)
        if dark[each[2:]] != light[each[2:]]
    ]
    return f"@media (prefers-color-scheme:dark){{{''.join(rules)}}}"


def _grounds(palette: Palette) -> Iterable[tuple[str, str]]:
    for name in ("page", "title", "soft", "group", "group_border", "mark"):
        yield name, getattr(palette, name)


def _stroke(name: str, stroke: Stroke) -> Iterable[tuple[str, str]]:
    yield f"{name}-line", stroke.line
    yield f"{name}-text", stroke.text


def _tone(name: str, tone: Tone) -> Iterable[tuple[str, str]]:
    yield f"{name}-fill", tone.fill
    yield f"{name}-border", tone.border
    yield f"{name}-title", tone.title
    yield f"{name}-sign", tone.sign
