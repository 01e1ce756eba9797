"""Carrying a run over to another version of its workflow: what would be recorded, what stands against it, or nothing.

A plan and no deed: `resume` records it, `workflow check --against` only shows it, and a fork begins with it. Everything
is one batch: the migrations with their writes, the code that is new, the questions that are asked anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workflow_engine.record.events import CodeChanged, QuestionWithdrawn, RunMigrated
from workflow_engine.record.fold import advance
from workflow_engine.record.run import Run
from workflow_engine.record.values import Value, Write
from workflow_engine.runtime.accepting import (
    asked_otherwise,
    begun_otherwise,
    compared,
    doubtful,
    forgetting,
    read_otherwise,
    said,
)
from workflow_engine.runtime.known import Known
from workflow_engine.runtime.upgrade import upgraded
from workflow_engine.spec.comparison import Changed
from workflow_engine.spec.limits import RunLimits
from workflow_engine.spec.migrations import pending
from workflow_engine.spec.names import Names, names
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.live import after
from workflow_engine.verify.change import fits, forgotten
from workflow_engine.verify.finding import Finding


@dataclass(frozen=True)
class Carried:
    """How a run goes on under a version of its workflow, if it does.

    `events` and `writes` are to be recorded before it goes on, `run` and `state` what it is then. `findings` say why it
    cannot go on; `accept` what somebody has to accept first. `applied` are the migrations it takes up.
    """

    run: Run
    state: Mapping[str, Value]
    events: tuple[Any, ...] = ()
    writes: tuple[Write, ...] = ()
    findings: tuple[Finding, ...] = ()
    accept: tuple[Finding, ...] = ()
    changed: tuple[Changed, ...] = ()
    applied: tuple[str, ...] = ()
    reshaped: bool = False


def carried(
    run: Run, state: Mapping[str, Value], workflow: Workflow[Any], known: Known, now: datetime, limits: RunLimits
) -> Carried:
    """The plan of carrying a run over. Changes nothing; calls the functions of `change_field` and `add_field`."""
    declared = pending(workflow.migrations, known.migrations)
    called = names(known.shape, declared, workflow)
    clashes = tuple(_clashes(run, workflow, called))
    writes, problems = upgraded(state, known.shape, declared, workflow, limits)
    if clashes or problems:
        return Carried(run, state, findings=(*clashes, *problems), applied=tuple(map(str, declared)), reshaped=True)
    migrated = RunMigrated(
        now,
        tuple(map(str, declared)),
        called.nodes,
        called.edges,
        called.ways,
        fields=tuple(write.field for write in writes),
    )
    lost = forgotten(advance(run, migrated), workflow)
    if lost:
        back = {new: old for old, new in called.edges.items()}
        migrated = RunMigrated(**{**vars(migrated), "forgotten": tuple(back.get(each, each) for each in lost)})
    events: list[Any] = []
    at = run
    if declared or lost or any(key in called.edges for key in (*run.frontier.counts, *run.frontier.arrived)):
        events.append(migrated)
        at = advance(run, migrated)
    held = after(state, writes, at.seq)
    reshaped = run.shape != workflow.shape
    code, consequences, withdrawn = _new_code(at, held, workflow, known, called, lost, now)
    findings = fits(at, held, workflow, known.kinds(called)) if reshaped or events else ()
    for event in (*code, *withdrawn):
        at = advance(at, event)
    return Carried(
        at,
        held,
        (*events, *code, *withdrawn),
        writes,
        findings,
        consequences,
        compared(known, called, workflow) if reshaped else (),
        migrated.applied,
        reshaped or bool(declared),
    )


def _clashes(run: Run, workflow: Workflow[Any], called: Names) -> Iterator[Finding]:
    for old, new in called.nodes.items():
        if {old, new} <= run.frontier.visits.keys() and new not in called.nodes:
            what = f"it is what {old} is called now, and the run was at a node of this name already"
            yield said(workflow, "W617", new, what, f"give {old} another new name in this version")


def _new_code(
    run: Run,
    state: Mapping[str, Value],
    workflow: Workflow[Any],
    known: Known,
    called: Names,
    lost: Sequence[str],
    now: datetime,
) -> tuple[list[CodeChanged], tuple[Finding, ...], list[QuestionWithdrawn]]:
    """The fact that the code is new, what somebody has to accept of that, and the questions that it asks anew."""
    bodies = {called.nodes.get(name, name): code for name, code in run.bodies.items()}
    edited = tuple(name for name, code in workflow.bodies.items() if bodies.get(name) != code)
    reshaped = run.shape != workflow.shape
    if not edited and not reshaped:
        return [], (), []
    accept = [*doubtful(run, workflow, edited), *forgetting(workflow, lost)]
    withdrawn: list[QuestionWithdrawn] = []
    if reshaped:
        accept += read_otherwise(state, workflow, known, called)
        accept += begun_otherwise(run, workflow, known, called)
        for finding, each in asked_otherwise(run, workflow, known):
            accept.append(finding)
            withdrawn.append(QuestionWithdrawn(now, each.id, each.node, each.visit))
    how: tuple[str, ...] = ()
    if reshaped:
        told = compared(known, called, workflow)
        how = tuple(str(each) for each in told if each.parts != ("body",))
    code = CodeChanged(
        now,
        workflow.bodies,
        edited,
        workflow.shape if reshaped else None,
        how[:_MOST_TOLD],
        tuple(f"{each.place}: {each.what}" for each in accept),
    )
    return [code], tuple(accept), withdrawn


_MOST_TOLD = 100
