"""The facts of a journal: a closed union. Each is named in the past tense and readable without the workflow's code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Discriminator, TypeAdapter

from workflow_engine.errors import Failure
from workflow_engine.making import quickly
from workflow_engine.record.calls import CallFailed, CallFinished, CallRuled, CallStarted, TalkBegan
from workflow_engine.record.frontier import Frontier, Move
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.record.inbox import Answer, Approval, QuestionRecord
from workflow_engine.record.usage import Spent, Usage
from workflow_engine.record.waiting import Waiting
from workflow_engine.record.within import Within


@dataclass(frozen=True)
class RunCreated:
    """A run begins to exist, standing at its first nodes. `target` is a label: where its code was found.

    `deadline` is when its time-out passes, as its workflow said then; whoever claims it says it anew.
    """

    at: datetime
    run: RunId
    workflow: str
    shape: str
    bodies: Mapping[str, str]
    move: Move
    target: str | None = None
    parent: tuple[RunId, int] | None = None
    within: Within | None = None
    deadline: AwareDatetime | None = None
    type: Literal["RunCreated"] = "RunCreated"


@dataclass(frozen=True)
class RunForked:
    """A run begins to exist as another one at one of its steps: where that stood before the step, which is left anew.

    `parent` is the run whose journal holds the step, as event `seq` there; `step` 0 is START, and then `node` is None.
    `before` is where the parent stood, `move` leads from there; `edits` are the fields that were given other values.
    `failure` is what the step gave up with, where it is left by its `.failed` edge; `caught` what other due nodes know
    of failures. All that a fold needs is here, so that a fork outlives its parent. `applied`, `nodes` and `edges` are
    as in RunMigrated: a fork of a later version has `node`, `before` and `move` under the names of that.
    """

    at: datetime
    run: RunId
    workflow: str
    shape: str
    bodies: Mapping[str, str]
    parent: RunId
    step: int
    seq: int
    before: Frontier
    move: Move
    node: str | None = None
    kind: str = ""
    visit: int = 0
    outcome: str | None = None
    routes: tuple[tuple[str, str], ...] = ()
    edits: tuple[str, ...] = ()
    failure: Failure | None = None
    caught: Mapping[str, Failure] = field(default_factory=dict)
    target: str | None = None
    deadline: AwareDatetime | None = None
    applied: tuple[str, ...] = ()
    nodes: Mapping[str, str] = field(default_factory=dict)
    edges: Mapping[str, str] = field(default_factory=dict)
    type: Literal["RunForked"] = "RunForked"


@dataclass(frozen=True)
class RunClaimed:
    """A process took the run: to begin it, because somebody asked (resume), or because its owner died (recover)."""

    at: datetime
    epoch: int
    process: str
    verb: Literal["run", "resume", "recover", "answer", "cancel"]
    executor: str = "native"
    deadline: AwareDatetime | None = None
    type: Literal["RunClaimed"] = "RunClaimed"


@dataclass(frozen=True)
class CodeChanged:
    """Bodies differ from those the run was last driven with; `shape` is given when the shape differs too, and fits.

    `nodes` are those whose body differs; `how` says of nodes, fields and edges how their shape does; `accepted` are the
    consequences that somebody accepted, in words.
    """

    at: datetime
    bodies: Mapping[str, str]
    nodes: tuple[str, ...]
    shape: str | None = None
    how: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    type: Literal["CodeChanged"] = "CodeChanged"


@dataclass(frozen=True)
class RunMigrated:
    """The run took up what a later version of its workflow declares of earlier ones, in one commit with its writes.

    `applied` are the migrations as they are written. `nodes`, `edges` (by their keys) and `ways` (ways out that arrived
    at a join) map what was to what is called otherwise now; `forgotten` are the keys of bounds that are gone, with
    their counts; `fields` are those written or dropped.
    """

    at: datetime
    applied: tuple[str, ...] = ()
    nodes: Mapping[str, str] = field(default_factory=dict)
    edges: Mapping[str, str] = field(default_factory=dict)
    ways: Mapping[str, str] = field(default_factory=dict)
    forgotten: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    type: Literal["RunMigrated"] = "RunMigrated"


@quickly
@dataclass(frozen=True)
class EffectStarted:
    """An effect's body is about to run, for one item of an `each` node: on disk before it does."""

    at: datetime
    node: str
    visit: int
    key: str
    item: int | None = None
    type: Literal["EffectStarted"] = "EffectStarted"


@dataclass(frozen=True)
class SubflowEntered:
    """A visit to a subflow is done by a run of its own, which exists already: a new one, or the same one goes on.

    Of an `each` node, one item of the visit.
    """

    at: datetime
    node: str
    visit: int
    run: RunId
    item: int | None = None
    type: Literal["SubflowEntered"] = "SubflowEntered"


