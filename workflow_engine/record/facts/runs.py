"""The facts of a run as a whole: how it began, who took it, what its code became, and how it came to rest or ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime

from workflow_engine.errors import Failure
from workflow_engine.record.frontier import Frontier, Move
from workflow_engine.record.ids import RunId
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


__all__ = [
    "CodeChanged",
    "RunCancelled",
    "RunClaimed",
    "RunCreated",
    "RunFailed",
    "RunForked",
    "RunInterrupted",
    "RunMigrated",
]
