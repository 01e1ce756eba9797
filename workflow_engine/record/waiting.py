"""What a run waits for besides a person: signals by name, a time, other runs. Small: payloads stay in the journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, assert_never

MOST_NAMED = 3
"""How many runs are told by name where one waits for several."""


@dataclass(frozen=True)
class Kept:
    """A signal that came, as the run remembers it: what it carries stands in the journal, in event `seq`."""

    name: str
    id: str
    seq: int


@dataclass(frozen=True)
class Waiting:
    """One node of a run that waits.

    On a `signal`: for each of `names`, or for any one of them where `first` says so; `had` came already, and `until`
    is when nobody waits any more. On a `time`: `until` then. On a `run`: `names` are the runs. `topic` is what it
    listens to; `trouble` says why a signal that came was not taken.
    """

    node: str
    visit: int
    on: Literal["signal", "time", "run"]
    names: tuple[str, ...] = ()
    first: bool = False
    until: datetime | None = None
    topic: str | None = None
    since: datetime | None = None
    had: tuple[Kept, ...] = ()
    trouble: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """The names that have not come yet; none where one was enough."""
        if self.first and self.had:
            return ()
        came = {each.name for each in self.had}
        return tuple(name for name in self.names if name not in came)

    @property
    def complete(self) -> bool:
        """Whether every signal it waits for is there, so that its node can go on."""
        return self.on == "signal" and not self.missing


def words_of(waiting: Waiting) -> str:
    """What it waits for, in words.

    >>> words_of(Waiting("paid", 1, "signal", ("payment", "contract"), first=True))
    'for signal payment or contract'
    """
    missing = waiting.missing
    if waiting.on == "run" and len(missing) > MOST_NAMED:
        return f"for {len(missing)} runs: {', '.join(missing[:MOST_NAMED])}, …"
    names = (" or " if waiting.first else " and ").join(missing)
    match waiting.on:
        case "signal":
            return f"for signal {names}" if names else "its signal came"
        case "run":
            return f"for run {names}" if names else "for another run"
        case "time":
            return "for a time" if waiting.until is None else f"until {waiting.until:%Y-%m-%d %H:%M:%S} UTC"
        case _:
            assert_never(waiting.on)
