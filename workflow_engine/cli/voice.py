"""The voice: data goes to stdout, words to stderr, colour only where a terminal shows it."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

from workflow_engine.cli.figures import plain

if TYPE_CHECKING:
    from rich.console import Console

    from workflow_engine.errors import WorkflowError
    from workflow_engine.record.ids import RunId

RED, GREEN, AMBER, DIM, BOLD = "31", "32", "33", "2", "1"


def emit(text: str) -> None:
    """A line of data."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def emit_json(document: Any, *, indent: int | None = 2) -> None:
    """A document of data. Letters outside ASCII are kept where the stream can carry them."""
    wide = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    text = json.dumps(document, indent=indent, ensure_ascii=not wide)
    # A lone surrogate has no UTF-8; JSON has an escape for it.
    emit(text if text.isascii() or _encodable(text) else json.dumps(document, indent=indent, ensure_ascii=True))


def say(text: str = "", style: str | None = None) -> None:
    """Words for the person at the terminal."""
    sys.stderr.write(painted(text, style, sys.stderr) + "\n")
    sys.stderr.flush()


def point(*ways: tuple[str, str]) -> None:
    """Commands to go on with, each under its name; the last is the one to type next, and the last line of all."""
    if not ways:
        return
    broad = max(len(name) for name, _ in ways)
    say()
    for name, command in ways:
        say(f"  {painted(name.ljust(broad), DIM, sys.stderr)}  {plain(command)}")


def complain(error: WorkflowError) -> None:
    """What is wrong, and the cure."""
    trace = getattr(error, "trace", "")
    if trace:
        say(plain(trace), DIM)
    say(plain(f"{error.what}"), RED)
    if error.cure is not None:
        say("\n".join(f"  {each}" for each in plain(error.cure).splitlines()))


def trouble(run: RunId | None, error: WorkflowError) -> None:
    """What went wrong with one run, or with the store, while others go on."""
    say(plain(f"{'the store' if run is None else f'run {run}'}: {error}"), AMBER)


def painted(text: str, style: str | None, stream: TextIO) -> str:
    """The text in a colour, where the stream shows colours."""
    return f"\x1b[{style}m{text}\x1b[0m" if style and text and colours(stream) else text


def colours(stream: TextIO) -> bool:
    """Whether colours are wanted: NO_COLOR and FORCE_COLOR decide, else whether it is a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def console(stream: TextIO | None = None) -> Console:
    """A rich console on a stream (stdout). Piped, its lines are as wide as they need to be."""
    from rich.console import Console

    to = stream or sys.stdout
    terminal = to.isatty()
    return Console(
        file=to,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=not terminal,
        no_color=not colours(to),
        force_terminal=True if colours(to) else None,
        width=None if terminal else 200,
    )


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
