"""The table of a board, and the line of one row: what a person sees of a run while it goes."""

from __future__ import annotations

from typing import TextIO

from workflow_engine.cli.board import Board, Row
from workflow_engine.cli.figures import NOTHING, cost, duration, line, tokens, width
from workflow_engine.cli.grid import Cell, grid
from workflow_engine.cli.signs import sign
from workflow_engine.cli.voice import DIM, painted

_HEAD = ("", "node", "visit", "    time", "tokens", "cost", "last word")
_NAME = 28
_FEWEST = 10
"""Columns the last word keeps, however narrow the terminal."""


def board_lines(board: Board, stream: TextIO, room: int) -> list[str]:
    """The rows as lines of at most `room` columns; where it is narrow, the last word gives way."""
    # A copy: the thread that draws is not the one that hears.
    rows = list(board.rows.values())
    now = board.clock()
    cells = [_cells(row, now, stream) for row in rows]
    head, *lines = grid(_HEAD, cells, stream, room=room, fewest=_FEWEST)
    # One rule beneath the head, nothing else: the eye follows rows, not boxes.
    rule = ("─" if sign("done").on(stream) == "✔" else "-") * min(
        room, max(width(_bare(each)) for each in [head, *lines])
    )
    return [head, painted(rule, DIM, stream), *lines]


def row_line(row: Row, stream: TextIO, *, name_width: int = 12) -> str:
    """One row as a line for a stream that is no terminal: what its last step took, not all of them."""
    mark = sign(row.standing)
    name = line(row.node)
    parts = [
        painted(mark.on(stream), mark.ansi, stream),
        name + " " * max(0, name_width - width(name)),
        f"visit {_visit(row)}",
        duration(row.took).rjust(8),
    ]
    if row.usage.requests:
        parts.append(f"{_tokens(row)} tokens" if _tokens(row) != NOTHING else "no tokens")
        if row.usage.cost:
            parts.append(cost(row.usage.cost))
    return "  ".join([*parts, line(row.words)]).rstrip()


def _cells(row: Row, now: float, stream: TextIO) -> list[Cell]:
    mark = sign(row.standing)
    if row.standing == "not reached":
        empty = Cell("", right=True)
        return [Cell(mark.on(stream), mark.ansi), Cell(line(row.node, _NAME), DIM), *[empty] * 4, Cell("")]
    loud = mark.ansi if row.standing in ("failed", "waiting", "retrying") else None
    busy = row.since is not None
    asked = row.usage.requests > 0
    return [
        Cell(mark.on(stream), mark.ansi),
        Cell(line(row.node, _NAME), loud or ("1" if busy else None)),
        Cell(_visit(row), "36" if row.visit > 1 or row.attempt > 1 else None, right=True),
        Cell(duration(row.elapsed(now)), right=True),
        Cell(_tokens(row) if asked else "", right=True),
        Cell(cost(row.usage.cost) if asked and row.usage.cost else "", right=True),
        Cell(line(row.words), loud or DIM),
    ]


def _visit(row: Row) -> str:
    return f"{row.visit} try {row.attempt}" if row.attempt > 1 else str(row.visit)


def _tokens(row: Row) -> str:
    return tokens(row.usage.input_tokens + row.usage.output_tokens)


def _bare(text: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)
