"""The ledger port: the one door through which anything becomes durable, and the readings behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from workflow_engine.making import quickly
from workflow_engine.ports.queue import Queue
from workflow_engine.ports.topics import Topics
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.record.inbox import Letter, Standing
from workflow_engine.record.logs import LoggedPart, LogPage
from workflow_engine.record.people import Person
from workflow_engine.record.run import Run
from workflow_engine.record.values import Value, Write


@dataclass(frozen=True)
class Fence:
    """Proof of ownership: the epoch under which a process owns a run. A later owner raises it."""

    run: RunId
    epoch: int


@dataclass(frozen=True)
class Shared:
    """What a fork begins with: `fields` with the values they had in `run` as of its event `seq`."""

    run: RunId
    seq: int
    fields: tuple[str, ...]


@quickly
@dataclass(frozen=True)
class Batch:
    """What becomes durable together, or not at all.

    `events` are folded into `run` already, which is the run as of the last of them: their numbers are
    `run.seq - len(events) + 1 ... run.seq`. Questions asked, answered, expired and withdrawn are read off the events.
    `document` (the workflow as JSON) comes with the first batch of a run and after its shape changed. `shared` comes
    with the first batch of a fork; its fields are none of those written. `files` are the contents that it names, each
    by SHA-256 and size: a store that keeps files has them, and holds them as long as it has the run.
    """

    run: Run
    events: Sequence[Any]
    writes: Sequence[Write] = ()
    taken: Sequence[str] = ()
    document: Mapping[str, Any] | None = None
    shared: Shared | None = None
    files: Sequence[tuple[str, int]] = ()


@quickly
@dataclass(frozen=True)
class Snapshot:
    """A run and its state at rest, as stored; nothing here needs the workflow's code."""

    run: Run
    state: Mapping[str, Value]


@quickly
@dataclass(frozen=True)
class Recorded:
    """One event with its number in the run's journal (from 1)."""

    seq: int
    event: Any


@dataclass(frozen=True)
class Whole:
    """All that is kept of a run, as of one moment: every question it ever asked, and the letters not taken yet.

    An event may be decoded only when it is looked at, which raises errors.StoreDamaged where it is none.
    """

    run: Run
    state: Mapping[str, Value]
    journal: Sequence[Recorded]
    questions: Sequence[Standing]
    letters: Sequence[Letter]


@dataclass(frozen=True)
class Listed:
    """A run in a list. `letters` says that something from outside waits to be taken; a fork has a `parent`, and a run
    that is a subflow lies `within` another. `cost` is in US dollars; None is unknown.
    """

    run: RunId
    workflow: str
    status: str
    reason: str | None
    created: datetime
    updated: datetime
    steps: int
    letters: bool = False
    target: str | None = None
    parent: tuple[RunId, int] | None = None
    within: RunId | None = None
    cost: float | None = 0.0


@dataclass(frozen=True)
class Page:
    """Which runs to list: newest first, `before` a run for the next page. None means any.

    Those that lie within others are among them only if `children` says so. `search` is a part of a run's id or of its
    workflow's name; letters from A to Z fit in either case.
    """

    workflow: str | None = None
    status: str | None = None
    limit: int = 50
    before: RunId | None = None
    prefix: str = ""
    search: str = ""
    children: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


def found_in(search: str, *names: str) -> bool:
    """Whether one of these names holds what is searched for.

    >>> found_in("SHIP", "a1b2", "ship"), found_in("hip2", "a1b2", "ship")
    (True, False)
    """
    return any(lowered(search) in lowered(each) for each in names)


def lowered(text: str) -> str:
    """The text with small letters from A to Z, and every other as it is: what SQLite's own `lower` makes of it."""
    return "".join(each.lower() if each.isascii() else each for each in text)


