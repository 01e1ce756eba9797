"""A run: the fold of its journal. `advance` is the one place where a run changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar, assert_never

from workflow_engine.errors import Failure
from workflow_engine.record import events as e
from workflow_engine.record.frontier import Frontier
from workflow_engine.record.ids import RunId
from workflow_engine.record.inbox import Open
from workflow_engine.record.usage import Usage

T = TypeVar("T")
Status = Literal["queued", "running", "waiting", "succeeded", "failed", "cancelled"]
INTERRUPTED = "interrupted"
FINAL: frozenset[str] = frozenset({"succeeded", "cancelled"})


@dataclass(frozen=True)
class Run:
    """Where one run stands. Its size does not grow with the number of steps it took.

    `seq` numbers the last event folded, `steps` the steps finished or failed, `asked` the questions ever asked. A fork
    has a `parent`, the run and the step it was left anew at: its `steps` count on from there, and what was asked, used
    and answered before is its parent's.
    `failed` are due nodes that gave up with nothing to catch it; `caught` is what a failure edge brought to a node.
    `doubts` are effects that were started and not finished. `deaths` counts how often a due node's process died.
    """

    id: RunId
    workflow: str
    shape: str
    bodies: Mapping[str, str]
    created: datetime
    updated: datetime
    target: str | None = None
    parent: tuple[RunId, int] | None = None
    status: Status = "queued"
    reason: str | None = None
    error: Failure | None = None
    frontier: Frontier = Frontier()
    seq: int = 0
    steps: int = 0
    asked: int = 0
    open: tuple[Open, ...] = ()
    failed: Mapping[str, Failure] = field(default_factory=dict)
    caught: Mapping[str, Failure] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)
    deaths: Mapping[str, int] = field(default_factory=dict)
    usage: Usage = Usage()
    answered_by: tuple[str, ...] = ()

    @property
    def resting(self) -> frozenset[str]:
        """Due nodes that wait for an answer."""
        return frozenset(each.node for each in self.open)

    @property
    def ended(self) -> bool:
        """Whether nothing will change this run again, save a resume of a failed step."""
        return self.status in FINAL or self.frontier.ended is not None

    def question(self, node: str) -> Open | None:
        """The open question of a due node."""
        return next((each for each in self.open if each.node == node), None)


def _with(run: Run, **changes: Any) -> Run:
    # dataclasses.replace goes through every field and through __init__, which costs ten times this, thrice a step.
    made = object.__new__(Run)
    made.__dict__.update(run.__dict__, **changes)
    return made


def begin(event: e.RunCreated | e.RunForked) -> Run:
    """The run as its first event leaves it."""
    run = Run(
        id=event.run,
        workflow=event.workflow,
        shape=event.shape,
        bodies=event.bodies,
        created=event.at,
        updated=event.at,
        target=event.target,
        frontier=Frontier().after(event.move),
        seq=1,
    )
    if isinstance(event, e.RunForked):
        run = _with(
            run,
            parent=(event.parent, event.step),
            frontier=event.before.after(event.move),
            steps=event.step,
            caught=_caught(event),
        )
    return _settled(run)


def _caught(event: e.RunForked) -> Mapping[str, Failure]:
    if event.failure is None:
        return event.caught
    return {**event.caught, **dict.fromkeys(event.move.entered, event.failure)}


def fold(journal: Iterable[Any]) -> Run:
    """The run a whole journal tells of. Raises ValueError if it does not begin with RunCreated or RunForked."""
    facts = iter(journal)
    first = next(facts, None)
    if not isinstance(first, e.RunCreated | e.RunForked):
        raise ValueError("a journal begins with RunCreated or RunForked")
    run = begin(first)
    for event in facts:
        run = advance(run, event)
    return run


def advance(run: Run, event: Any) -> Run:
    """The run after one more fact. A succeeded or cancelled run never changes."""
    if run.status in FINAL:
        return run
    run = _with(run, seq=run.seq + 1, updated=event.at)
    match event:
        case e.RunCreated() | e.RunForked():
            return run
        case e.RunClaimed():
            deaths = _deaths(run) if event.verb == "recover" else run.deaths
            run = _with(run, status="running", reason=None, error=None, failed={}, deaths=deaths)
        case e.CodeChanged():
            run = _with(run, bodies=event.bodies, shape=event.shape or run.shape)
        case e.EffectStarted():
            run = _with(run, doubts={**run.doubts, event.node: event.key})
        case e.AttemptFailed():
            pass
        case e.StepFinished():
            run = _with(_left(run, event), frontier=run.frontier.after(event.move))
        case e.StepFailed():
            run = _left(run, event)
            if event.move is None:
                run = _with(run, failed={**run.failed, event.node: event.failure})
            else:
                caught = {**run.caught, **dict.fromkeys(event.move.entered, event.failure)}
                run = _with(run, frontier=run.frontier.after(event.move), caught=caught)
        case e.QuestionAsked():
            asked = event.question
            opened = Open(asked.id, asked.node, asked.visit, asked.due, asked.asks)
            run = _with(run, asked=run.asked + 1, open=(*run.open, opened))
        case e.QuestionAnswered() | e.QuestionExpired() | e.QuestionWithdrawn():
            run = _with(run, open=tuple(each for each in run.open if each.id != event.question))
        case e.RunInterrupted():
            return _with(run, reason=INTERRUPTED)
        case e.RunFailed():
            return _with(run, status="failed", error=event.failure, reason=None)
        case e.RunCancelled():
            return _with(run, status="cancelled", reason=event.by)
        case _:
            assert_never(event)
    return _settled(run)


def _deaths(run: Run) -> Mapping[str, int]:
    """How often each due node's process died, with this death; none is counted where the owner let go politely."""
    if run.reason == INTERRUPTED:
        return run.deaths
    return {**run.deaths, **{node: run.deaths.get(node, 0) + 1 for node in run.frontier.due if node not in run.resting}}


def _left(run: Run, event: e.StepFinished | e.StepFailed) -> Run:
    return _with(
        run,
        steps=run.steps + 1,
        doubts=_without(run.doubts, event.node),
        deaths=_without(run.deaths, event.node),
        caught=_without(run.caught, event.node),
        usage=run.usage if event.usage is None else run.usage + event.usage,
        answered_by=tuple(dict.fromkeys((*run.answered_by, *event.answered_by))),
    )


def _without(known: Mapping[str, T], node: str) -> Mapping[str, T]:
    return {name: each for name, each in known.items() if name != node} if node in known else known


def _settled(run: Run) -> Run:
    """The status that follows from where the run stands."""
    ended = run.frontier.ended
    if ended == "END":
        return _with(run, status="succeeded", reason=None)
    if ended is not None:
        why = ended.removeprefix("FAIL: ")
        return _with(run, status="failed", reason=why, error=Failure("FAIL", "declared", why))
    if run.open and run.resting >= set(run.frontier.due):
        return _with(run, status="waiting", reason="person")
    return _with(run, status="running", reason=None) if run.status == "waiting" else run
