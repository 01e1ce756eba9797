"""Pages as tests see them: their headings, links, python blocks and terminal sessions."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

HOUSE = Path(__file__).parents[2]
PAGES = tuple(
    sorted(
        path.relative_to(HOUSE).as_posix()
        for path in (HOUSE / "README.md", *(HOUSE / "docs").rglob("*.md"))
        if path.name != "architecture.md"  # generated, and tested where it is made
    )
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the line its text begins on, and the file it is shown as, if any."""

    language: str
    text: str
    line: int
    file: str | None = None
    # What stands in a ```text block right below, if there is one.
    below: str | None = None


@dataclass(frozen=True)
class Typed:
    """One command of a terminal session and what stands below it."""

    command: str
    output: str
    line: int


@dataclass(frozen=True)
class Page:
    """One Markdown page of this repository."""

    name: str

    @cached_property
    def path(self) -> Path:
        return HOUSE / self.name

    @cached_property
    def lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines()

    @cached_property
    def blocks(self) -> list[Block]:
        found: list[Block] = []
        ends: list[int] = []
        number = 0
        while number < len(self.lines):
            fence = re.fullmatch(r"```(\S*)(?: (\S+))?", self.lines[number])
            if fence is None:
                number += 1
                continue
            end = self.lines.index("```", number + 1)
            found.append(Block(fence[1], "\n".join(self.lines[number + 1 : end]) + "\n", number + 2, fence[2]))
            ends.append(end)
            number = end + 1
        return [replace(each, below=_below(found, ends, self.lines, at)) for at, each in enumerate(found)]

    def of(self, language: str) -> list[Block]:
        return [each for each in self.blocks if each.language == language]

    @cached_property
    def session(self) -> list[Typed | Block]:
        """Every `$ command` of the console blocks, and the files shown between them, in the order of the page."""
        found: list[Typed | Block] = []
        for block in self.blocks:
            if block.file is not None:
                found.append(block)
            elif block.language == "console":
                found += _typed(block)
        return found

    @cached_property
    def indented(self) -> list[str]:
        """Lines that are code because they are indented."""
        return [line.strip() for line in self._prose if line.startswith("    ")]

    @cached_property
    def _prose(self) -> list[str]:
        kept: list[str] = []
        inside = False
        for line in self.lines:
            if line.startswith("```"):
                inside = not inside
            elif not inside:
                kept.append(line)
        return kept

    @cached_property
    def links(self) -> list[str]:
        """Where links and pictures of the page lead to, as written."""
        text = "\n".join(re.sub(r"`[^`]*`", "", line) for line in self._prose)
        return re.findall(r"\]\(([^)\s]+)\)", text)

    @cached_property
    def anchors(self) -> set[str]:
        """The names a `#` link may end in, made as GitHub makes them."""
        titles = [re.sub(r"^#+ ", "", line) for line in self._prose if re.match(r"#+ ", line)]
        return {re.sub(r"[^\w\- ]", "", title.lower().replace("`", "")).replace(" ", "-") for title in titles}


def _typed(block: Block) -> list[Typed]:
    found: list[Typed] = []
    for number, line in enumerate(block.text.splitlines()):
        if line.startswith("$ "):
            found.append(Typed(line[2:].strip(), "", block.line + number))
        else:
            found[-1] = replace(found[-1], output=found[-1].output + line + "\n")
    return found


def _below(blocks: list[Block], ends: list[int], lines: list[str], at: int) -> str | None:
    if at + 1 >= len(blocks) or blocks[at + 1].language != "text":
        return None
    between = lines[ends[at] + 1 : blocks[at + 1].line - 2]
    return None if any(between) else blocks[at + 1].text
