"""A scale: from seconds of a run to places on a line, with long stretches in which nobody worked cut short.

A person who answers after two days would leave no room for the minute of work. Where nothing works for longer than
all the rest took, the line is broken: that stretch gets a fixed room and says how long it was. All else is in
proportion.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BREAK_ROOM = 0.1
"""How much of the whole line a cut stretch gets."""
MOST_BREAKS = 4
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_STEPS = (
    *(each * ten for ten in (0.001, 0.01, 0.1) for each in (1, 2, 5)),
    *(1, 2, 5, 10, 15, 30),
    *(each * _MINUTE for each in (1, 2, 5, 10, 15, 30)),
    *(each * _HOUR for each in (1, 2, 4, 8)),
    *(each * _DAY for each in (1, 2, 7, 14, 30)),
)


@dataclass(frozen=True)
class Scale:
    """`cuts` are the stretches cut short, in order. Places go from 0 to 1."""

    seconds: float
    cuts: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(cls, seconds: float, work: Iterable[tuple[float, float]]) -> Scale:
        """For so many seconds, in which `work` was done from and until."""
        gaps = sorted(_gaps(seconds, sorted(work)), key=lambda gap: gap[0] - gap[1])
        cut: list[tuple[float, float]] = []
        rest = seconds
        for begin, end in gaps[:MOST_BREAKS]:
            if end - begin <= rest - (end - begin) or rest - (end - begin) <= 0:
                break
            cut.append((begin, end))
            rest -= end - begin
        return cls(seconds, tuple(sorted(cut)))

    def place(self, at: float) -> float:
        """Where a second lies."""
        rest = self.seconds - sum(end - begin for begin, end in self.cuts)
        if rest <= 0:
            return 0.0 if self.seconds <= 0 else at / self.seconds
        slope = (1 - BREAK_ROOM * len(self.cuts)) / rest
        place = 0.0
        done = 0.0
        for begin, end in self.cuts:
            if at <= begin:
                break
            place += (begin - done) * slope
            if at < end:
                return place + BREAK_ROOM * (at - begin) / (end - begin)
            place += BREAK_ROOM
            done = end
        return place + (at - done) * slope

    def ticks(self, most: int = 8) -> list[tuple[float, float]]:
        """Seconds to mark on the line, each with how long after the beginning, or after the last cut, it is."""
        rest = self.seconds - sum(end - begin for begin, end in self.cuts)
        step = next((each for each in _STEPS if rest / each <= most), max(rest / most, 1.0))
        starts = [0.0, *(end for _, end in self.cuts)]
        ends = [*(begin for begin, _ in self.cuts), self.seconds]
        return [
            (start + at * step, at * step)
            for start, end in zip(starts, ends, strict=True)
            for at in range(1 if start else 0, int((end - start) / step + 1e-9) + 1)
        ]


def _gaps(seconds: float, work: Sequence[tuple[float, float]]) -> Iterable[tuple[float, float]]:
    until = 0.0
    for begin, end in work:
        if begin > until:
            yield until, begin
        until = max(until, end)
    if seconds > until:
        yield until, seconds
