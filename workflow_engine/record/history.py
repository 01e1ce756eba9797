"""What happened, step by step: a second fold of the journal, for people, pictures and reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from workflow_engine.errors import Failure
from workflow_engine.making import quickly
from workflow_engine.record import events as e
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.record.inbox import MIDWAY
from workflow_engine.record.usage import Usage
from workflow_engine.record.waiting import words_of

COMMITS = (e.StepFinished, e.StepFailed)
"""The events that end a step: their place among each other is the step's number."""


@quickly
@dataclass(frozen=True)
class StepRecord:
    """One visit of the run to one node. `step` numbers commits from 1; it is None while the step is not committed.

    `via` are the keys of the edges travelled when it was left; `outcome` the word, `words` what it last said. `run` is
    the run that does it, or did, where the node is a subflow. `withdrew` are nodes that were due in other arms of the
    fork that it left.
    """

    node: str
    kind: str
    visit: int
    status: Literal["finished", "failed", "waiting", "running"]
    attempts: int = 1
    step: int | None = None
    started: datetime | None = None
    seconds: float | None = None
    failure: Failure | None = None
    outcome: str | None = None
    routes: tuple[tuple[str, str], ...] = ()
    via: tuple[str, ...] = ()
    words: str = ""
    usage: Usage | None = None
    answered_by: tuple[str, ...] = ()
    question: QuestionId | None = None
    due: datetime | None = None
    run: RunId | None = None
    withdrew: tuple[str, ...] = ()
    items: tuple[int, int] | None = None
    """Of an `each` node: how many items are done, and how many failed for good."""


@dataclass
class _Items:
    """What the items of one visit came to so far."""

    done: int = 0
    failed: int = 0
    usage: Usage = Usage()
    answered_by: tuple[str, ...] = ()

    def add(self, event: e.ItemFinished | e.ItemFailed) -> None:
        if isinstance(event, e.ItemFinished):
            self.done += 1
        elif event.final:
            self.failed += 1
        if event.usage is not None:
            self.usage = self.usage + event.usage
        self.answered_by = tuple(dict.fromkeys((*self.answered_by, *event.answered_by)))


@dataclass
class _Paid:
    """What the calls of one agent's visit came to so far."""

    usage: Usage = Usage()
    answered_by: tuple[str, ...] = ()

    def add(self, event: e.CallFinished | e.CallFailed) -> None:
        if event.usage is not None:
            self.usage = self.usage + event.usage
        if isinstance(event, e.CallFinished):
            self.answered_by = tuple(dict.fromkeys((*self.answered_by, *event.answered_by)))


@dataclass(frozen=True)
class ChangeRecord:
    """One time the run went on with other code, after so many `steps`.

    `bodies` are the nodes whose body differs; `how` says how the shape does, `applied` which migrations were taken up,
    `accepted` what somebody accepted, each in words.
    """

    at: datetime
    steps: int
    bodies: tuple[str, ...] = ()
    how: tuple[str, ...] = ()
    applied: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()


