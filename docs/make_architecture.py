"""The page docs/architecture.md, made from the floors in pyproject.toml and the first line of every module."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HOUSE = Path(__file__).parent.parent
PACKAGE = HOUSE / "workflow_engine"
PAGE = HOUSE / "docs" / "architecture.md"

OPENING = """\
# The house

Made by `make docs` from the contract in `pyproject.toml` and the first line of every module; not edited by hand.

Imports go only downward, and rooms on one floor never import one another: they meet at the Protocols of `ports`.
`make arch` keeps that, and that each of these packages is spoken in one room only:
"""


def contracts() -> dict[str, dict[str, Any]]:
    """The architecture contracts by their id."""
    settings = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["id"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}


def floors() -> list[list[str]]:
    """The rooms of each floor, from the lowest up."""
    return [re.findall(r"\w+", layer) for layer in reversed(contracts()["floors"]["layers"])]


def first_line(module: Path) -> str:
    """The first line of the module's docstring, or nothing where it has none."""
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")), clean=False) or ""
    return docstring.partition("\n")[0].strip()


def modules(room: Path) -> Iterator[Path]:
    """The room's modules, what the room itself is first."""
    if room.with_suffix(".py").is_file():
        yield room.with_suffix(".py")
    yield from sorted(room.rglob("*.py"), key=lambda path: (path.parent, path.name != "__init__.py", path.name))


def room_lines(room: str) -> Iterator[str]:
    for module in modules(PACKAGE / room):
        path = module.relative_to(PACKAGE)
        shown = f"{path.parent}/" if module.name == "__init__.py" else f"{path}"
        yield f"| `{shown}` | {first_line(module).replace('|', '&#124;')} |"


def third_party_lines() -> Iterator[str]:
    for contract in contracts().values():
        if contract["type"] == "protected":
            packages = ", ".join(f"`{name}`" for name in contract["protected_modules"])
            rooms = ", ".join(f"`{name.removeprefix('workflow_engine.')}`" for name in contract["allowed_importers"])
            yield f"- {packages}: {rooms}"


def page() -> str:
    """The whole page."""
    lines = [OPENING, *third_party_lines()]
    # The bottom floor, errors, is imported by every other and has no number.
    for number, rooms in reversed(list(enumerate(floors(), start=-1))):
        rows = [line for room in rooms for line in room_lines(room)]
        if rows:
            title = "Below all" if number < 0 else f"Floor {number}"
            lines += ["", f"## {title}", "", "| module | what it is |", "| --- | --- |", *rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: {PAGE.relative_to(HOUSE)}", file=sys.stderr)
