"""The past of a run: its own journal, after those of the runs it was forked from up to where each was left anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workflow_engine.errors import Failure, RunNotFound, StoreDamaged, UsageError
from workflow_engine.ports.ledger import Ledger, Recorded
from workflow_engine.record.events import QuestionAsked, RunCreated, RunForked, RunMigrated, StepFailed
from workflow_engine.record.fold import fold
from workflow_engine.record.frontier import Frontier
from workflow_engine.record.history import COMMITS
from workflow_engine.record.ids import RunId
from workflow_engine.record.run import Run


@dataclass(frozen=True)
class Chapter:
    """What one run did: everything, or what came until a fork left one of its steps anew."""

    run: RunId
    journal: tuple[Recorded, ...]

    @property
    def begun(self) -> int:
        """The number of the step it began after: 0, or that of a fork."""
        first = self.journal[0].event
        return first.step if isinstance(first, RunForked) else 0

    def commits(self) -> list[int]:
        """The places in the journal of the events that end a step."""
        return [place for place, each in enumerate(self.journal) if isinstance(each.event, COMMITS)]


@dataclass(frozen=True)
class Position:
    """Where a run stood before one of its steps was left, and how that was left. Step 0 is START: `node` is None.

    `run` is the one whose journal holds the step as event `seq`; `shape` is that of the workflow by then.
    """

    run: RunId
    step: int
    seq: int
    shape: str
    before: Frontier = Frontier()
    node: str | None = None
    kind: str = ""
    visit: int = 0
    outcome: str | None = None
    failure: Failure | None = None
    caught: Mapping[str, Failure] = field(default_factory=dict)


@dataclass(frozen=True)
class Past:
    """Chapters, the oldest first and the run's own last. `gone` is an ancestor that can no longer be read."""

    chapters: tuple[Chapter, ...]
    gone: RunId | None = None

    @property
    def run(self) -> RunId:
        return self.chapters[-1].run

    @property
    def steps(self) -> int:
        """How many steps there are, the ancestors' among them."""
        own = self.chapters[-1]
        return own.begun + len(own.commits())

    def events(self) -> Iterator[Recorded]:
        """All that led to where the run stands. What an ancestor's nodes did without an end is none of it."""
        for chapter in self.chapters[:-1]:
            now = _names(chapter.journal)
            ended = {
                (now.get(each.event.node, each.event.node), each.event.visit)
                for each in chapter.journal
                if isinstance(each.event, COMMITS)
            }
            yield from (
                each
                for each in chapter.journal
                if (visit := _visit(each.event)) is None or (now.get(visit[0], visit[0]), visit[1]) in ended
            )
        yield from self.chapters[-1].journal

    def moment(self, step: int) -> tuple[RunId, int]:
        """The run and the event as of which the state is as a step left it. Raises UsageError for no such step."""
        chapter, place = self._find(step)
        return chapter.run, 1 if place is None else chapter.journal[place].seq

    def position(self, step: int) -> Position:
        """Where the run stood before a step. Raises UsageError for no such step, and for one that was never left."""
        chapter, place = self._find(step)
        if place is None:
            return _begun(chapter)
        recorded = chapter.journal[place]
        event, before = recorded.event, fold(each.event for each in chapter.journal[:place])
        if event.move is None:
            earlier = f"step {step - 1}" if step > 1 else "step 0, START"
            raise UsageError(
                f"step {step} of run {self.run} ({event.node}) failed with nothing to catch it, so it was never left",
                f"fork at {earlier}: it runs anew there; or mend it and resume the run",
            )
        return Position(
            run=chapter.run,
            step=step,
            seq=recorded.seq,
            shape=before.shape,
            before=before.frontier,
            node=event.node,
            kind=event.kind,
            visit=event.visit,
            outcome=event.outcome,
            failure=event.failure if isinstance(event, StepFailed) else None,
            caught={node: failure for node, failure in before.caught.items() if node != event.node},
        )

    def last_left(self) -> int:
        """The last step that was left: the usual place to fork at."""
        own = self.chapters[-1]
        left = [number for number, place in enumerate(own.commits(), 1) if own.journal[place].event.move is not None]
        return own.begun + (left[-1] if left else 0)

    def _find(self, step: int) -> tuple[Chapter, int | None]:
        """The chapter of a step and the place of its event there; None where the chapter begins with it."""
        if not 0 <= step <= self.steps:
            there = f"its steps are numbered 1 to {self.steps}" if self.steps else "it has taken none yet"
            raise UsageError(f"run {self.run} has no step {step}", f"{there}; 0 is START")
        for chapter in reversed(self.chapters):
            if step > chapter.begun:
                return chapter, chapter.commits()[step - chapter.begun - 1]
            if step == chapter.begun:
                return chapter, None
        begun = self.chapters[0].begun
        raise UsageError(
            f"step {step} was taken by run {self.gone}, which can no longer be read",
            f"the steps of run {self.run} can be read from {begun} on",
        )


