"""A timeline: when each node of a run worked, failed and waited, as plain values, before anybody decides how it looks.

Read from the journal. A journal tells when a step ended and when its last try began, not what happened to a process
that died: such a bar ends where the next process took the run, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

from workflow_engine.draw.diagram import Header, Kind, Meaning
from workflow_engine.draw.extract import header_of
from workflow_engine.draw.measures import money, time_taken, tokens
from workflow_engine.draw.plan import plan
from workflow_engine.draw.stretches import Bar, Stretches
from workflow_engine.record.run import Run
from workflow_engine.spec.workflow import Workflow


@dataclass(frozen=True)
class Row:
    """A node with its bars in order; bars of items lie in `lanes` below, as many as were under way at once."""

    node: str
    kind: Kind
    bars: tuple[Bar, ...] = ()
    lanes: int = 0


@dataclass(frozen=True)
class Jump:
    """A way that is worth seeing: back along a loop, out of a spent one, or away from a failure."""

    at: float
    tail: str
    head: str
    meaning: Meaning


@dataclass(frozen=True)
class Moment:
    """Something that happened to the run as a whole, such as its recovery by another process."""

    at: float
    words: str


@dataclass(frozen=True)
class Cost:
    """What had been spent at which second: money where prices are known, else tokens."""

    unit: Literal["money", "tokens"]
    points: tuple[tuple[float, float], ...]
    most: float | None = None

    @property
    def words(self) -> str:
        spent = self.points[-1][1]
        if self.unit == "tokens":
            return tokens(int(spent))
        return money(spent) + (f" of {money(self.most)}" if self.most else "")


@dataclass(frozen=True)
class Timeline:
    """`seconds` is how far it goes; `now` says that the run goes on from there."""

    header: Header
    rows: tuple[Row, ...]
    seconds: float
    now: bool = False
    jumps: tuple[Jump, ...] = ()
    moments: tuple[Moment, ...] = ()
    cost: Cost | None = None

    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        return asdict(self)


def timeline_of(
    workflow: Workflow[Any],
    run: Run,
    journal: Iterable[Any],
    *,
    now: datetime | None = None,
    interrupted: bool = False,
) -> Timeline:
    """The timeline of a run, from its events (those of a fork begin with its parent's).

    Until `now`, if the run goes on; without it, until its last event. The same arguments give the same timeline.
    """
    events = list(journal)
    begun = events[0].at if events else run.created
    goes_on = not run.ended and run.status not in ("failed", "cancelled")
    last = max([run.updated, *((now,) if now is not None and goes_on else ())])
    seconds = max(0.0, (last - begun).total_seconds())
    made = plan(workflow)
    found = Stretches(begun, interrupted)
    for event in events:
        found.take(event)
    found.close(seconds, run)
    nodes = [each for each in made.places if each.id in workflow.nodes and each.kind != "route"]
    steps: dict[str, Kind] = {each.id: each.kind for each in nodes}
    for node in found.bars:
        steps.setdefault(node, "unknown")
    rows = tuple(_row(node, kind, found.bars.get(node, [])) for node, kind in steps.items())
    budget = None if workflow.budget is None else workflow.budget.money
    return Timeline(
        _header(header_of(workflow, run, interrupted), rows, seconds, goes_on),
        rows,
        seconds,
        goes_on,
        tuple(_jumps(workflow, found.left, {row.node for row in rows})),
        tuple(Moment(at, words) for at, words in found.moments),
        _cost(found.spent, seconds, budget),
    )


def _header(header: Header, rows: tuple[Row, ...], seconds: float, goes_on: bool) -> Header:
    waited = sum(bar.seconds for row in rows for bar in row.bars if bar.what == "wait" and row.kind == "human")
    facts = [header.facts[0], time_taken(seconds) + (" so far" if goes_on else "")]
    if waited:
        facts.append(f"{time_taken(waited)} waiting for people")
    return Header(header.title, f"{header.subtitle} · timeline", header.status, (*facts, *header.facts[2:]))


def _row(node: str, kind: Kind, bars: list[Bar]) -> Row:
    """With the bars of items in as few lanes as they need."""
    ends: list[float] = []
    placed = []
    for bar in sorted(bars, key=lambda each: (each.start, each.end)):
        if bar.what == "item":
            lane = next((at for at, end in enumerate(ends) if end <= bar.start), len(ends))
            ends[lane:] = [bar.end, *ends[lane + 1 :]]
            bar = replace(bar, lane=lane)
        placed.append(bar)
    return Row(node, kind, tuple(placed), len(ends))


def _jumps(
    workflow: Workflow[Any], left: list[tuple[float, str, tuple[str, ...], str | None]], known: set[str]
) -> Iterable[Jump]:
    bounded = {edge.key: edge for edge in workflow.edges if edge.limit is not None}
    escaping = {edge.key: edge for edge in workflow.edges if any(each.outcome == "failed" for each in edge.sources)}
    for at, node, via, outcome in left:
        for key in via:
            bare = key.removesuffix(" then")
            edge = bounded.get(bare)
            if edge is not None:
                head = edge.targets[0] if bare == key else edge.then
                meaning: Meaning = "loop" if bare == key else "escalation"
            elif outcome == "failed" and key in escaping:
                head, meaning = escaping[key].targets[0], "failure"
            else:
                continue
            if head in known and node in known:
                yield Jump(at, node, head, meaning)


def _cost(spent: list[tuple[float, float, int]], seconds: float, most: float | None) -> Cost | None:
    """As stairs: what a call or a step used is known when it ends."""
    unit: Literal["money", "tokens"] = "money" if any(dollars for _, dollars, _ in spent) else "tokens"
    total, points = 0.0, [(0.0, 0.0)]
    for at, dollars, used in spent:
        more = dollars if unit == "money" else used
        if more:
            points += [(at, total), (at, total + more)]
            total += more
    return Cost(unit, (*points, (seconds, total)), most if unit == "money" else None) if total else None