@dataclass(frozen=True)
class AttemptFailed:
    """One try failed and another follows after `wait` seconds; of an `each` node, one try of one item."""

    at: datetime
    node: str
    visit: int
    attempt: int
    failure: Failure
    wait: float
    item: int | None = None
    type: Literal["AttemptFailed"] = "AttemptFailed"


@quickly
@dataclass(frozen=True)
class ItemFinished:
    """One item of an `each` node is done; `text` is the typed JSON of its result. It never runs again in this visit."""

    at: datetime
    node: str
    visit: int
    item: int
    attempts: int
    seconds: float
    text: str
    words: str = ""
    usage: Usage | None = None
    answered_by: tuple[str, ...] = ()
    type: Literal["ItemFinished"] = "ItemFinished"


@quickly
@dataclass(frozen=True)
class ItemFailed:
    """One item of an `each` node gave up. `final`: the node goes on without it; otherwise a resume tries it again."""

    at: datetime
    node: str
    visit: int
    item: int
    attempts: int
    seconds: float
    failure: Failure
    final: bool
    usage: Usage | None = None
    answered_by: tuple[str, ...] = ()
    type: Literal["ItemFailed"] = "ItemFailed"


@quickly
@dataclass(frozen=True)
class StepFinished:
    """A node did its work; its writes and the move onward are in the same commit.

    `outcome` is the word it was left by, if any; `words` the last thing it said of itself; `routes` the routes decided
    on the way and their words.
    """

    at: datetime
    node: str
    kind: str
    visit: int
    attempts: int
    started: datetime
    seconds: float
    writes: tuple[str, ...]
    move: Move
    outcome: str | None = None
    routes: tuple[tuple[str, str], ...] = ()
    usage: Usage | None = None
    answered_by: tuple[str, ...] = ()
    words: str = ""
    type: Literal["StepFinished"] = "StepFinished"


@dataclass(frozen=True)
class StepFailed:
    """A node gave up. `move` is None when nothing catches it: then it stays due and the run will fail.

    `spent` is what budgets count after it where there is no move to tell it. `late` says that the run's time was up and
    that this is where it goes from there: it has no deadline any more.
    """

    at: datetime
    node: str
    kind: str
    visit: int
    attempts: int
    started: datetime
    seconds: float
    failure: Failure
    move: Move | None = None
    outcome: str = "failed"
    usage: Usage | None = None
    answered_by: tuple[str, ...] = ()
    spent: Mapping[str, Spent] = field(default_factory=dict)
    late: bool = False
    type: Literal["StepFailed"] = "StepFailed"


@dataclass(frozen=True)
class QuestionAsked:
    """A person is asked; the node rests."""

    at: datetime
    question: QuestionRecord
    started: datetime | None = None
    type: Literal["QuestionAsked"] = "QuestionAsked"


@dataclass(frozen=True)
class QuestionAnswered:
    """The run's owner took the one accepted answer up."""

    at: datetime
    question: QuestionId
    node: str
    visit: int
    answer: Answer
    type: Literal["QuestionAnswered"] = "QuestionAnswered"


@dataclass(frozen=True)
class QuestionReminded:
    """A question was asked again, as it was declared to be; `times` reminders in one where nobody was there earlier."""

    at: datetime
    question: QuestionId
    node: str
    visit: int
    to: str | None = None
    times: int = 1
    type: Literal["QuestionReminded"] = "QuestionReminded"


@dataclass(frozen=True)
class QuestionReassigned:
    """Somebody else is asked from now on. By oneself to oneself it is a claim: a candidate took it."""

    at: datetime
    question: QuestionId
    node: str
    visit: int
    to: str
    by: str
    before: str | None = None
    type: Literal["QuestionReassigned"] = "QuestionReassigned"


@dataclass(frozen=True)
class QuestionApproved:
    """One of several people whom a choice needs gave it; the others are waited for."""

    at: datetime
    question: QuestionId
    node: str
    visit: int
    answer: Answer
    approval: Approval
    type: Literal["QuestionApproved"] = "QuestionApproved"


@dataclass(frozen=True)
class QuestionExpired:
    """Nobody answered in time. `answer` is the declared default that holds now, if there is one."""

    at: datetime
    question: QuestionId
    node: str
    visit: int
    answer: Answer | None = None
    type: Literal["QuestionExpired"] = "QuestionExpired"


@dataclass(frozen=True)
class QuestionWithdrawn:
    """The run ended or moved on without the answer."""

    at: datetime
    question: QuestionId
    node: str
    visit: int
    type: Literal["QuestionWithdrawn"] = "QuestionWithdrawn"