class Ledger(Queue, Topics, Protocol):
    """Keeps runs. Every method may raise errors.StoreError; none runs code or imports anything that a store names.

    Ownership: `create` and `claim` make the caller the owner of a run until `release`, `close`, or the death of its
    process. Only owners commit; anybody may read, list and `send` letters.
    """

    async def create(self, batch: Batch) -> Fence:
        """Store a new run with its first batch (beginning with RunCreated or RunForked) and own it from the start.

        What a fork shares counts as written by this batch, and costs next to nothing however large it is. From then on
        neither run sees what the other writes. Raises errors.StoreError if what is shared is no longer there.
        """
        ...

    async def claim(self, run: RunId) -> tuple[Fence, Snapshot]:
        """Own the run: lock it, raise its epoch, read it.

        Raises errors.RunOwned if a living process (this one included) owns it, errors.RunNotFound,
        errors.StoreDamaged.
        """
        ...

    def commit(self, fence: Fence, batch: Batch) -> Awaitable[None]:
        """Make a batch durable. It takes its place in the queue before this returns, so the order of calls is the order
        of commits; the awaitable is done once the batch is on disk.

        Raises (when awaited) errors.FenceLost if the caller no longer owns the run or its journal has moved on. After
        one failure every later commit under the same fence fails too: what it builds on is not there.
        """
        ...

    def log(self, fence: Fence, page: LogPage) -> None:
        """Queue what an attempt said, as far as its fence holds; a commit that follows at once shares its transaction.

        Best effort: nothing waits for it, what goes wrong loses these lines and no commit, and a part that is there
        already is written over.
        """
        ...

    async def release(self, fence: Fence) -> None:
        """Stop owning the run. Releasing twice, or after the fence was lost, is allowed."""
        ...

    async def owned(self, run: RunId) -> bool:
        """Whether a living process owns the run right now."""
        ...

    async def read(self, run: RunId) -> Snapshot:
        """The run and its state. Raises errors.RunNotFound, errors.StoreDamaged."""
        ...

    async def whole(self, run: RunId) -> Whole:
        """All of a run in one reading. Raises errors.RunNotFound, errors.StoreDamaged."""
        ...

    async def at(self, run: RunId, seq: int) -> Mapping[str, Value]:
        """The state as of an event's number. A batch is one moment: what it wrote counts from its first event on."""
        ...

    async def written(self, run: RunId, after: int, until: int) -> Sequence[tuple[int, Write]]:
        """What was written by the batches that begin above event `after` and not above `until`, in order.

        With each write stands the number of its batch's first event, as of which it counts. What a fork shares is no
        write: a replay begins with `at(run, 1)` and goes on from there. Raises errors.RunNotFound, errors.StoreDamaged.
        """
        ...

    async def journal(self, run: RunId, after: int = 0) -> Sequence[Recorded]:
        """The events numbered above `after`, in order."""
        ...

    async def logs(self, run: RunId, after: int = 0, most: int = 64) -> Sequence[LoggedPart]:
        """What attempts of a run said, in the order in which it was stored: parts with a place above `after`."""
        ...

    async def document(self, run: RunId) -> Mapping[str, Any]:
        """The workflow the run was last driven with, as JSON."""
        ...

    async def runs(self, page: Page) -> Sequence[Listed]:
        """A page of runs, newest first. Damaged runs are listed with status "damaged"."""
        ...

    async def find(self, prefix: str) -> Sequence[RunId]:
        """Up to three runs whose id begins with `prefix`; "@last" is the run created last. One that lies within another
        is meant only where no other fits.
        """
        ...

    async def unfinished(self) -> Sequence[RunId]:
        """Runs with status running, or waiting with letters: the ones a death may have left behind, oldest first."""
        ...

    async def due(self, now: datetime) -> Sequence[RunId]:
        """Runs, waiting or running, of which a question or a wait is over by `now`, the longest overdue first. Found
        without reading any run.
        """
        ...

    async def next_due(self, after: datetime) -> datetime | None:
        """When the next question or wait of any such run is over, later than `after`: until then a worker may sleep."""
        ...

    async def questions(self, run: RunId | None = None) -> Sequence[Standing]:
        """Open questions without an answer (of one run: every question it ever asked), oldest first."""
        ...

    async def question(self, question: QuestionId) -> Standing:
        """One question and what became of it. Raises errors.QuestionNotFound."""
        ...

    async def send(self, letter: Letter) -> bool:
        """Put a letter into a run's box; durable when this returns. False if one of its id was sent before, which
        then counts alone.

        Raises errors.AlreadyAnswered for a second answer to one question, errors.QuestionNotFound,
        errors.RunNotFound, errors.RunEnded.
        """
        ...

    async def letters(self, run: RunId) -> Sequence[Letter]:
        """Letters not taken yet, oldest first."""
        ...

    async def boxes(self) -> Sequence[RunId]:
        """Runs with letters not taken yet."""
        ...

    async def people(self) -> Sequence[Person]:
        """Everybody the store knows, by name. Raises errors.StoreDamaged: nobody is taken for somebody else."""
        ...

    async def enrol(self, person: Person) -> None:
        """Know somebody from now on, or know them by another token and other groups."""
        ...

    async def dismiss(self, name: str) -> bool:
        """Know somebody no more; whether they were known."""
        ...

    async def changed(self, since: int) -> int:
        """A number that differs from `since` once anything was stored by anybody; cheap enough to ask often."""
        ...

    async def stirred(self, since: int) -> tuple[int, Sequence[RunId]]:
        """A number that grows with every fact and every letter, and the runs of those above `since`, each once.

        Cheap however many runs there are. Below zero means from now on: no run. A number lower than `since` says that
        facts were removed meanwhile, and that any run may have changed.
        """
        ...

    async def close(self) -> None:
        """Finish what is queued and let go of every run and file."""
        ...
