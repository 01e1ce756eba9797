"""Documents: the fixed shapes of what is answered, as the OpenAPI document tells them. Times are ISO 8601, in UTC."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["queued", "running", "waiting", "succeeded", "failed", "cancelled", "damaged"]


class Document(BaseModel):
    """What all of them share: a field that is not told stays away."""

    model_config = ConfigDict(extra="forbid")


class SessionDocument(Document):
    """Who calls."""

    name: str
    role: Literal["viewer", "answerer", "operator"]
    groups: list[str]
    read_only: bool


class WorkflowDocument(Document):
    """A workflow that is served. `inputs` is the JSON Schema of what a run begins with, `state` that of all fields, of
    which a fork may edit any. `drives`: its runs go on in this process. `chat`: it can be talked with.
    """

    name: str
    title: str
    fields: list[str]
    inputs: dict[str, Any]
    state: dict[str, Any]
    nodes: list[NodeDocument]
    chat: bool
    drives: bool


class NodeDocument(Document):
    name: str
    kind: str
    writes: list[str]


class Parent(Document):
    run: str
    step: int


class Within(Document):
    run: str
    node: str
    visit: int


class ListedDocument(Document):
    """A run in a list. `cost` is in US dollars; null is unknown."""

    run: str
    workflow: str
    status: Status
    reason: str | None
    interrupted: bool
    created: str
    updated: str
    steps: int
    cost: float | None
    parent: Parent | None = None
    within: str | None = None


class RunsDocument(Document):
    """A page of runs, newest first. `next` is the `before` of the page that follows; null at the end."""

    items: list[ListedDocument]
    next: str | None


class UsageDocument(Document):
    requests: int
    input_tokens: int
    output_tokens: int
    cost: float | None


class ErrorDocument(Document):
    kind: str
    message: str
    step: int | None
    node: str


class StepFacts(Document):
    step: int | None
    node: str
    kind: str
    visit: int
    attempts: int
    status: Literal["finished", "failed", "waiting", "running"]
    started: str | None
    seconds: float | None
    error: str | None


class StepEntry(StepFacts):
    """A step of a run; `run` is the one that does it, where it is a subflow."""

    run: str | None = None


class TriedDocument(Document):
    node: str
    visit: int
    outcome: str


class ApprovedDocument(Document):
    by: str
    choice: str
    at: str


class QuestionDocument(Document):
    """A question that waits for an answer. `schema` is the JSON Schema of the answer."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    question: str
    run: str
    node: str
    title: str
    choices: list[str]
    schema_: dict[str, Any] = Field(alias="schema")
    due: str | None
    message: str
    evidence: list[str]
    tried: list[TriedDocument]
    asked: str | None
    to: str | None = None
    candidates: list[str] = []
    not_by: list[str] = []
    remind: list[str] = []
    reminded: int = 0
    default: Any = None
    approvals: dict[str, int] = {}
    approved: list[ApprovedDocument] = []


class AnswerDocument(Document):
    value: Any
    by: str
    at: str
    through: str
    authenticated: bool


class StandingDocument(QuestionDocument):
    """A question and what became of it. `attempts` is what was tried before it was asked, `then` what happens when it
    is due, `state` the state of its run; `mine`, whether the caller may answer it.
    """

    status: Literal["open", "answered", "expired", "withdrawn"]
    workflow: str
    answer: AnswerDocument | None
    then: str | None
    mine: bool
    state: dict[str, Any]


class SignalDocument(Document):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    name: str
    schema_: dict[str, Any] | None = Field(alias="schema")


class WaitDocument(Document):
    node: str
    visit: int
    on: Literal["signal", "time", "run"]
    signals: list[SignalDocument]
    first: bool
    came: list[str]
    runs: list[str]
    topic: str | None
    until: str | None
    since: str | None
    trouble: str | None


class ChangeDocument(Document):
    after: int
    at: str
    bodies: list[str]
    how: list[str]
    migrations: list[str]
    accepted: list[str]


class RunDocument(Document):
    """A run as it stands, in the shape of `workflow show --json`. `interrupted`: its process died; `seq` numbers the
    last of its events, after which a stream goes on.
    """

    schema_: Literal[1] = Field(alias="schema")
    run: str
    workflow: str
    fingerprint: str
    status: Status
    reason: str | None
    error: ErrorDocument | None
    state: dict[str, Any]
    questions: list[QuestionDocument]
    waits: list[WaitDocument]
    steps: list[StepEntry]
    usage: UsageDocument
    answered_by: list[str]
    interrupted: bool
    created: str
    updated: str
    seq: int
    changes: list[ChangeDocument] = []
    parent: Parent | None = None
    within: Within | None = None


class SentDocument(Document):
    sent: bool


class TryDocument(Document):
    attempt: int
    kind: str
    message: str
    wait: float


class DifferenceDocument(Document):
    """One thing that a step changed; `path` leads to it from its field."""

    field: str
    path: list[str | int]
    change: Literal["added", "removed", "changed"]
    before: Any
    after: Any


class StepDocument(StepFacts):
    """A step with all that is known of it. `reads` are the fields its node reads as they were before it, `wrote` those
    it wrote as it left them, `diff` what it changed; `does` is the run that did it, where it is a subflow.
    """

    run: str
    does: str | None
    outcome: str | None
    routes: list[list[str]]
    via: list[str]
    words: str
    writes: list[str]
    reads: dict[str, Any]
    wrote: dict[str, Any]
    diff: list[DifferenceDocument]
    tries: list[TryDocument]
    trace: str | None
    usage: UsageDocument | None
    answered_by: list[str]
    question: str | None
    story: list[dict[str, Any]] = []
    items: dict[str, Any] = {}


class StateDocument(Document):
    run: str
    step: int
    state: dict[str, Any]


class TimelineTry(Document):
    at: str
    attempt: int
    message: str


class Bar(Document):
    """A step on the timeline. One that waits or is under way has no `seconds` yet."""

    step: int | None
    node: str
    kind: str
    visit: int
    status: Literal["finished", "failed", "waiting", "running"]
    started: str | None
    seconds: float | None
    cost: float | None
    words: str
    tries: list[TimelineTry]


class TimelineDocument(Document):
    run: str
    created: str
    updated: str
    bars: list[Bar]


class LogEntry(Document):
    run: str
    node: str
    visit: int
    attempt: int
    item: int | None
    line: int
    at: str
    source: Literal["stdout", "stderr", "log", "step", "progress"]
    level: str | None
    logger: str | None
    text: str


class LogsDocument(Document):
    run: str
    lines: list[LogEntry]


class MetricsDocument(Document):
    """Figures of the whole store. `queue_age` is how many seconds the oldest run in the queue has stood there."""

    runs: dict[str, int]
    steps: int
    cost: float
    open_questions: int
    queue_age: float | None
    viewers: int
    streams: int


WorkflowDocument.model_rebuild()
