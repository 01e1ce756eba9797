"""The board: where each node of a run stands right now, folded from what a listener hears."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from workflow_engine.cli.figures import duration, line
from workflow_engine.ports.listener import Began, Heard, Said
from workflow_engine.record import events as e
from workflow_engine.record.usage import Usage
from workflow_engine.record.waiting import words_of

TAIL = 60
"""Letters of what an agent says that are kept to be shown: the end of it."""

Standing = Literal[
    "not reached", "running", "done", "looping", "retrying", "waiting", "failed", "interrupted", "cancelled"
]


@dataclass
class Row:
    """One node: its present visit and try, what that took, and what all its visits took together."""

    node: str
    kind: str = "function"
    standing: Standing = "not reached"
    visit: int = 0
    attempt: int = 0
    seconds: float = 0.0
    took: float | None = None
    usage: Usage = field(default_factory=Usage)
    words: str = ""
    since: float | None = None
    said: str = ""

    def hear(self, piece: Mapping[str, Any]) -> None:
        """What an agent says or does just now is its last word: the end of what it says, or the tool it uses."""
        match piece.get("item"):
            case "delta":
                said = f"{self.said}{piece.get('text', '')}"
                self.said = said if len(said) <= TAIL else f"…{said[1 - TAIL :]}"
                self.words = line(self.said)
            case "tool_call":
                self.said, self.words = "", line(f"uses {piece.get('tool', '')} {_plain(piece.get('arguments'))}")
            case "tool_result" | "message" | "reasoning":
                self.said = ""  # what comes next is said anew
            case "broken_off":
                self.said = self.words = ""
            case "handoff":
                self.said, self.words = "", line(f"hands over to {piece.get('to', '')}")
            case _:
                pass

    def elapsed(self, now: float) -> float | None:
        """Seconds so far, those of the step under way included; None where nothing has taken time yet."""
        if self.since is None and self.took is None and not self.seconds:
            return None
        return self.seconds + (max(0.0, now - self.since) if self.since is not None else 0.0)


class Board:
    """Rows in the order of the edge table, then in that of arrival. `clock` counts seconds from anywhere."""

    def __init__(self, nodes: Iterable[tuple[str, str]] = (), *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rows = {name: Row(name, kind) for name, kind in nodes}
        self.clock = clock
        self.begun: datetime | None = None

    def row(self, node: str) -> Row:
        return self.rows.setdefault(node, Row(node))

    def hear(self, event: Any, *, past: bool = False) -> Row | None:
        """Take one fact in; the row it changed, if any. `past` facts are told again: nothing is under way in them."""
        now = None if past else self.clock()
        match event:
            case e.RunCreated() | e.RunForked():
                self.begun = event.at
                return None
            case Began():
                row = self._at(event.node, event.visit, event.attempt)
                row.kind, row.standing = event.kind, "running"
                row.since = now if row.since is None else row.since
            case Said():
                row = self.row(event.node)
                row.words = event.words
            case Heard():
                row = self.row(event.node)
                row.hear(event.piece)
            case e.AttemptFailed():
                row = self._at(event.node, event.visit, event.attempt)
                row.standing = "retrying"
                row.words = f"{event.failure.message}; again in {duration(event.wait)}"
            case e.StepWithdrawn():
                row = self._withdrawn(event.node)
                row.kind = event.kind
            case e.CallFinished() | e.CallFailed() if event.usage is not None:
                row = self.row(event.node)
                row.usage = row.usage + event.usage
                return None
            case e.StepFinished():
                row = self._left(event)
                # A second visit has come by a loop, or by a person's answer: either way it is not the first try.
                row.standing = "looping" if event.visit > 1 else "done"
                row.words = finished_words(event)
            case e.StepFailed():
                row = self._left(event)
                row.standing, row.words = "failed", event.failure.message
            case e.QuestionAsked():
                row = self._at(event.question.node, event.question.visit, row_attempt(self, event.question.node))
                row.standing, row.since = "waiting", None
                row.kind = "human" if event.question.asks == "human" else row.kind
                row.words = line(event.question.message or event.question.title)
            case e.QuestionReminded():
                row = self._resting(event.node, event.visit)
                row.words = line(f"asked again{f' of {event.to}' if event.to else ''}")
            case e.QuestionReassigned():
                row = self._resting(event.node, event.visit)
                taken = event.to == event.by
                row.words = line(f"{event.to} took it" if taken else f"asked of {event.to} now, by {event.by}")
            case e.QuestionApproved():
                row = self._resting(event.node, event.visit)
                row.words = line(f"{event.approval.choice} by {event.approval.by}; others are waited for")
            case e.QuestionExpired() | e.QuestionWithdrawn():
                row = self._resting(event.node, event.visit)
                row.words = "nobody answered in time" if event.type == "QuestionExpired" else "no longer asked"
            case e.SubflowEntered():
                row = self._at(event.node, event.visit, 1)
                row.standing, row.since = "running", now if row.since is None else row.since
                row.kind = "subflow" if event.item is None else "each"
                row.words = line(f"{'' if event.item is None else f'item {event.item} '}as run {event.run}")
            case e.WaitBegan():
                row = self._at(event.waiting.node, event.waiting.visit, 1)
                row.standing, row.since, row.words = "waiting", None, line(words_of(event.waiting))
                row.kind = row.kind if row.kind == "each" else "subflow" if event.waiting.on == "run" else "wait"
            case e.SignalReceived() if event.node is not None:
                row = self._resting(event.node, event.visit)
                row.words = line(f"signal {event.name} came (by {event.by})")
            case e.SignalRefused():
                row = self._resting(event.node, event.visit)
                row.words = line(f"signal {event.name} does not fit: {event.why}")
            case e.WaitExpired():
                row = self._resting(event.node, event.visit)
                row.words = "nothing came in time"
            case e.RunCancelled():
                for each in self.rows.values():
                    each.since = None
                return None
            case _:
                return None
        return row

    def rest(self) -> None:
        """Nothing is under way any more: a step that was is due again."""
        now = self.clock()
        for row in self.rows.values():
            if row.since is not None:
                row.seconds += max(0.0, now - row.since)
                row.since, row.standing = None, "interrupted"

    def _at(self, node: str, visit: int, attempt: int) -> Row:
        row = self.row(node)
        if visit != row.visit:
            row.words, row.took = "", None
        row.visit, row.attempt = visit, attempt
        return row

    def _resting(self, node: str, visit: int) -> Row:
        """The row of a node that waits, also where nobody here heard it begin to."""
        row = self.row(node)
        if visit != row.visit:
            row = self._at(node, visit, 1)
            row.standing = "waiting"
        return row

    def _withdrawn(self, node: str) -> Row:
        """The row of a node whose fork was left before its step came to anything."""
        row = self.row(node)
        row.standing, row.since, row.words = "cancelled", None, "withdrawn"
        return row

    def _left(self, event: e.StepFinished | e.StepFailed) -> Row:
        row = self._at(event.node, event.visit, event.attempts)
        row.kind, row.since = event.kind, None
        row.took = event.seconds
        row.seconds += event.seconds
        row.usage = row.usage + (event.usage or Usage())
        for each in event.move.dropped if event.move is not None else ():
            self._withdrawn(each)
        return row


def row_attempt(board: Board, node: str) -> int:
    """The try a node is at; asking is the end of its first."""
    return max(1, board.row(node).attempt)


def finished_words(event: e.StepFinished) -> str:
    """What a step says of itself, and the words it was left by."""
    decided = [word for _, word in event.routes]
    if event.outcome is not None and event.outcome not in event.words:
        decided.insert(0, event.outcome)
    way = f"→ {', '.join(decided)}" if decided else ""
    withdrew = f"(withdrew {', '.join(event.move.dropped)})" if event.move.dropped else ""
    return line(" ".join(part for part in (event.words, way, withdrew) if part))


def _plain(arguments: Any) -> str:
    """The arguments of a tool, in a few words."""
    if isinstance(arguments, Mapping):
        return ", ".join(f"{name}={value}" for name, value in arguments.items())
    return str(arguments or "")
