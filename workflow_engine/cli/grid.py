"""A grid: rows of cells as aligned lines. For lists that must appear at once, without loading a table library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TextIO

from workflow_engine.cli.figures import cut, plain, width
from workflow_engine.cli.voice import DIM, painted


@dataclass(frozen=True)
class Cell:
    """A text, how it is coloured, and on which side it stands."""

    text: str
    style: str | None = None
    right: bool = False


def grid(
    head: Sequence[str], rows: Sequence[Sequence[Cell]], stream: TextIO, *, room: int = 0, fewest: int = 20
) -> list[str]:
    """The lines, head first; a column without any text is left out.

    No line is wider than `room`: the last column is cut, to no fewer than `fewest` columns. 0 sets no limit.

    >>> import io
    >>> rows = [[Cell("1"), Cell(""), Cell("long")], [Cell("22"), Cell(""), Cell("x")]]
    >>> grid(["a", "b", "c"], rows, io.StringIO())
    ['a   c', '1   long', '22  x']
    >>> grid(["a", "b", "c"], rows, io.StringIO(), room=7, fewest=1)
    ['a   c', '1   lo…', '22  x']
    """
    # Whatever a store holds: a cell is one line, and commands nothing.
    rows = [[replace(cell, text=plain(cell.text).replace("\n", " ")) for cell in row] for row in rows]
    kept = [at for at in range(len(head)) if any(row[at].text for row in rows)]
    if not kept:
        return [""]
    wide = {at: max(width(head[at]), *(width(row[at].text) for row in rows)) for at in kept}
    last = kept[-1]
    if room:
        before = sum(wide[at] + 2 for at in kept[:-1])
        wide[last] = min(wide[last], max(fewest, room - before))
    sides = {at: any(row[at].right for row in rows) for at in kept}
    lines = [painted("  ".join(_padded(head[at], wide[at], sides[at]) for at in kept).rstrip(), DIM, stream)]
    for row in rows:
        cells = [_padded(cut(row[at].text, wide[at]), wide[at], row[at].right) for at in kept[:-1]]
        cells.append(cut(row[last].text, wide[last]))
        if row[last].right:
            cells[-1] = _padded(cells[-1], wide[last], True)
        lines.append(
            "  ".join(painted(text, row[at].style, stream) for at, text in zip(kept, cells, strict=True)).rstrip()
        )
    return lines


def _padded(text: str, wide: int, right: bool) -> str:
    space = " " * (wide - width(text))
    return space + text if right else text + space
