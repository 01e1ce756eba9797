"""A walk through a folder somebody hostile may have filled: by descriptors, following no link, to a bounded depth."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A command can nest folders until a recursive walk runs out of stack or descriptors. No honest project comes near this.
DEEPEST = 64
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Entry:
    """One thing in the tree. `folder` is an open descriptor of its parent, valid until the walk goes on."""

    parts: tuple[str, ...]
    folder: int
    status: os.stat_result

    @property
    def name(self) -> str:
        return self.parts[-1]

    @property
    def path(self) -> str:
        return "/".join(self.parts)

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)


def walk(top: Path) -> Iterator[Entry]:
    """Everything beneath `top` by name, a folder before its content; folders deeper than DEEPEST are not entered."""
    folder = os.open(top, FOLDER)
    try:
        yield from _beneath(folder, ())
    finally:
        os.close(folder)


def _beneath(folder: int, above: tuple[str, ...]) -> Iterator[Entry]:
    for name in sorted(os.listdir(folder)):
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        entry = Entry((*above, name), folder, status)
        yield entry
        if entry.is_folder and len(entry.parts) < DEEPEST:
            inner = os.open(name, FOLDER, dir_fd=folder)
            try:
                yield from _beneath(inner, entry.parts)
            finally:
                os.close(inner)
