"""The frontier: where a run stands, as plain values. `verify` and the executors ask it; only a `Move` changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, TypeVar

from pydantic import Field

from workflow_engine.making import quickly
from workflow_engine.record.usage import Spent

T = TypeVar("T")


def _is_empty(value: Any) -> bool:
    return not value


@quickly
@dataclass(frozen=True)
class Move:
    """What leaving one node changes. Made once, by `frontier.leave`; folded without knowing the workflow.

    `arrived`, `counts` and `spent` hold the new value for each key that changed: an empty tuple or 0 clears it. `via`
    names the keys of the edges travelled, in order, for pictures and people. `dropped` are nodes of other arms that
    were due and are no more, because this left their fork; `leaving` changes what the frontier holds under that name.
    """

    left: str | None
    entered: tuple[str, ...] = ()
    arrived: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    via: tuple[str, ...] = ()
    ended: str | None = None
    spent: Mapping[str, Spent] = field(default_factory=dict)
    # Empty in nearly every step of nearly every run, where not a byte is spent on them.
    dropped: Annotated[tuple[str, ...], Field(exclude_if=_is_empty)] = ()
    leaving: Annotated[Mapping[str, tuple[str, str] | tuple[()]], Field(exclude_if=_is_empty)] = field(
        default_factory=dict
    )


@quickly
@dataclass(frozen=True)
class Frontier:
    """Nodes due (running, resting or not begun), arms arrived at joins, counts of bounded edges, visits, budgets.

    `due` is in order of entry. `arrived` maps a join's edge key to the sources that are there. `ended` is "END" or
    "FAIL: why" once the run has left its last node. `spent` is what budgets count: under a node's name, under the key
    of a bounded edge since its loop was entered, and under "" for the whole run. `leaving` holds the forks that were
    left while steps of other arms were under way: under the fork's key the way out that left it, and where the run goes
    once no node in it is due any more. Until then such a node leads nowhere.
    """

    due: tuple[str, ...] = ()
    visits: Mapping[str, int] = field(default_factory=dict)
    arrived: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    ended: str | None = None
    spent: Mapping[str, Spent] = field(default_factory=dict)
    leaving: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def after(self, move: Move) -> Frontier:
        """The frontier once `move` was made."""
        visits = dict(self.visits)
        for node in move.entered:
            visits[node] = visits.get(node, 0) + 1
        gone = (move.left, *move.dropped)
        return Frontier(
            due=(*(node for node in self.due if node not in gone), *move.entered),
            visits=visits,
            arrived=_changed(self.arrived, move.arrived),
            counts=_changed(self.counts, move.counts),
            ended=move.ended or self.ended,
            spent=_changed(self.spent, move.spent),
            leaving=self._left(move) if move.leaving else self.leaving,
        )

    def _left(self, move: Move) -> Mapping[str, tuple[str, str]]:
        kept = {fork: there for fork, there in self.leaving.items() if fork not in move.leaving}
        return {**kept, **{fork: there for fork, there in move.leaving.items() if there}}

    def charged(self, spent: Mapping[str, Spent]) -> Frontier:
        """The frontier after a step that went nowhere, and was paid for all the same."""
        return replace(self, spent=_changed(self.spent, spent)) if spent else self


def _changed(before: Mapping[str, T], changes: Mapping[str, T]) -> Mapping[str, T]:
    return {key: each for key, each in {**before, **changes}.items() if each} if changes else before
