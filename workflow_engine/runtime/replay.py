"""A replay: every moment of a recorded run, and what came out otherwise where it was held against other code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from workflow_engine.record.difference import Change
from workflow_engine.record.ids import RunId
from workflow_engine.runtime.past import Past
from workflow_engine.runtime.tape import Moment, tape
from workflow_engine.runtime.workshop import Workshop

Kind = Literal["value", "failure", "question", "route", "way", "missing"]


@dataclass(frozen=True)
class Difference:
    """The first thing that comes out otherwise: at which step, what was recorded, what comes now.

    A `value` has the `changes` from the recorded state to that of now. `hint` says what may be behind it.
    """

    step: int
    node: str
    visit: int
    kind: Kind
    what: str
    recorded: Any = None
    now: Any = None
    changes: tuple[Change, ...] = ()
    hint: str | None = None


def differs(
    moment: Moment,
    kind: Kind,
    what: str,
    recorded: Any,
    now: Any,
    changes: tuple[Change, ...] = (),
    hint: str | None = None,
) -> Difference:
    """What comes out otherwise at a moment."""
    return Difference(moment.step, moment.node, moment.visit, kind, what, recorded, now, changes, hint)


@dataclass(frozen=True)
class Retaken:
    """One step that was taken again: `ran` anew, or as `recorded`."""

    step: int
    node: str
    visit: int
    how: Literal["ran", "recorded"]


@dataclass(frozen=True)
class Replay:
    """What came of a replay: every moment of the run; against a workflow also its steps and the first difference."""

    run: RunId
    moments: tuple[Moment, ...] = ()
    steps: tuple[Retaken, ...] = ()
    difference: Difference | None = None

    @property
    def same(self) -> bool:
        """Whether nothing came out otherwise."""
        return self.difference is None


async def replayed(shop: Workshop, behind: Past) -> Replay:
    """Every moment of a run. Executes nothing and needs no code."""
    return Replay(behind.run, tuple([each async for each in tape(shop.ledger, behind)]))
