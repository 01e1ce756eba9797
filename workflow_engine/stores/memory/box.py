"""One run as the ledger in memory keeps it: texts, as a file would hold them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from workflow_engine.record.ids import RunId
from workflow_engine.record.run import Run
from workflow_engine.record.values import Value, Write, set_to
from workflow_engine.stores.texts import run_of_text


@dataclass
class Question:
    """A question as a file would keep it."""

    text: str
    run: RunId
    status: Any = "open"
    answer: str | None = None


@dataclass
class Box:
    """One run as a file would keep it, in texts; `seen` are the objects that were handed in, to compare them later."""

    text: str
    epoch: int = 1
    document: str | None = None
    journal: list[str] = field(default_factory=list)
    seen: list[Any] = field(default_factory=list)
    writes: list[tuple[int, int, Write]] = field(default_factory=list)
    shared: dict[str, Value] = field(default_factory=dict)
    letters: dict[str, str] = field(default_factory=dict)
    logs: dict[tuple[int, int], tuple[int, str]] = field(default_factory=dict)
    logged: int = 0
    files: set[tuple[str, int]] = field(default_factory=set)
    lost: bool = False

    @property
    def run(self) -> Run:
        """The run, decoded anew: whoever gets it may do with it what they like."""
        return run_of_text(self.text)

    def state(self, seq: int) -> dict[str, Value]:
        """The fields as of an event, with all that its batch wrote."""
        state = dict(self.shared) if seq > 0 else {}
        for first, at, write in self.writes:
            if first <= seq:
                before = state.get(write.field)
                if write.op == "drop":
                    state.pop(write.field, None)
                else:
                    state[write.field] = set_to(write.text, at) if before is None else before.then(write, at)
        return state
