"""Signs: the glyph and the colour of everything that stands somewhere. Never the colour alone."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TextIO


@dataclass(frozen=True)
class Sign:
    """A glyph, what stands for it where the stream has no such letters, and its colour as rich and as ANSI name it."""

    glyph: str
    ascii: str
    style: str
    ansi: str

    def on(self, stream: TextIO) -> str:
        """The glyph as this stream can show it."""
        try:
            self.glyph.encode(stream.encoding or "utf-8")
        except (UnicodeEncodeError, LookupError):
            return self.ascii
        return self.glyph


_OK, _ROUND, _GOES = Sign("✔", "+", "green", "32"), Sign("↻", "@", "cyan", "36"), Sign("▶", ">", "cyan", "36")
_WAITS, _BAD, _OFF = Sign("‖", "=", "yellow", "33"), Sign("✖", "x", "red", "31"), Sign("⊘", "-", "dim", "2")
_IDLE, _DEAD = Sign("○", "o", "dim", "2"), Sign("↯", "!", "yellow", "33")

# Statuses of runs and of steps, and where a node stands.
SIGNS: Mapping[str, Sign] = MappingProxyType(
    {
        "queued": _IDLE,
        "running": _GOES,
        "waiting": _WAITS,
        "succeeded": _OK,
        "failed": _BAD,
        "cancelled": _OFF,
        "interrupted": _DEAD,
        "damaged": Sign("⚠", "!", "red", "31"),
        "done": _OK,
        "finished": _OK,
        "looping": _ROUND,
        "retrying": _DEAD,
        "not reached": _IDLE,
    }
)


def sign(word: str) -> Sign:
    """The sign of a word; one nobody planned for is shown as not begun."""
    return SIGNS.get(word, _IDLE)


def glyph(word: str, stream: TextIO | None = None) -> str:
    """The glyph of a word on a stream (stdout)."""
    return sign(word).on(stream or sys.stdout)
