"""Following a run: a live table on a terminal, one line a fact where the output is piped."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TextIO

from workflow_engine.cli.board import Board, Row
from workflow_engine.cli.figures import line, plain, width
from workflow_engine.cli.table import board_lines, row_line
from workflow_engine.cli.voice import console
from workflow_engine.ports.ledger import Recorded
from workflow_engine.ports.listener import Began, Said
from workflow_engine.record.events import ItemFailed, ItemFinished, SubflowEntered
from workflow_engine.record.ids import RunId, around, place_in, place_of
from workflow_engine.spec.workflow import Workflow

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

_OFTEN = 8
"""Times a second a live table is drawn anew, so that its clocks tick."""


class Following:
    """A listener that shows what it hears: the board, and the run it heard of last."""

    def __init__(self, stream: TextIO, nodes: Iterable[tuple[str, str]] = ()) -> None:
        self.stream = stream
        self.board = Board(nodes)
        self.run: RunId | None = None
        self._ways: dict[RunId, str] = {}
        self._inner: dict[RunId, Board] = {}
        self._items: dict[tuple[RunId, str, int], RunId] = {}

    def hear(self, run: RunId, event: Any) -> None:
        """Show one fact."""
        if not self.is_within(run):
            self.run = run
            self.board.hear(event)
        elif (row := self._row_within(run, event)) is not None:
            step, _, inner = row.node.partition("/")
            step, item = place_in(step)
            place = inner if item is None else f"item {item}, {inner}"
            self.board.row(step).words = line(f"{place}: {row.standing} {row.words}")
        self._note(run, event)

    def is_within(self, run: RunId) -> bool:
        """Whether a run lies within the one that is shown."""
        return self.run is not None and around(self.run, run)

    def _note(self, run: RunId, event: Any) -> None:
        if isinstance(event, SubflowEntered):
            self._ways[event.run] = f"{self._ways.get(run, '')}{place_of(event.node, event.item)}/"
            if event.item is not None:
                self._items[run, event.node, event.item] = event.run
        elif isinstance(event, ItemFinished | ItemFailed):
            done = self._items.pop((run, event.node, event.item), None)
            if done is not None:  # of thousands of items only those in hand are remembered
                self._ways.pop(done, None)
                self._inner.pop(done, None)

    def _row_within(self, run: RunId, event: Any) -> Row | None:
        """The row that a fact of a run within changed, under the way to it: `bill/charge`."""
        row = self._inner.setdefault(run, Board()).hear(event)
        return None if row is None else replace(row, node=f"{self._ways.get(run, '')}{row.node}")

    def recall(self, journal: Iterable[Recorded]) -> None:
        """Take in what happened before, without telling it again."""
        for recorded in journal:
            self.board.hear(recorded.event, past=True)


class Lines(Following):
    """One line for each step that ended, failed a try, or asked. A reader that went away is no reason to stop a run."""

    def __init__(self, stream: TextIO, nodes: Iterable[tuple[str, str]] = (), *, several_runs: bool = False) -> None:
        super().__init__(stream, nodes)
        self.several_runs = several_runs
        self._boards: dict[RunId, Board] = {}
        self._width = max([12, *(min(28, width(name)) for name in self.board.rows)])

    def hear(self, run: RunId, event: Any) -> None:
        if not self.several_runs and self.is_within(run):
            row = self._row_within(run, event)
        else:
            self.run = run
            row = (self._boards.setdefault(run, Board()) if self.several_runs else self.board).hear(event)
        self._note(run, event)
        if row is None or isinstance(event, Began | Said | SubflowEntered):
            return
        text = row_line(row, self.stream, name_width=self._width)
        self.write(f"{run}  {text}" if self.several_runs else text)

    def write(self, text: str) -> None:
        # BrokenPipeError is an OSError; ValueError is what a closed stream raises.
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(plain(text) if not self.stream.isatty() else text)
            self.stream.write("\n")
            self.stream.flush()


class Table(Following):
    """A live table, drawn anew several times a second by a thread of its own. It hears agents while they speak."""

    deltas = True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from rich.text import Text

        for each in board_lines(self.board, self.stream, options.max_width):
            yield Text.from_ansi(each, no_wrap=True, overflow="crop")


def nodes_of(workflow: Workflow[Any]) -> Sequence[tuple[str, str]]:
    """The nodes a table begins with: those that take steps, in the order of the edge table."""
    return [(name, node.kind) for name, node in workflow.nodes.items() if node.kind != "route"]


@contextlib.contextmanager
def following(nodes: Iterable[tuple[str, str]] = (), *, stream: TextIO | None = None) -> Iterator[Following]:
    """Show a run while the block lasts. What bodies print goes to stderr, or above the table."""
    to = stream or sys.stdout
    if not to.isatty() or os.environ.get("TERM") == "dumb":
        with contextlib.redirect_stdout(sys.stderr):
            yield Lines(to, nodes)
        return
    from rich.live import Live

    table = Table(to, nodes)
    to.write("\n")
    # Not transient: the last drawing stays as the record of the run.
    with Live(
        table,
        console=console(to),
        refresh_per_second=_OFTEN,
        vertical_overflow="ellipsis",
        redirect_stderr=sys.stderr.isatty(),
    ) as live:
        try:
            yield table
        finally:
            table.board.rest()
            live.vertical_overflow = "visible"
