"""The style sheet of drawings that stand in a page: light, dark, and whichever the reader prefers, by variables.

A page that switches itself says so on its root, `<html data-theme="dark">`; otherwise the reader's preference holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from workflow_engine.draw.diagram import Meaning
from workflow_engine.draw.palette import DASHES, LIGHT
from workflow_engine.draw.theme import PAINTS, Theme, colours

_LOOK = """\
.diagram.live{max-width:100%;height:auto}
.live text{font-family:inherit}
.live .card>.box{fill:var(--tone-fill);stroke:var(--tone-border);stroke-width:1.5}
.live .card>.name,.live .card.route>.decision{fill:var(--tone-title)}
.live .card>.sign{fill:var(--tone-sign)}
.live .card>.kind,.live .card>.line,.live .card>.decision,.live .group>.caption{fill:var(--soft)}
.live .card>.dot,.live .card>.ring{stroke:var(--tone-border)}
.live .card>.dot{fill:var(--tone-border)}
.live .card.end>.dot{fill:var(--page)}
.live .card.end.done>.dot{fill:var(--tone-border)}
.live .card.not-reached>.box,.live .card.fail:not(.failed)>.box{stroke-dasharray:5 4}
.live .card:is(.waiting,.failed,.interrupted)>.box{stroke-width:2.8}
.live .card.running>.box{stroke-width:2.2}
.live .card:is(:focus,:focus-visible){outline:none}
.live .card:focus-visible>.box,.live .card.chosen>.box{stroke-width:4}
.live .group>.ground{fill:var(--group);stroke:var(--group-border)}
.live .arrow>.way{stroke:var(--arrow-line);stroke-width:1.3}
.live .arrow>.head{fill:var(--arrow-line);stroke:var(--arrow-line)}
.live .arrow>text{fill:var(--arrow-text)}
.live .arrow.taken>.way{stroke-width:2.2}
"""
_KINDS_ALONE = ("start", "end", "fork", "join")
_DASHED = {"solid": "none", "dashed": "6 4", "dotted": "1.5 4"}


@cache
def stylesheet(theme: Theme = "page") -> str:
    """The text of the style sheet of a page. It styles drawings of `live` and of the theme page, and nothing else.

    For another theme it is the one that stands in such a drawing itself.
    """
    return "".join(f"{line}\n" for line in _lines(theme))


def _lines(theme: Theme) -> Iterator[str]:
    yield f".diagram{{{_variables('dark' if theme == 'dark' else 'light')}}}"
    if theme == "auto":
        yield f"@media (prefers-color-scheme:dark){{.diagram{{{_variables('dark')}}}}}"
    elif theme == "page":
        yield f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]) .diagram{{{_variables('dark')}}}}}"
        yield f":root[data-theme=dark] .diagram{{{_variables('dark')}}}"
    for part in colours("light"):
        for paint, letter in PAINTS.items():
            yield f".{letter}-{part}{{{paint}:var(--{part})}}"
    yield f".live .card{{{_tone('neutral')}}}"
    for kind in LIGHT.kinds:
        yield f".live .card.{kind}{{{_tone(kind)}}}"
    signs = ",".join(f".live .card.{each}" for each in _KINDS_ALONE)
    yield f"{signs}{{--tone-border:var(--mark)}}"
    for status in (each.replace(" ", "-") for each in LIGHT.statuses):
        yield f".live .card.{status}{{{_tone(status)}}}"
    yield from _arrows(LIGHT.taken)
    yield _LOOK.rstrip()


def _arrows(meanings: Iterable[Meaning]) -> Iterator[str]:
    yield f".live .arrow{{{_stroke('plan')}}}"
    for meaning in meanings:
        colour = "" if meaning == "plain" else _stroke(f"taken-{meaning}")
        yield f".live .arrow.{meaning}{{{colour}}}"
        yield f".live .arrow.{meaning}>.way{{stroke-dasharray:{_DASHED[DASHES[meaning]]}}}"
    yield f".live .arrow.idle{{{_stroke('idle')}}}"
    for meaning in meanings:
        yield f".live .arrow.{meaning}.taken{{{_stroke(f'taken-{meaning}')}}}"


def _variables(theme: Theme) -> str:
    return ";".join(f"--{part}:{colour}" for part, colour in colours(theme).items())


def _tone(name: str) -> str:
    return ";".join(f"--tone-{each}:var(--{name}-{each})" for each in ("fill", "border", "title", "sign"))


def _stroke(name: str) -> str:
    return ";".join(f"--arrow-{each}:var(--{name}-{each})" for each in ("line", "text"))
