"""Bringing earlier moments of a run up to its workflow of now: what a fork begins with, and what a replay is held to.

The store keeps the document a run was last driven with, and no earlier ones. What came between a step and that stands
in the journal: each RunMigrated says what was called otherwise from then on. What came after it, the workflow declares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from workflow_engine.errors import WorkflowChanged
from workflow_engine.ports.ledger import Ledger, Recorded
from workflow_engine.record.events import RunMigrated
from workflow_engine.record.frontier import Frontier
from workflow_engine.record.ids import RunId
from workflow_engine.record.renaming import moved
from workflow_engine.record.usage import Spent
from workflow_engine.record.values import Value, Write
from workflow_engine.runtime.known import Known, known_of
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
    nodes: Mapping[str, str] = field(default_factory=dict)
    edges: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Way:
    """What lies between one moment of a run and now: migrations it took up later, then those it has not taken up."""

    later: tuple[RunMigrated, ...]
    making: tuple[Migration, ...]
    surely: frozenset[str]
    nodes: Mapping[str, str]
    edges: Mapping[str, str]


class Bringing:
    """One run whose earlier moments are brought up to a version of its workflow."""

    def __init__(
        self, run: RunId, journal: Sequence[Recorded], known: Known, workflow: Workflow[Any], limits: RunLimits
    ) -> None:
        self.run, self.known, self.workflow, self.limits = run, known, workflow, limits
        self._took = [(each.seq, each.event) for each in journal if isinstance(each.event, RunMigrated)]
        declared = pending(workflow.migrations, known.migrations)
        since = names(known.shape, declared, workflow)
        self._last: RunMigrated | None = None
        if declared and journal:
            at = journal[-1].event.at
            self._last = RunMigrated(at, tuple(map(str, declared)), since.nodes, since.edges, since.ways)
        self._ways: dict[int, Way] = {}

    @classmethod
    async def of(cls, ledger: Ledger, behind: Past, run: RunId, workflow: Workflow[Any], limits: RunLimits) -> Bringing:
        """That of a run or of one of its ancestors, whose chapter ends before its journal does."""
        known = await known_of(ledger, (await ledger.read(run)).run, workflow)
        own = behind.chapters[-1]
        journal = own.journal if own.run == run else await ledger.journal(run)
        return cls(run, journal, known, workflow, limits)

    def way(self, seq: int) -> Way:
        """The way from event `seq` to now."""
        later = tuple(event for at, event in self._took if at > seq)
        found = self._ways.get(len(later))
        if found is None:
            found = self._ways[len(later)] = self._way(later)
        return found

    def _way(self, later: tuple[RunMigrated, ...]) -> Way:
        events = later if self._last is None else (*later, self._last)
        taken = {text for each in events for text in each.applied}
        making = tuple(each for each in self.workflow.migrations if str(each) in taken)
        surely = {text for each in later for text in each.applied if _concerned(text, making, each)}
        nodes, edges = dict[str, str](), dict[str, str]()
        for event in events:
            nodes, edges = _then(nodes, event.nodes), _then(edges, event.edges)
        return Way(events, making, frozenset(surely), nodes, edges)

    def writes(self, seq: int, state: Mapping[str, Value]) -> tuple[Write, ...]:
        """What makes a state as of event `seq` one of now. Raises errors.WorkflowChanged where a migration fails."""
        way = self.way(seq)
        if not way.making:
            return ()
        writes, problems = upgraded(state, self.known.shape, way.making, self.workflow, self.limits, way.surely)
        if problems:
            listed = "\n".join(str(each) for each in problems)
            raise WorkflowChanged(f"the state at event {seq} of run {self.run} cannot be migrated\n{listed}")
        return writes

    def state(self, seq: int, state: Mapping[str, Value]) -> Mapping[str, Value]:
        """A state as of event `seq` as it is now."""
        writes = self.writes(seq, state)
        return after(state, writes, seq) if writes else state

    def node(self, seq: int, name: str) -> str:
        """What a node of the moment is called now."""
        return self.way(seq).nodes.get(name, name)

    def outcome(self, seq: int, node: str, outcome: str | None) -> str | None:
        """What a word by which a node was left is called now."""
        return None if outcome is None else way_after(Source(node, outcome), self.way(seq).making).outcome

    def spent(self, seq: int, spent: Mapping[str, Spent]) -> Mapping[str, Spent]:
        """What budgets counted, under the names of now."""
        way = self.way(seq)
        return {way.edges.get(key, way.nodes.get(key, key)): each for key, each in spent.items()}

    def frontier(self, seq: int, frontier: Frontier) -> Frontier:
        """Where the run stood, under the names of now."""
        for event in self.way(seq).later:
            frontier = moved(frontier, event)
        return frontier


async def brought(
    ledger: Ledger,
    behind: Past,
    here: Position,
    state: Mapping[str, Value],
    workflow: Workflow[Any],
    limits: RunLimits,
) -> Brought:
    """An earlier moment under the names of now. Raises errors.WorkflowChanged where a migration fails on its state."""
    bringing = await Bringing.of(ledger, behind, here.run, workflow, limits)
    way = bringing.way(here.seq)
    writes = bringing.writes(here.seq, state)
    node = here.node
    at = replace(
        here,
        before=bringing.frontier(here.seq, here.before),
        node=None if node is None else way.nodes.get(node, node),
        outcome=here.outcome if node is None else bringing.outcome(here.seq, node, here.outcome),
        caught={way.nodes.get(name, name): each for name, each in here.caught.items()},
    )
    return Brought(
        _without_lost_counts(at, workflow),
        after(state, writes, here.seq),
        tuple(each for each in writes if each.op == "set"),
        tuple(map(str, way.making)),
        way.nodes,
        way.edges,
    )


def _concerned(text: str, making: Sequence[Migration], event: RunMigrated) -> bool:
    """Whether a change of a field really made something of it in that migration: its field was written then."""
    change = next((each for each in making if str(each) == text and isinstance(each, ChangeField)), None)
    return change is None or change.name in event.fields


def _without_lost_counts(here: Position, workflow: Workflow[Any]) -> Position:
    """A bound that is gone has no count: a fork is asked for by hand, with the code that is there."""
    bounded = {edge.key for edge in workflow.edges if edge.limit is not None}
    before = here.before
    if before.counts.keys() <= bounded:
        return here
    counts = {key: count for key, count in before.counts.items() if key in bounded}
    return replace(here, before=replace(before, counts=counts))


def _then(names: Mapping[str, str], later: Mapping[str, str]) -> dict[str, str]:
    return {**later, **{old: later.get(new, new) for old, new in names.items()}}