@dataclass(frozen=True)
class StepWithdrawn:
    """A node is due no more, without a result: the run had left its fork while its step was under way.

    What was dropped in the very moment in which the fork was left, the move of that step says.
    """

    at: datetime
    node: str
    kind: str
    visit: int
    move: Move
    type: Literal["StepWithdrawn"] = "StepWithdrawn"


@dataclass(frozen=True)
class WaitBegan:
    """A node rests until a signal comes, a time, or the end of another run. Signals that came before are its own."""

    at: datetime
    waiting: Waiting
    type: Literal["WaitBegan"] = "WaitBegan"


@dataclass(frozen=True)
class SignalReceived:
    """The run's owner took a signal up: for the node that waits for it, or (None) for one that will."""

    at: datetime
    name: str
    id: str
    by: str
    payload: Any = None
    node: str | None = None
    visit: int = 0
    topic: str | None = None
    type: Literal["SignalReceived"] = "SignalReceived"


@dataclass(frozen=True)
class SignalRefused:
    """What a signal carries does not fit the node that waits for it, as only its code could tell: it waits on."""

    at: datetime
    name: str
    id: str
    node: str
    visit: int
    why: str
    type: Literal["SignalRefused"] = "SignalRefused"


@dataclass(frozen=True)
class WaitExpired:
    """What a node waited for did not come in time."""

    at: datetime
    node: str
    visit: int
    type: Literal["WaitExpired"] = "WaitExpired"


@dataclass(frozen=True)
class RunInterrupted:
    """Its owner let go of it, drained or stopped from outside: no step took the process down."""

    at: datetime
    type: Literal["RunInterrupted"] = "RunInterrupted"


@dataclass(frozen=True)
class RunFailed:
    """A failure nothing catches, and its siblings have finished."""

    at: datetime
    failure: Failure
    type: Literal["RunFailed"] = "RunFailed"


@dataclass(frozen=True)
class RunCancelled:
    """Somebody stopped it for good."""

    at: datetime
    by: str
    type: Literal["RunCancelled"] = "RunCancelled"


Event = Annotated[
    RunCreated
    | RunForked
    | RunClaimed
    | CodeChanged
    | RunMigrated
    | EffectStarted
    | SubflowEntered
    | AttemptFailed
    | ItemFinished
    | ItemFailed
    | TalkBegan
    | CallStarted
    | CallFinished
    | CallFailed
    | CallRuled
    | StepFinished
    | StepFailed
    | QuestionAsked
    | QuestionAnswered
    | QuestionReminded
    | QuestionReassigned
    | QuestionApproved
    | QuestionExpired
    | QuestionWithdrawn
    | WaitBegan
    | SignalReceived
    | SignalRefused
    | WaitExpired
    | StepWithdrawn
    | RunInterrupted
    | RunFailed
    | RunCancelled,
    Discriminator("type"),
]

_EVENT: TypeAdapter[Any] = TypeAdapter(Event)


@cache
def _of_kind(kind: Any) -> TypeAdapter[Any]:
    # A union looks for the event's kind among all of its own at each call.
    return TypeAdapter(kind)


def write_event(event: Any) -> str:
    """An event as one line of JSON, whole."""
    kind: Any = type(event)
    return _of_kind(kind).serializer.to_json(event).decode()


def kept_event(event: Any) -> str:
    """An event as one line of JSON without what stands at its default: a quarter shorter, and read back the same."""
    kind: Any = type(event)
    told = _of_kind(kind).serializer.to_json(event, exclude_defaults=True)
    return f'{told[:-1].decode()},"type":"{kind.__name__}"}}'


def read_event(text: str) -> Any:
    """The event of a line. Raises pydantic.ValidationError for anything that is none."""
    return _EVENT.validator.validate_json(text)


__all__ = [
    "AttemptFailed",
    "CallFailed",
    "CallFinished",
    "CallRuled",
    "CallStarted",
    "CodeChanged",
    "EffectStarted",
    "Event",
    "ItemFailed",
    "ItemFinished",
    "QuestionAnswered",
    "QuestionApproved",
    "QuestionAsked",
    "QuestionExpired",
    "QuestionReassigned",
    "QuestionReminded",
    "QuestionWithdrawn",
    "RunCancelled",
    "RunClaimed",
    "RunCreated",
    "RunFailed",
    "RunForked",
    "RunInterrupted",
    "RunMigrated",
    "SignalReceived",
    "SignalRefused",
    "StepFailed",
    "StepFinished",
    "StepWithdrawn",
    "SubflowEntered",
    "TalkBegan",
    "WaitBegan",
    "WaitExpired",
    "kept_event",
    "read_event",
    "write_event",
]