@dataclass(frozen=True)
class History:
    """The steps in order of commit (open ones last) and the edges travelled before the first step.

    A fork's history begins with its parent's steps; so many are `missing` as can no longer be read there. Steps stand
    under the names their nodes had then; `nodes` and `edges` map those to what is called otherwise now. `withdrawn` are
    nodes whose last visit came to nothing, because their fork was left.
    """

    steps: tuple[StepRecord, ...]
    begun_via: tuple[str, ...] = ()
    missing: int = 0
    changes: tuple[ChangeRecord, ...] = ()
    nodes: Mapping[str, str] = field(default_factory=dict)
    edges: Mapping[str, str] = field(default_factory=dict)
    withdrawn: frozenset[str] = frozenset()

    @property
    def of_now(self) -> History:
        """The same with every step under the name its node has now, as the workflow of now can be drawn with it."""
        if not self.nodes and not self.edges:
            return self
        steps = (
            replace(
                each,
                node=self.nodes.get(each.node, each.node),
                via=self._via(each.via),
                routes=tuple((self.nodes.get(route, route), word) for route, word in each.routes),
            )
            for each in self.steps
        )
        withdrawn = frozenset(self.nodes.get(each, each) for each in self.withdrawn)
        begun = self._via(self.begun_via)
        return replace(self, steps=tuple(steps), begun_via=begun, nodes={}, edges={}, withdrawn=withdrawn)

    def _via(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        # A key may have the word behind it that says its bound was spent.
        return tuple(
            f"{self.edges[bare]} then"
            if (bare := key.removesuffix(" then")) != key and bare in self.edges
            else self.edges.get(key, key)
            for key in keys
        )

    def latest(self, node: str) -> StepRecord | None:
        """The last visit to a node."""
        return next((each for each in reversed(self.steps) if each.node == node), None)

    def of(self, node: str) -> tuple[StepRecord, ...]:
        """All visits to a node, in order."""
        return tuple(each for each in self.steps if each.node == node)


def history(journal: Iterable[Any]) -> History:
    """Fold a journal into its steps. A fork's follows on the journal of its parent up to the step it left anew."""
    done: list[StepRecord] = []
    missing = 0
    waiting: dict[str, StepRecord] = {}
    midway: dict[str, set[QuestionId]] = {}
    begun: tuple[str, ...] = ()
    entered: dict[tuple[str, int], RunId] = {}
    items: dict[str, _Items] = {}
    spread: set[str] = set()
    paid: dict[str, _Paid] = {}
    changes: list[ChangeRecord] = []
    nodes: dict[str, str] = {}
    edges: dict[str, str] = {}
    withdrawn: set[str] = set()
    for event in journal:
        move = getattr(event, "move", None)
        if move is not None and (move.entered or move.dropped):
            withdrawn.difference_update(move.entered)
            withdrawn.update(move.dropped)
            for node in move.dropped:
                waiting.pop(node, None)
                items.pop(node, None)
                midway.pop(node, None)
        match event:
            case e.RunCreated():
                begun = event.move.via
            case e.RunForked():
                waiting.clear()
                items.clear()
                paid.clear()
                nodes, edges = _then(nodes, event.nodes), _then(edges, event.edges)
                if event.step == 0:
                    begun = event.move.via
                else:
                    missing = missing if done else event.step - 1
                    done[-1:] = [_left_anew(event, done[-1] if done else None)]
            case e.QuestionAsked():
                asked = event.question
                if asked.asks in MIDWAY:
                    midway.setdefault(asked.node, set()).add(asked.id)
                waiting[asked.node] = StepRecord(
                    asked.node,
                    asked.asks if asked.asks in {"human", *MIDWAY} else "function",
                    asked.visit,
                    "waiting",
                    started=event.started or event.at,
                    question=asked.id,
                    due=asked.due,
                    words=asked.message or asked.title,
                )
            case e.SubflowEntered() if event.item is not None:
                began = waiting.get(event.node)
                started = event.at if began is None or began.visit != event.visit else began.started
                spread.add(event.node)
                waiting[event.node] = StepRecord(event.node, "each", event.visit, "running", started=started)
            case e.SubflowEntered():
                began = waiting.get(event.node)
                entered[event.node, event.visit] = event.run
                started = event.at if began is None or began.visit != event.visit else began.started
                waiting[event.node] = StepRecord(
                    event.node, "subflow", event.visit, "running", started=started, run=event.run
                )
            case e.WaitBegan():
                wait = event.waiting
                waiting[wait.node] = StepRecord(
                    wait.node,
                    "each" if wait.node in spread else "subflow" if wait.on == "run" else "wait",
                    wait.visit,
                    "waiting",
                    started=wait.since or event.at,
                    due=wait.until,
                    words=words_of(wait),
                    run=entered.get((wait.node, wait.visit)),
                )
            case e.QuestionAnswered() | e.QuestionExpired() if event.node in midway:
                midway[event.node].discard(event.question)
                if not midway[event.node]:  # its step goes on
                    del midway[event.node]
                    waiting.pop(event.node, None)
            case e.CodeChanged():
                changes.append(ChangeRecord(event.at, missing + len(done), event.nodes, event.how, (), event.accepted))
            case e.RunMigrated():
                changes.append(ChangeRecord(event.at, missing + len(done), applied=event.applied))
                waiting = {
                    (name := event.nodes.get(each.node, each.node)): replace(each, node=name)
                    for each in waiting.values()
                }
                items = {event.nodes.get(node, node): each for node, each in items.items()}
                spread = {event.nodes.get(node, node) for node in spread}
                paid = {event.nodes.get(node, node): each for node, each in paid.items()}
                midway = {event.nodes.get(node, node): each for node, each in midway.items()}
                withdrawn = {event.nodes.get(node, node) for node in withdrawn}
                entered = {(event.nodes.get(node, node), visit): run for (node, visit), run in entered.items()}
                nodes, edges = _then(nodes, event.nodes), _then(edges, event.edges)
            case e.QuestionWithdrawn() | e.WaitExpired():
                waiting.pop(event.node, None)
            case e.StepWithdrawn():
                waiting.pop(event.node, None)
                items.pop(event.node, None)
                paid.pop(event.node, None)
                midway.pop(event.node, None)
                withdrawn.add(event.node)
            case e.ItemFinished() | e.ItemFailed():
                items.setdefault(event.node, _Items()).add(event)
            case e.CallFinished() | e.CallFailed():
                paid.setdefault(event.node, _Paid()).add(event)
            case e.StepFinished():
                waiting.pop(event.node, None)
                done.append(
                    StepRecord(
                        event.node,
                        event.kind,
                        event.visit,
                        "finished",
                        event.attempts,
                        missing + len(done) + 1,
                        event.started,
                        event.seconds,
                        None,
                        event.outcome,
                        event.routes,
                        event.move.via,
                        event.words,
                        event.usage,
                        event.answered_by,
                        run=entered.get((event.node, event.visit)) if entered else None,
                        withdrew=event.move.dropped,
                    )
                )
                if event.node in items:
                    done[-1] = _with_items(done[-1], items, stays=False)
                if event.node in paid:
                    done[-1] = _with_paid(done[-1], paid.pop(event.node))
            case e.StepFailed():
                waiting.pop(event.node, None)
                done.append(
                    StepRecord(
                        event.node,
                        event.kind,
                        event.visit,
                        "failed",
                        event.attempts,
                        missing + len(done) + 1,
                        event.started,
                        event.seconds,
                        event.failure,
                        event.outcome,
                        (),
                        () if event.move is None else event.move.via,
                        event.failure.message,
                        event.usage,
                        event.answered_by,
                        run=entered.get((event.node, event.visit)) if entered else None,
                        withdrew=() if event.move is None else event.move.dropped,
                    )
                )
                if event.node in items:
                    done[-1] = _with_items(done[-1], items, stays=event.move is None)
                if event.node in paid:
                    done[-1] = _with_paid(done[-1], paid.pop(event.node))
            case _:
                pass
    return History(
        (*done, *waiting.values()), begun, missing, tuple(changes), nodes, edges, withdrawn=frozenset(withdrawn)
    )


def _then(names: Mapping[str, str], later: Mapping[str, str]) -> dict[str, str]:
    """The names of now for those of then, after one more change of names."""
    return {**later, **{old: later.get(new, new) for old, new in names.items()}}


def _with_items(record: StepRecord, items: dict[str, _Items], *, stays: bool) -> StepRecord:
    """The step with what its items came to; where it failed with nothing to catch it they count on, and cost anew."""
    those = items.pop(record.node)
    if stays:
        items[record.node] = _Items(those.done, those.failed)
    return replace(
        record,
        usage=those.usage if those.usage.requests else record.usage,
        answered_by=those.answered_by or record.answered_by,
        items=(those.done, those.failed),
    )


def _with_paid(record: StepRecord, paid: _Paid) -> StepRecord:
    """The step with what its calls cost."""
    return replace(
        record,
        usage=(record.usage or Usage()) + paid.usage,
        answered_by=tuple(dict.fromkeys((*paid.answered_by, *record.answered_by))),
    )


def _left_anew(event: e.RunForked, before: StepRecord | None) -> StepRecord:
    """The step a fork began at: its parent's, as the fork has it and left it."""
    assert event.node is not None
    record = before or StepRecord(event.node, event.kind, event.visit, "finished", step=event.step)
    return replace(
        record,
        status="finished" if event.failure is None else "failed",
        failure=event.failure,
        outcome=event.outcome,
        routes=event.routes,
        via=event.move.via,
        words=f"edited: {', '.join(event.edits)}" if event.edits else record.words,
    )


def unfinished(record: StepRecord, seconds: float) -> StepRecord:
    """The same step with the time it has taken so far."""
    return replace(record, seconds=seconds)
