"""Stretches: a third fold of the journal, into the bars of a timeline, by node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias

from workflow_engine.draw.diagram import Status
from workflow_engine.record import events as e
from workflow_engine.record.run import Run
from workflow_engine.record.waiting import words_of

What: TypeAlias = Literal["attempt", "wait", "pause", "item"]
"""What a bar is: a try of a step, a wait for a person, signal or time, the pause between two tries, one item."""


@dataclass(frozen=True)
class Bar:
    """`start` and `end` are seconds since the run began; an open bar ends where the picture does."""

    start: float
    end: float
    what: What
    status: Status
    visit: int
    attempt: int = 1
    label: str = ""
    open: bool = False
    lane: int = 0

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass
class _Visit:
    """A visit under way: since when its try runs (None while nobody works at it), and what it waits for since when."""

    number: int
    begun: float | None
    attempt: int = 1
    waits: dict[str, tuple[float, str]] = field(default_factory=dict)
    midway: bool = False
    rested: bool = False


@dataclass
class Stretches:
    """`bars` by node; `left` are steps left, with the ways taken; `spent` what was used when, in dollars and tokens."""

    begun: datetime
    interrupted: bool = False
    bars: dict[str, list[Bar]] = field(default_factory=dict)
    left: list[tuple[float, str, tuple[str, ...], str | None]] = field(default_factory=list)
    moments: list[tuple[float, str]] = field(default_factory=list)
    spent: list[tuple[float, float, int]] = field(default_factory=list)
    _open: dict[str, _Visit] = field(default_factory=dict)
    _visits: dict[str, int] = field(default_factory=dict)
    _claimed: bool = False

    def take(self, event: Any) -> None:
        """Fold one more event."""
        at = self._at(event.at)
        usage = getattr(event, "usage", None)
        if usage is not None:
            self.spent.append((at, usage.cost or 0.0, usage.input_tokens + usage.output_tokens))
        match event:
            case e.RunForked():
                for node in list(self._open):
                    self._end(node, at, "cancelled")
                self._rename(event.nodes)
                self._visits = dict(event.before.visits)
                self._claimed = False
                self.moments.append((at, "forked"))
            case e.RunMigrated():
                self._rename(event.nodes)
            case e.RunClaimed():
                self._claim(event, at)
            case e.RunInterrupted():
                for visit, node in self._working():
                    self._bar(node, visit, visit.begun or at, at, "attempt", "interrupted", "stopped")
                    visit.begun = None
            case e.AttemptFailed() if event.item is None and event.node in self._open:
                visit = self._open[event.node]
                if visit.begun is not None:
                    self._bar(event.node, visit, visit.begun, at, "attempt", "failed")
                self._bar(event.node, visit, at, at + event.wait, "pause", "not reached")
                visit.begun, visit.attempt = at + event.wait, event.attempt + 1
            case e.ItemFinished() | e.ItemFailed():
                self._item(event, at)
            case e.QuestionAsked():
                asked = event.question
                words = "asked" + (f" {asked.to}" if asked.to else "")
                self._wait(asked.node, asked.id, at, words, midway=asked.asks != "human")
            case e.QuestionAnswered():
                self._waited(event.node, event.question, at, "done", f"answered by {event.answer.by}")
            case e.QuestionExpired():
                self._waited(event.node, event.question, at, "cancelled", "expired")
            case e.QuestionWithdrawn():
                self._waited(event.node, event.question, at, "cancelled", "withdrawn")
            case e.WaitBegan():
                self._wait(event.waiting.node, "", at, words_of(event.waiting), midway=event.waiting.on == "run")
            case e.WaitExpired():
                self._waited(event.node, "", at, "cancelled", "expired")
            case e.StepFinished() | e.StepFailed():
                self._step(event, at)
            case e.StepWithdrawn():
                self._end(event.node, at, "cancelled")
            case e.RunCancelled():
                for node in list(self._open):
                    self._end(node, at, "cancelled")
            case _:
                pass
        if (move := getattr(event, "move", None)) is not None:
            for node in move.dropped:
                self._end(node, at, "cancelled")
            for node in move.entered:
                self._visits[node] = self._visits.get(node, 0) + 1
                self._open[node] = _Visit(self._visits[node], at if self._claimed else None)

    def close(self, at: float, run: Run) -> None:
        """What is still under way ends with the picture."""
        for node, visit in self._open.items():
            for begun, words in visit.waits.values():
                self._bar(node, visit, begun, at, "wait", "waiting", words, still=True)
            if visit.waits or visit.begun is None or node not in run.frontier.due or run.status != "running":
                continue
            self._bar(
                node, visit, visit.begun, at, "attempt", "interrupted" if self.interrupted else "running", still=True
            )

    def _at(self, moment: datetime) -> float:
        return max(0.0, (moment - self.begun).total_seconds())

    def _working(self) -> Iterable[tuple[_Visit, str]]:
        return [(each, node) for node, each in self._open.items() if each.begun is not None and not each.waits]

    def _claim(self, event: e.RunClaimed, at: float) -> None:
        if event.verb in ("recover", "resume"):
            self.moments.append((at, "recovered" if event.verb == "recover" else "resumed"))
        if self._claimed and event.verb == "recover":
            for visit, node in self._working():
                self._bar(node, visit, visit.begun or at, at, "attempt", "interrupted", "its process died in here")
        self._claimed = True
        for visit in self._open.values():
            if not visit.waits:
                visit.begun, visit.attempt = at, 1

    def _step(self, event: e.StepFinished | e.StepFailed, at: float) -> None:
        visit = self._open.get(event.node) or _Visit(event.visit, None)
        for key in list(visit.waits):
            self._waited(event.node, key, at, "done", event.outcome or "")
        # A person's or a signal's step is its wait: what is left of it takes no time.
        begun = self._at(event.started) if visit.begun is None else max(visit.begun, self._at(event.started))
        if not visit.rested or (visit.midway and begun < at):
            status: Status = "failed" if isinstance(event, e.StepFailed) else "done"
            label = event.failure.kind if isinstance(event, e.StepFailed) else ""
            self._bar(event.node, replace(visit, attempt=event.attempts), min(begun, at), at, "attempt", status, label)
        elif (bars := self.bars.get(event.node)) and not visit.midway:
            bars[-1] = replace(bars[-1], label=event.outcome or bars[-1].label)
        self.left.append((at, event.node, () if event.move is None else event.move.via, event.outcome))
        if event.move is None:
            self._open[event.node] = _Visit(event.visit, None)
        else:
            self._open.pop(event.node, None)

    def _wait(self, node: str, key: str, at: float, words: str, *, midway: bool) -> None:
        """It rests; one that asks or waits in the middle of its work has worked until then."""
        visit = self._open.setdefault(node, _Visit(self._visits.get(node, 1), None))
        if midway and visit.begun is not None and at > visit.begun and not visit.waits:
            self._bar(node, visit, visit.begun, at, "attempt", "done")
        visit.begun = None
        visit.waits.setdefault(key, (at, words))
        visit.rested = True
        visit.midway = visit.midway or midway

    def _waited(self, node: str, key: str, at: float, status: Status, words: str) -> None:
        visit = self._open.get(node)
        if visit is None or key not in visit.waits:
            return
        begun, _ = visit.waits.pop(key)
        self._bar(node, visit, begun, at, "wait", status, words)
        if not visit.waits:
            visit.begun = at

    def _item(self, event: e.ItemFinished | e.ItemFailed, at: float) -> None:
        visit = _Visit(event.visit, None, event.attempts)
        failed = isinstance(event, e.ItemFailed)
        self._bar(
            event.node,
            visit,
            max(0.0, at - event.seconds),
            at,
            "item",
            "failed" if failed else "done",
            f"item {event.item}",
        )

    def _end(self, node: str, at: float, status: Status) -> None:
        visit = self._open.pop(node, None)
        if visit is None:
            return
        for begun, words in visit.waits.values():
            self._bar(node, visit, begun, at, "wait", status, words)
        if not visit.waits and visit.begun is not None:
            self._bar(node, visit, visit.begun, at, "attempt", status)

    def _bar(
        self,
        node: str,
        visit: _Visit,
        begun: float,
        at: float,
        what: What,
        status: Status,
        label: str = "",
        *,
        still: bool = False,
    ) -> None:
        begun = min(begun, at)
        self.bars.setdefault(node, []).append(Bar(begun, at, what, status, visit.number, visit.attempt, label, still))

    def _rename(self, nodes: Any) -> None:
        kept: dict[str, Any]
        for kept in (self.bars, self._open, self._visits):
            renamed = {nodes.get(node, node): each for node, each in kept.items()}
            kept.clear()
            kept.update(renamed)
        self.left = [(at, nodes.get(node, node), via, outcome) for at, node, via, outcome in self.left]
