"""The page of a step: one visit to one node with all that is known of it, as every surface tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workflow_engine.errors import UsageError
from workflow_engine.ports.ledger import Recorded
from workflow_engine.record.events import AttemptFailed, ItemFailed, StepFinished
from workflow_engine.record.history import StepRecord
from workflow_engine.record.story import StoryItem, story
from workflow_engine.runtime.view import RunView


@dataclass(frozen=True)
class StepPage:
    """A step of a run, the run's journal, and the state `then`, as the step left it."""

    view: RunView[Any]
    step: StepRecord
    journal: Sequence[Recorded]
    then: Mapping[str, Any]

    @property
    def wrote(self) -> dict[str, Any]:
        """The fields it wrote with the values it left in them."""
        return {name: self.then[name] for name in _writes(self.step, self.journal) if name in self.then}


def find_step(view: RunView[Any], name: str) -> StepRecord:
    """The step of a number, of a node (its last visit) or of node:visit. Raises UsageError with what there is."""
    steps = view.history.steps
    node, _, visit = name.rpartition(":")
    for each in reversed(steps):
        names = {each.node, view.history.nodes.get(each.node, each.node)}  # that of then, and that of now
        if name == str(each.step) or name in names or (node in names and visit == str(each.visit)):
            return each
    there = ", ".join(dict.fromkeys(each.node for each in steps)) or "none yet"
    raise UsageError(
        f"run {view.id} has no step {name[:60]!r}", f"its steps are numbered 1 to {view.run.steps}: {there}"
    )


def step_document(page: StepPage) -> dict[str, Any]:
    """One step as JSON: its entry in `show --json`, and all that is known beside it."""
    view, step, journal = page.view, page.step, page.journal
    entry = next(each for each in view.document()["steps"] if (each["node"], each["visit"]) == (step.node, step.visit))
    return {
        **entry,
        "run": view.id,
        "outcome": step.outcome,
        "routes": [list(each) for each in step.routes],
        "via": list(step.via),
        "words": step.words,
        "writes": list(page.wrote),
        "wrote": page.wrote,
        "tries": [
            {"attempt": each.attempt, "kind": each.failure.kind, "message": each.failure.message, "wait": each.wait}
            for each in tries(step, journal)
        ],
        "trace": None if step.failure is None else step.failure.trace,
        "usage": None
        if step.usage is None
        else {
            "requests": step.usage.requests,
            "input_tokens": step.usage.input_tokens,
            "output_tokens": step.usage.output_tokens,
            "cost": step.usage.cost,
        },
        "answered_by": list(step.answered_by),
        "question": step.question,
        **({"story": [each.document() for each in told]} if (told := story_of(step, journal)) else {}),
        **({} if step.items is None else {"items": _items_document(step, journal)}),
    }


def _items_document(step: StepRecord, journal: Sequence[Recorded]) -> dict[str, Any]:
    done, failed = step.items or (0, 0)
    return {
        "done": done,
        "failed": failed,
        "failures": [
            {"item": each.item, "kind": each.failure.kind, "message": each.failure.message, "attempts": each.attempts}
            for each in failed_items(step, journal)
        ],
    }


def story_of(step: StepRecord, journal: Sequence[Recorded]) -> tuple[StoryItem, ...]:
    """What an agent said and did in this visit."""
    return story(
        each.event
        for each in journal
        if (getattr(each.event, "node", None), getattr(each.event, "visit", None)) == (step.node, step.visit)
    )


def _writes(step: StepRecord, journal: Sequence[Recorded]) -> tuple[str, ...]:
    return next(
        (
            each.event.writes
            for each in journal
            if isinstance(each.event, StepFinished) and (each.event.node, each.event.visit) == (step.node, step.visit)
        ),
        (),
    )


def failed_items(step: StepRecord, journal: Sequence[Recorded]) -> list[ItemFailed]:
    """In the order of the items, whichever gave up first."""
    failed = [
        each.event
        for each in journal
        if isinstance(each.event, ItemFailed) and (each.event.node, each.event.visit) == (step.node, step.visit)
    ]
    return sorted(failed, key=lambda each: each.item)


def tries(step: StepRecord, journal: Sequence[Recorded]) -> list[AttemptFailed]:
    return [
        each.event
        for each in journal
        if isinstance(each.event, AttemptFailed) and (each.event.node, each.event.visit) == (step.node, step.visit)
    ]
