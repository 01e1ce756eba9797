"""The reference of the command line, made from the commands themselves at build time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_group

from workflow_engine.cli.app import app
from workflow_engine.cli.exits import MEANINGS

OPENING = """\
# The command line

Made from the commands themselves. [Running](../running.md) shows what they print; `wf` is short for `workflow`.
"""


def pages() -> dict[str, str]:
    """The one page, by its name."""
    group = get_group(app)
    lines = [OPENING, *_exits()]
    for path, command in _commands("workflow", group):
        lines += _told(path, command)
    return {"reference/command-line.md": "\n".join(lines) + "\n"}


def _exits() -> Iterator[str]:
    yield from ("## Exit codes", "", "| code | means |", "| --- | --- |")
    yield from (f"| {code.value} | {meaning} |" for code, meaning in MEANINGS.items())
    yield ""


def _commands(path: str, group: Any) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if getattr(command, "commands", None):
            yield from _commands(f"{path} {name}", command)
        else:
            yield f"{path} {name}", command


def _told(path: str, command: Any) -> Iterator[str]:
    context = command.make_context(path, [], resilient_parsing=True)
    usage = " ".join(command.collect_usage_pieces(context))
    yield from (f"## {path}", "", "```text", f"{path} {usage}", "```", "", _paragraphs(command.help or ""), "")
    rows = [row for parameter in command.params if (row := _row(parameter, context)) is not None]
    if rows:
        yield from ("| | |", "| --- | --- |", *rows, "")


def _row(parameter: Any, context: Any) -> str | None:
    record = parameter.get_help_record(context)
    if record is None or "--help" in parameter.opts:
        return None
    name, told = record
    return f"| `{_cell(name)}` | {_cell(told)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.replace("\b", "").split("\n\n"))
