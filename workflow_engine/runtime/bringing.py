"""Bringing an earlier moment of a run up to its workflow of now: what a fork begins with where names changed since.

The store keeps the document a run was last driven with, and no earlier ones. What came between a step and that stands
in the journal: each RunMigrated says what was called otherwise from then on. What came after it, the workflow declares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from workflow_engine.errors import WorkflowChanged
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.events import RunMigrated
from workflow_engine.record.renaming import moved
from workflow_engine.record.values import Value, Write
from workflow_engine.runtime.carrying import known_of
from workflow_engine.runtime.past import Past, Position
from workflow_engine.runtime.upgrade import upgraded
from workflow_engine.spec.edges import Source
from workflow_engine.spec.limits import RunLimits
from workflow_engine.spec.migrations import ChangeField, Migration, pending
from workflow_engine.spec.names import names, way_after
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.live import after


@dataclass(frozen=True)
class Brought:
    """A position and its state under the names of now; `writes` are fields that could not stay as they were."""

    here: Position
    state: Mapping[str, Value]
    writes: tuple[Write, ...] = ()
    applied: tuple[str, ...] = ()
    nodes: Mapping[str, str] | None = None
    edges: Mapping[str, str] | None = None


async def brought(
    ledger: Ledger,
    behind: Past,
    here: Position,
    state: Mapping[str, Value],
    workflow: Workflow[Any],
    limits: RunLimits,
) -> Brought:
    """An earlier moment under the names of now. Raises errors.WorkflowChanged where a migration fails on its state."""
    run = (await ledger.read(here.run)).run
    known = await known_of(ledger, run, workflow)
    own = behind.chapters[-1]
    journal = own.journal if own.run == here.run else await ledger.journal(here.run, here.seq)
    later = [each.event for each in journal if each.seq > here.seq and isinstance(each.event, RunMigrated)]
    declared = pending(workflow.migrations, known.migrations)
    if not later and not declared:
        return Brought(_without_lost_counts(here, workflow), state)
    since = names(known.shape, declared, workflow)
    last = RunMigrated(run.updated, tuple(map(str, declared)), since.nodes, since.edges, since.ways)
    taken = {text for each in later for text in each.applied} | set(last.applied)
    making = [each for each in workflow.migrations if str(each) in taken]
    surely = {text for each in later for text in each.applied if _concerned(text, making, each)}
    writes, problems = upgraded(state, known.shape, making, workflow, limits, frozenset(surely))
    if problems:
        listed = "\n".join(str(each) for each in problems)
        raise WorkflowChanged(f"the state at step {here.step} of run {here.run} cannot be migrated\n{listed}")
    at, nodes, edges = here, dict[str, str](), dict[str, str]()
    for event in (*later, last):
        at = _moved(at, event)
        nodes, edges = _then(nodes, event.nodes), _then(edges, event.edges)
    if here.node is not None and here.outcome is not None:
        at = replace(at, outcome=way_after(Source(here.node, here.outcome), making).outcome)
    return Brought(
        _without_lost_counts(at, workflow),
        after(state, writes, here.seq),
        tuple(each for each in writes if each.op == "set"),
        tuple(map(str, making)),
        nodes,
        edges,
    )


def _concerned(text: str, making: list[Migration], event: RunMigrated) -> bool:
    """Whether a change of a field really made something of it in that migration: its field was written then."""
    change = next((each for each in making if str(each) == text and isinstance(each, ChangeField)), None)
    return change is None or change.name in event.fields


def _moved(here: Position, event: RunMigrated) -> Position:
    node = here.node
    return replace(
        here,
        before=moved(here.before, event),
        node=None if node is None else event.nodes.get(node, node),
        caught={event.nodes.get(name, name): each for name, each in here.caught.items()},
    )


def _without_lost_counts(here: Position, workflow: Workflow[Any]) -> Position:
    """A bound that is gone has no count: a fork is asked for by hand, with the code that is there."""
    bounded = {edge.key for edge in workflow.edges if edge.limit is not None}
    if here.before.counts.keys() <= bounded:
        return here
    before = here.before
    counts = {key: count for key, count in before.counts.items() if key in bounded}
    return replace(here, before=replace(before, counts=counts))


def _then(names: Mapping[str, str], later: Mapping[str, str]) -> dict[str, str]:
    return {**later, **{old: later.get(new, new) for old, new in names.items()}}
