"""A measurement: the figures of one child, with who, what, where and in which round."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.machine import PACKAGES


@dataclass(frozen=True)
class Measurement:
    """`disk` is "here" or "slow"; an audit counts commits and fsyncs, and its times mean nothing."""

    work: str
    subject: str
    round: int
    disk: str = "here"
    audit: bool = False
    steps: int = 0
    figures: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class Profile:
    """Where the CPU time of a work goes: a row a function, in microseconds a step, or of the whole work."""

    work: str
    subject: str
    rows: list[dict[str, Any]]


@dataclass
class Results:
    """All that was measured in one run of the bench."""

    settings: dict[str, Any]
    machine: dict[str, str]
    measurements: list[Measurement] = field(default_factory=list)
    profiles: list[Profile] = field(default_factory=list)

    def keep(self, path: Path) -> None:
        """Write everything there is by now; a reader never meets half of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        lines = ",\n  ".join(json.dumps(_short(asdict(each))) for each in self.measurements)
        head = json.dumps({"settings": self.settings, "machine": self.machine}, indent=1)
        looked = ",\n  ".join(json.dumps(asdict(each)) for each in self.profiles)
        lists = f'"measurements": [\n  {lines}\n ],\n "profiles": [\n  {looked}\n ]'
        partial.write_text(f"{head[:-2]},\n {lists}\n}}\n", encoding="utf-8")
        os.replace(partial, path)

    @staticmethod
    def kept(path: Path) -> Results:
        values = json.loads(path.read_text("utf-8"))
        return Results(
            values["settings"],
            values["machine"],
            [Measurement(**each) for each in values["measurements"]],
            [Profile(**each) for each in values["profiles"]],
        )

    def add(self, part: Results) -> None:
        """Take in what was measured by itself, in place of what there was of the same works and subjects.

        Everything else stays as it is, and what was measured when is told with the machine.
        """
        new = {(each.work, each.subject) for each in part.measurements}
        seen = {(each.work, each.subject) for each in part.profiles}
        kept = [each for each in self.measurements if (each.work, each.subject) not in new]
        self.measurements = [*kept, *part.measurements]
        self.profiles = [each for each in self.profiles if (each.work, each.subject) not in seen] + part.profiles
        at = ", ".join(f"{name} {part.machine[name]}" for name in ("commit", "load") if part.machine.get(name))
        told = f"measured by itself, {part.machine.get('measured', '?')}{', ' + at if at else ''}"
        versions = {name: part.machine[name] for name in PACKAGES if name in part.machine and name not in self.machine}
        self.machine |= versions | {work: told for work, _ in sorted(new)}

    def of(self, work: str, subject: str, *, disk: str = "here", audit: bool = False) -> list[Measurement]:
        return [
            each
            for each in self.measurements
            if (each.work, each.subject, each.disk, each.audit) == (work, subject, disk, audit)
        ]

    def problem(self, work: str, subject: str, *, disk: str = "here") -> str:
        """Why there are no figures; empty if there are, or if it was not asked."""
        said = self.of(work, subject, disk=disk)
        return "" if any(not each.problem for each in said) else next((each.problem for each in said), "")

    def figure(self, work: str, subject: str, name: str, *, disk: str = "here", audit: bool = False) -> float | None:
        """The median over the rounds; None if nobody measured it."""
        return middle(_value(each, name) for each in self.of(work, subject, disk=disk, audit=audit))

    def ratio(self, work: str, subject: str, other: str, name: str = "wall", *, disk: str = "here") -> float | None:
        """How many times less of `name` the subject needs than the other: the median of the ratios of each round."""
        mine = {each.round: _value(each, name) for each in self.of(work, subject, disk=disk)}
        theirs = {each.round: _value(each, name) for each in self.of(work, other, disk=disk)}
        return middle(quotient(theirs[each], mine[each]) for each in mine.keys() & theirs.keys())

    def steps(self, work: str, subject: str) -> int:
        """How many steps all runs of the work took together; 0 if nobody did it."""
        return max((each.steps for each in self.of(work, subject)), default=0)

    def more(self, work: str, subject: str, other: str, name: str) -> float | None:
        """By how much more of `name` the subject needs: the median of the differences of each round."""
        mine = {each.round: _value(each, name) for each in self.of(work, subject)}
        theirs = {each.round: _value(each, name) for each in self.of(work, other)}
        return middle(difference(mine[each], theirs[each]) for each in mine.keys() & theirs.keys())


def middle(values: Iterable[float | None]) -> float | None:
    """The median of what there is."""
    there = [each for each in values if each is not None]
    return median(there) if there else None


def quotient(above: float | None, below: float | None) -> float | None:
    return None if above is None or not below else above / below


def difference(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else left - right


def _value(measured: Measurement, name: str) -> float | None:
    """A figure, as it was measured or as it follows: `wall_step` is milliseconds of wall time a step, and so on."""
    found = measured.figures.get(name)
    if found is not None or measured.problem:
        return found
    plain, _, unit = name.partition("_")
    if unit == "step" and measured.steps and plain in measured.figures:
        scale = 1000 if plain in ("wall", "cpu") else 1
        return float(measured.figures[plain]) * scale / measured.steps
    if name == "steady":  # how fast the last 100 steps are, as a multiple of the first 100
        return quotient(measured.figures.get("first"), measured.figures.get("last"))
    return None


def _short(values: dict[str, Any]) -> dict[str, Any]:
    """Seconds to the microsecond: the rest is noise, and is kept in the repository."""
    figures = {k: round(v, 6) if isinstance(v, float) else v for k, v in values["figures"].items()}
    return {k: v for k, v in {**values, "figures": figures}.items() if v not in ("", 0, False) or k == "round"}
