"""The lines of a log as a terminal shows them and as JSON: which are wanted, and where some were cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from workflow_engine.cli.figures import line as one_line
from workflow_engine.cli.figures import plain, several
from workflow_engine.cli.voice import AMBER, DIM, RED, painted
from workflow_engine.errors import UsageError
from workflow_engine.record.ids import place_in
from workflow_engine.record.logs import RANKS, LogLine, LogPart

if TYPE_CHECKING:
    from workflow_engine.engine import Engine
    from workflow_engine.record.ids import RunId
    from workflow_engine.runtime.logs import Spoken

_SHORT = {"stdout": "out", "stderr": "err", "step": "step", "progress": "says"}


@dataclass
class Wanted:
    """Which lines are shown. `steps` numbers the visits that have ended, as far as they were looked up."""

    run: RunId
    node: str | None = None
    visit: int | None = None
    attempt: int | None = None
    rank: int = 0
    steps: dict[tuple[str, int], int] = field(default_factory=dict)

    def part(self, spoken: Spoken, part: LogPart) -> bool:
        """Whether lines of this part may be wanted. A subflow's are all that the runs within said."""
        if self.attempt not in (None, part.attempt):
            return False
        if spoken.within:
            return self.node in (None, place_in(spoken.within[0])[0])
        return self.node in (None, part.node) and self.visit in (None, part.visit)

    def unknown(self, part: LogPart | None) -> bool:
        """Whether the step of this part was not looked up, or had not ended then."""
        return part is not None and (part.node, part.visit) not in self.steps

    async def refresh(self, engine: Engine) -> None:
        """Look up the steps once more."""
        view = await engine.get(self.run)
        self.steps = {(each.node, each.visit): each.step for each in view.history.steps if each.step is not None}


async def wanted(engine: Engine, run: RunId, step: str | None, attempt: int | None, rank: int) -> Wanted:
    """What the arguments ask for. Raises UsageError for a step and a node there is not."""
    view = await engine.get(run)
    steps = {(each.node, each.visit): each.step for each in view.history.steps if each.step is not None}
    if step is None:
        return Wanted(run, attempt=attempt, rank=rank, steps=steps)
    node, _, visit = step.rpartition(":")
    for name, number in steps:
        if str(steps[name, number]) == step:
            return Wanted(run, name, number, attempt, rank, steps)
    known = [*(each.node for each in view.history.steps), *view.run.frontier.visits]
    if step in known:
        return Wanted(run, step, None, attempt, rank, steps)
    if node in known and visit.isdecimal():
        return Wanted(run, node, int(visit), attempt, rank, steps)
    there = ", ".join(dict.fromkeys(known)) or "none yet"
    raise UsageError(f"run {run} has no step {one_line(step, 60)!r}", f"its nodes so far: {there}")


@dataclass(frozen=True)
class Said:
    """One line, or a gap, both ways."""

    line: str
    document: dict[str, Any]


class Teller:
    """Tells parts in order, and where numbers are missing that something was cut."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: dict[tuple[str, int], int] = {}

    def tell(self, spoken: Spoken, wanted: Wanted) -> Iterator[Said]:
        """The lines of a part that are wanted."""
        part = spoken.part
        if part is None:
            yield Said(
                painted("a part of this log is damaged: workflow store check", RED, self._stream),
                {"run": spoken.run, "damaged": True},
            )
            return
        if not wanted.part(spoken, part):
            return
        about = {
            "run": spoken.run,
            "step": None if spoken.within else wanted.steps.get((part.node, part.visit)),
            "node": part.node,
            "visit": part.visit,
            "attempt": part.attempt,
            **({} if part.item is None else {"item": part.item}),
            **({"within": list(spoken.within)} if spoken.within else {}),
        }
        take = (spoken.run, part.take)
        for each in part.lines:
            cut = each.number - self._last.get(take, 0) - 1
            self._last[take] = each.number
            if cut > 0:
                text = f"... {several(cut, 'line')} cut ..."
                yield Said(painted(f"{self._head(each, spoken)}  {text}", DIM, self._stream), {**about, "cut": cut})
            if each.rank < wanted.rank:
                continue
            yield Said(self._line(each, spoken), {**about, **each.document()})

    def _line(self, line: LogLine, spoken: Spoken) -> str:
        rank = RANKS.get(line.level, 0)
        style = RED if rank >= RANKS["error"] else AMBER if rank >= RANKS["warning"] else None
        mark = painted(one_line(line.level or _SHORT.get(line.source, line.source), 8).ljust(7), style, self._stream)
        first, *more = plain(line.text).split("\n")
        head = painted(self._head(line, spoken), DIM, self._stream)
        return "\n".join([f"{head}  {mark}  {first}".rstrip(), *(f"    {each}".rstrip() for each in more)])

    def _head(self, line: LogLine, spoken: Spoken) -> str:
        part = spoken.part
        assert part is not None
        where = one_line("/".join([*spoken.within, part.node]))
        where += f" visit {part.visit}" if part.visit > 1 else ""
        where += f" item {part.item}" if part.item is not None else ""
        where += f" try {part.attempt}" if part.attempt > 1 else ""
        return f"{line.at:%Y-%m-%d %H:%M:%S}.{line.at.microsecond // 1000:03}  {where.ljust(10)}"
