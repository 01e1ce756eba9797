"""What bodies say while they run: lines, numbered within their attempt, and the parts in which they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

Source = Literal["stdout", "stderr", "log", "step", "progress"]

RANKS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
"""Levels by their weight, as in `logging`."""
_UNSAID: dict[Source, int] = {"stderr": RANKS["warning"]}


class LogLine(NamedTuple):
    """One thing an attempt said. Numbers count from 1: where one is missing, lines were cut.

    `source` is the stream it was printed to, `log` for a record of `logging` (then `level` and `logger` say more),
    `step` and `progress` for what was told to the Step. A record may have line breaks in its text.
    """

    number: int
    at: datetime
    source: Source
    text: str
    level: str = ""
    logger: str = ""

    def document(self) -> dict[str, Any]:
        """It as JSON."""
        return {
            "line": self.number,
            "at": self.at.isoformat(),
            "source": self.source,
            "level": self.level or None,
            "logger": self.logger or None,
            "text": self.text,
        }

    @property
    def rank(self) -> int:
        """How much it weighs: a record what its level says, stderr as a warning, all else as info."""
        found = RANKS.get(self.level.lower())
        return found if found is not None else _UNSAID.get(self.source, RANKS["info"])


@dataclass(frozen=True)
class LogPart:
    """Lines of one attempt that were stored together.

    `take` numbers the attempts of a run across restarts (attempts themselves count from 1 at each), `part` the parts of
    an attempt. `item` is the place of one among many.
    """

    node: str
    visit: int
    attempt: int
    take: int
    part: int
    lines: tuple[LogLine, ...]
    item: int | None = None


@dataclass(frozen=True)
class LogPage:
    """What an attempt said since its last page. `gone` are the first and last of its parts that make room for it."""

    parts: Sequence[LogPart]
    gone: tuple[int, int] | None = None


@dataclass(frozen=True)
class LoggedPart:
    """A part as a store gives it back, with its place among all parts there; None for one that is damaged."""

    place: int
    part: LogPart | None
