"""The tape of a run: moment by moment its state and where it stood, read off the journal without running anything.

The one place that says what was recorded for a step. Everything that takes a run up again after the fact, such as
`replay`, reads it here and nowhere else. A fork's tape begins with its parent's, up to the step that it left anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from workflow_engine.errors import Failure
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.events import (
    QuestionAnswered,
    QuestionAsked,
    RunCreated,
    RunForked,
    RunMigrated,
    StepFailed,
    StepFinished,
    StepWithdrawn,
)
from workflow_engine.record.fold import advance, begin
from workflow_engine.record.ids import RunId
from workflow_engine.record.inbox import QuestionRecord
from workflow_engine.record.run import Run
from workflow_engine.record.values import Value
from workflow_engine.runtime.past import Chapter, Past
from workflow_engine.steps.live import after

CHUNK = 500
"""Events whose writes are read at once."""
MOMENTS = (RunCreated, RunForked, StepFinished, StepFailed, StepWithdrawn, RunMigrated)


@dataclass(frozen=True)
class Moment:
    """One event after which the run stood elsewhere or knew something else.

    `run` is the run as of it, which may be an ancestor's; `step` the number of the last step, 0 before the first.
    `before` and `state` are the state before and after; `question` is what a human node asked in this visit; `settled`
    says that a person settled the step for the engine: its value comes from them and not from the node. `failure` is
    what a failure edge had brought to the node, `key` the step's idempotency key.
    """

    seq: int
    event: Any
    run: Run
    step: int
    before: Mapping[str, Value] = field(default_factory=dict)
    state: Mapping[str, Value] = field(default_factory=dict)
    question: QuestionRecord | None = None
    settled: bool = False
    failure: Failure | None = None
    key: str = ""

    @property
    def kind(self) -> Literal["begun", "forked", "finished", "failed", "withdrawn", "migrated"]:
        """What happened."""
        match self.event:
            case RunCreated():
                return "begun"
            case RunForked():
                return "forked"
            case StepFinished():
                return "finished"
            case StepFailed():
                return "failed"
            case StepWithdrawn():
                return "withdrawn"
            case _:
                return "migrated"

    @property
    def node(self) -> str:
        """The node whose step it was, under its name of then; START where a run begins."""
        return getattr(self.event, "node", None) or "START"

    @property
    def visit(self) -> int:
        return getattr(self.event, "visit", 0)

    @property
    def outcome(self) -> str | None:
        """The word the step was left by; a step that failed with nothing to catch it was not left."""
        if isinstance(self.event, StepFailed) and self.event.move is None:
            return None
        return getattr(self.event, "outcome", None)

    @property
    def routes(self) -> tuple[tuple[str, str], ...]:
        """The routes decided on the way, with their words."""
        return getattr(self.event, "routes", ())

    @property
    def wrote(self) -> tuple[str, ...]:
        """The fields that were written or dropped."""
        match self.event:
            case StepFinished():
                return self.event.writes
            case RunMigrated():
                return self.event.fields
            case RunCreated():
                return tuple(self.state)
            case RunForked():
                return self.event.edits
            case _:
                return ()


async def tape(ledger: Ledger, past: Past) -> AsyncIterator[Moment]:
    """Every moment of a run, its ancestors' first. Raises errors.StoreDamaged where a journal is not whole."""
    state: Mapping[str, Value] = {}
    for chapter in past.chapters:
        async for moment in _played(ledger, chapter, state):
            state = moment.state
            yield moment


async def _played(ledger: Ledger, chapter: Chapter, before: Mapping[str, Value]) -> AsyncIterator[Moment]:
    """What one run did. Only batches with a moment in them write, so the state changes from one moment to the next."""
    run: Run | None = None
    writes = _Writes(ledger, chapter.run, chapter.journal[-1].seq)
    state: Mapping[str, Value] = await ledger.at(chapter.run, 1)
    questions = _Questions()
    for recorded in chapter.journal:
        event, earlier = recorded.event, run
        run = begin(event) if run is None else advance(run, event)
        state = await writes.until(recorded.seq, state)
        questions.hear(event)
        if not isinstance(event, MOMENTS):
            continue
        asked, settled = questions.of(event)
        failure, key = None, ""
        if earlier is not None and isinstance(event, StepFinished | StepFailed):
            failure, key = earlier.caught.get(event.node), earlier.key(event.node, event.visit)
        yield Moment(recorded.seq, event, run, run.steps, before, state, asked, settled, failure, key)
        before = state


class _Writes:
    """The writes of a run in order, read in pieces."""

    def __init__(self, ledger: Ledger, run: RunId, last: int) -> None:
        self._ledger, self._run, self._last = ledger, run, last
        self._read = 1
        self._ahead: list[tuple[int, Any]] = []

    async def until(self, seq: int, state: Mapping[str, Value]) -> Mapping[str, Value]:
        """The state once the batches that begin up to an event are in it."""
        if seq > self._read:
            until = min(self._read + CHUNK, self._last)
            self._ahead += await self._ledger.written(self._run, self._read, until)
            self._read = until
        ready = [write for first, write in self._ahead if first <= seq]
        if not ready:
            return state
        self._ahead = self._ahead[len(ready) :]
        return after(state, ready, seq)


class _Questions:
    """The questions of visits that are under way."""

    def __init__(self) -> None:
        self._asked: dict[str, QuestionRecord] = {}
        self._answered: set[str] = set()

    def hear(self, event: Any) -> None:
        match event:
            case QuestionAsked():
                self._asked[event.question.node] = event.question
            case QuestionAnswered():
                self._answered.add(event.node)
            case RunMigrated():
                self._asked = {event.nodes.get(name, name): each for name, each in self._asked.items()}
                self._answered = {event.nodes.get(name, name) for name in self._answered}
            case _:
                pass

    def of(self, event: Any) -> tuple[QuestionRecord | None, bool]:
        """What was asked in the step that ended here, and whether the engine asked it and was answered."""
        if not isinstance(event, StepFinished | StepFailed):
            return None, False
        asked, answered = self._asked.pop(event.node, None), event.node in self._answered
        self._answered.discard(event.node)
        if asked is None or asked.visit != event.visit:
            return None, False
        return (asked, False) if asked.asks == "human" else (None, answered)


def plain_of(state: Mapping[str, Value]) -> dict[str, Any]:
    """A state as plain JSON."""
    return {name: value.json() for name, value in state.items()}