async def past(ledger: Ledger, run: RunId) -> Past:
    """The past of a run. Raises errors.RunNotFound, errors.StoreDamaged for the run itself."""
    return await past_of(ledger, run, await ledger.journal(run))


async def past_of(ledger: Ledger, run: RunId, journal: Sequence[Recorded]) -> Past:
    """The past of a run whose own journal was read."""
    chapters = [_chapter(run, journal, None)]
    passed = {run}
    while isinstance(left := chapters[-1].journal[0].event, RunForked):
        try:
            if left.parent in passed:
                raise _unlike(left.parent, "was forked from itself")
            chapters.append(_chapter(left.parent, await ledger.journal(left.parent), left))
        except (RunNotFound, StoreDamaged):
            return Past(tuple(chapters[::-1]), left.parent)
        passed.add(left.parent)
    return Past(tuple(chapters[::-1]))


def _chapter(run: RunId, journal: Sequence[Recorded], left: RunForked | None) -> Chapter:
    """What a run did until it was left by a fork. Raises StoreDamaged for a journal that no engine wrote."""
    chapter = Chapter(run, tuple(each for each in journal if left is None or each.seq <= left.seq))
    match chapter.journal[0].event if chapter.journal else None:
        case RunCreated():
            pass
        case RunForked(step=step, node=node) if step == 0 or (0 < step < 2**62 and node is not None):
            pass
        case _:
            raise _unlike(run, "has a journal that begins as none can")
    if left is not None and chapter.begun + len(chapter.commits()) != left.step:
        raise _unlike(run, "has another journal than its fork remembers")
    return chapter


def _unlike(run: RunId, why: str) -> StoreDamaged:
    cure = "restore the store from a backup, or leave this run alone: the others are readable"
    return StoreDamaged(f"run {run} is damaged: it {why}", cure)


def _begun(chapter: Chapter) -> Position:
    first = chapter.journal[0].event
    begun: Run = fold([first])
    if not isinstance(first, RunForked):
        return Position(chapter.run, 0, 1, begun.shape)
    return Position(
        run=chapter.run,
        step=first.step,
        seq=1,
        shape=begun.shape,
        before=first.before,
        node=first.node,
        kind=first.kind,
        visit=first.visit,
        outcome=first.outcome,
        failure=first.failure,
        caught=first.caught,
    )


def _names(journal: Sequence[Recorded]) -> dict[str, str]:
    """What nodes are called at the end of a journal, of which some were renamed on the way."""
    names: dict[str, str] = {}
    for each in journal:
        if isinstance(each.event, RunMigrated):
            later = each.event.nodes
            names = {**later, **{old: later.get(new, new) for old, new in names.items()}}
    return names


def _visit(event: Any) -> tuple[str, int] | None:
    """The visit an event is about, if it is about one."""
    told = event.question if isinstance(event, QuestionAsked) else event
    node, visit = getattr(told, "node", None), getattr(told, "visit", None)
    return None if node is None or visit is None or isinstance(event, RunForked) else (node, visit)
