"""The page of runs in flight, held against a version of their workflow: few lines, however many runs there are."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_engine.cli.figures import line, plain, several
from workflow_engine.cli.signs import sign
from workflow_engine.cli.voice import BOLD, DIM, painted
from workflow_engine.settings import read_settings

if TYPE_CHECKING:
    from workflow_engine.runtime.flight import Fit
    from workflow_engine.spec.workflow import Workflow

DEFAULT = "default"
NAMED = 3
_SIGNS = {"fits": "succeeded", "accept": "interrupted", "refused": "failed", "damaged": "damaged"}


@dataclass
class Flight:
    """Runs in flight, by what becomes of them."""

    store: str
    workflow: Workflow[Any]
    fits: list[Fit] = field(default_factory=list)
    accepted: bool = False

    def of(self, verdict: str) -> list[Fit]:
        return [each for each in self.fits if each.verdict == verdict]

    @property
    def ok(self) -> bool:
        """Whether each run that can be read would go on; what has to be accepted counts once it is."""
        return not self.of("refused") and (self.accepted or not self.of("accept"))

    def groups(self, verdict: str) -> dict[tuple[str, str, str, str], list[str]]:
        """Runs by one thing that is said of them: code, place, what, cure."""
        found: dict[tuple[str, str, str, str], list[str]] = {}
        for each in self.of(verdict):
            for finding in each.findings:
                key = (finding.code, finding.place, finding.what, finding.cure)
                found.setdefault(key, []).append(each.run)
        return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))

    def versions(self) -> dict[str, list[Fit]]:
        """Runs by the shape they were last driven with, where it is another one; the most frequent first."""
        found: dict[str, list[Fit]] = {}
        for each in self.fits:
            if each.shape and each.shape != self.workflow.shape:
                found.setdefault(each.shape, []).append(each)
        return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def where(against: str) -> Path | None:
    """The store that --against names."""
    return None if against == DEFAULT else Path(against)


async def flown(against: str, workflow: Workflow[Any], *, accepted: bool) -> Flight:
    """Read every run in flight."""
    from workflow_engine.cli.opening import reading

    place = where(against)
    flight = Flight(str(read_settings(store=place).store), workflow, accepted=accepted)
    async with reading(place) as engine:
        flight.fits = [each async for each in engine.in_flight(workflow)]
    return flight


def flight_document(flight: Flight) -> dict[str, Any]:
    """The runs as JSON: how many there are of each kind, and each thing that is said with the runs it is said of."""
    return {
        "store": flight.store,
        "ok": flight.ok,
        "runs": len(flight.fits),
        **{verdict: len(flight.of(verdict)) for verdict in _SIGNS},
        "groups": [
            {"verdict": verdict, "code": code, "place": place, "what": what, "cure": cure, "runs": runs}
            for verdict in ("refused", "accept")
            for (code, place, what, cure), runs in flight.groups(verdict).items()
        ],
        "damage": [{"run": each.run, "what": each.why} for each in flight.of("damaged")],
        "versions": [
            {
                "shape": shape,
                "runs": len(fits),
                "changed": [
                    {"what": each.what, "name": each.name, "how": each.how, "parts": list(each.parts), "was": each.was}
                    for each in fits[0].changed
                ],
                "migrations": list(fits[0].applied),
            }
            for shape, fits in flight.versions().items()
        ],
        "declare": _declare(flight.of("refused")),
    }


def flight_lines(flight: Flight) -> Iterator[str]:
    """The runs as lines: for each kind how many, and below it why."""
    out = sys.stdout
    name = painted(flight.workflow.name, BOLD, out)
    yield f"{several(len(flight.fits), 'run')} of {name} in flight in {plain(flight.store)}"
    for shape, fits in flight.versions().items():
        told = [line(str(each), 100) for each in fits[0].changed]
        yield painted(f"  {several(len(fits), 'run')} of version {shape}; changed since:", DIM, out)
        yield from (painted(f"      {each}", DIM, out) for each in told[:_MOST])
        if len(told) > _MOST:
            yield painted(f"      … {len(told) - _MOST} more: --json", DIM, out)
    for verdict, words in (
        ("fits", "can go on"),
        ("accept", "can go on once what follows is accepted"),
        ("refused", "cannot go on"),
        ("damaged", "cannot be read"),
    ):
        runs = flight.of(verdict)
        if not runs:
            continue
        mark = sign(_SIGNS[verdict])
        migrating = sum(bool(each.applied) for each in runs) if verdict == "fits" else 0
        more = f", {migrating} of them with declared migrations" if migrating else ""
        yield f"{painted(mark.on(out), mark.ansi, out)} {several(len(runs), 'run')} {words}{more}"
        for (code, place, what, cure), ids in flight.groups(verdict).items():
            yield f"    {painted(code, mark.ansi, out)}  {place}  {plain(what)}"
            yield f"          {plain(cure)}"
            yield painted(f"          {several(len(ids), 'run')}: {_some(ids)}", DIM, out)
        if verdict == "damaged":
            yield from (f"    {line(each.why, 200)}" for each in runs[:_MOST])
            if len(runs) > _MOST:
                yield f"    … {len(runs) - _MOST} more: workflow store check"


_MOST = 10


def declaration(flight: Flight) -> str | None:
    """The migrations that may mend what is refused, as one line of Python."""
    lines = _declare(flight.of("refused"))
    return f"declare what changed: workflow(..., migrations=[{', '.join(lines)}])" if lines else None


def _declare(fits: Sequence[Fit]) -> list[str]:
    return list(dict.fromkeys(text for each in fits for text in each.guesses))


def _some(runs: Sequence[str]) -> str:
    more = f" and {len(runs) - NAMED:,} more" if len(runs) > NAMED else ""
    return f"{', '.join(runs[:NAMED])}{more}"
