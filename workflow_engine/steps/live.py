"""A run in the hands of its owner: the fold and the state in memory, always equal to what is queued for the disk.

The invariant: everything changes in `post`, which advances the fold, numbers the events and hands the batch to the
ledger without an `await` in between. So the batches of concurrent steps reach the disk in the order in which each saw
the others, and a later batch's frontier contains the earlier ones. Nothing else here changes the run.

`run` is therefore ahead of the disk by what is queued. Decisions are made on `run`; what a decision sets going waits
for `kept`, the run as the disk knows it: no body begins before the commit that made its node due would survive a crash.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from workflow_engine.bodies.resources import Resources
from workflow_engine.bodies.scene import Scene, no_graphs
from workflow_engine.frontier.leave import is_left
from workflow_engine.ports.agents import AgentRunner, Receipts
from workflow_engine.ports.clock import Clock, Mint
from workflow_engine.ports.graphs import GraphRunner
from workflow_engine.ports.ledger import Batch, Fence, Ledger, Snapshot
from workflow_engine.ports.listener import Heard, Listener
from workflow_engine.record.fold import advance
from workflow_engine.record.ids import node_of
from workflow_engine.record.run import Run
from workflow_engine.record.usage import Spent
from workflow_engine.record.values import Value, Write, set_to
from workflow_engine.spec.limits import RunLimits
from workflow_engine.spec.step import Step
from workflow_engine.spec.subflow import Subflow
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.circuits import Circuits
from workflow_engine.steps.filing import Desk, desk_of, named_in
from workflow_engine.steps.slots import Slots

if TYPE_CHECKING:
    from workflow_engine.steps.entering import Nest

log = logging.getLogger("workflow_engine")


@dataclass(frozen=True)
class Surroundings:
    """What every run of one engine shares."""

    ledger: Ledger
    clock: Clock
    mint: Mint
    resources: Resources
    runner: Callable[[], AgentRunner]
    listeners: Sequence[Listener] = ()
    limits: RunLimits = RunLimits()
    graphs: Callable[[Fence], GraphRunner] = no_graphs
    slots: Slots = field(default_factory=Slots)
    circuits: Circuits = field(default_factory=Circuits)

    @cached_property
    def hearing(self) -> tuple[Listener, ...]:
        """Who wants to hear agents while they speak."""
        return tuple(each for each in self.listeners if getattr(each, "deltas", False))


@dataclass(eq=False)
class Live:
    """One owned run. `wake` says that somebody should look again; `busy` are the nodes whose step is under way.

    `kept` is the run as of the last batch known to be on disk; `passed` counts how often this drive travelled an edge;
    `mail` says that letters may wait in its box, which nobody has looked into yet; `first` is the run as it was taken,
    by which `verb`, and whether changes of its code were accepted; `takes` counts attempts that spoke. `nest` drives
    the runs within it; `within` are those under way, by their nodes or the items of these. `leaving` are nodes that one
    item failed, while others are in hand; `bells` wake those who wait beside the runs of items that rest, `alarms` say
    when such a run is due. `forsaken` says that the run around it failed.
    `rerouted` says that its time was up and it was led on. `gave_up` says that a step failed with nothing to catch it.
    `owing` is what steps under way have used so far, of nodes that count in a budget. `desk` is where its bodies put
    files, if its fields may name any. `bell` rings when a fork was left; `unsettled` are subflows in it with effects in
    doubt, which go on. `talked` are agents' places whose receipts of earlier processes were counted;
    `held` is what calls under way may use, by what they are, and `freed` rings when one of them ended.
    """

    workflow: Workflow[Any]
    around: Surroundings
    fence: Fence
    run: Run
    state: dict[str, Value]
    kept: Run
    first: Run
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    busy: set[str] = field(default_factory=set)
    passed: Counter[str] = field(default_factory=Counter)
    cleared: set[str] = field(default_factory=set)
    halt: asyncio.Event = field(default_factory=asyncio.Event)
    mail: bool = True
    cancelled_by: str | None = None
    owing: dict[str, Spent] = field(default_factory=dict)
    rerouted: bool = False
    gave_up: asyncio.Event = field(default_factory=asyncio.Event)
    takes: int = 0
    verb: str = "run"
    accepts: bool = False
    talked: set[str] = field(default_factory=set)
    held: dict[tuple[str, str], Spent] = field(default_factory=dict)
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    nest: Nest | None = None
    within: dict[str, Live] = field(default_factory=dict)
    leaving: set[str] = field(default_factory=set)
    bells: dict[str, asyncio.Event] = field(default_factory=dict)
    alarms: dict[str, datetime] = field(default_factory=dict)
    forsaken: bool = False
    desk: Desk | None = None
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    unsettled: set[str] = field(default_factory=set)

    @classmethod
    def of(
        cls, workflow: Workflow[Any], around: Surroundings, fence: Fence, snapshot: Snapshot, *, mail: bool = True
    ) -> Live:
        run = snapshot.run
        desk = desk_of(around.ledger) if workflow.filing else None
        return cls(workflow, around, fence, run, dict(snapshot.state), run, run, mail=mail, desk=desk)

    @property
    def draining(self) -> bool:
        """Whether somebody asked to finish the steps under way and begin none."""
        return self.halt.is_set()

    def drain(self) -> None:
        """Begin no step any more, and no further attempt of one that waits for it."""
        self.halt.set()
        for each in self.within.values():
            each.forsaken = each.forsaken or self.forsaken
            each.drain()
        self.wake.set()

    def enter(self, place: str, within: Live) -> None:
        """Say that a run within is under way; one that comes too late begins no step."""
        self.within[place] = within
        node = node_of(place)
        if self.stopping or node in self.leaving:
            within.forsaken = bool(self.run.failed) or self.forsaken or node in self.leaving
            within.drain()
        elif self.is_left(node) and node not in self.unsettled:
            within.drain()

    def give_over(self, node: str) -> None:
        """One item of a node failed it: the runs of its others end the steps under way and begin none."""
        self.leaving.add(node)
        for place, each in self.within.items():
            if node_of(place) == node:
                each.forsaken = True
                each.drain()

    def ring(self, node: str) -> None:
        """Let whoever waits beside the runs of a node's items look again."""
        self.bells[node].set()
        self.bells[node] = asyncio.Event()

    async def pause(self, seconds: float, node: str) -> None:
        """Wait this long, or until somebody drains, or the fork around the node is left."""
        await self._first(node, self.around.clock.sleep(seconds), self.halt.wait())

    async def until(self, coming: asyncio.Future[Any], node: str, seconds: float | None = None) -> None:
        """Wait for something before an attempt begins: for so long, or until none should begin any more."""
        sleeping = () if seconds is None else (self.around.clock.sleep(seconds),)
        await self._first(node, asyncio.shield(coming), self.halt.wait(), self.gave_up.wait(), *sleeping)

    async def until_left(self, node: str) -> None:
        """Wait until the run leaves the fork around a node while its step is under way."""
        while not self.is_left(node):
            await self.bell.wait()

    async def until_let_go(self, node: str) -> None:
        """Wait until the step of a node should come to an end soon."""
        await self._first(node, self.halt.wait())

    async def _first(self, node: str, *coming: Awaitable[Any]) -> None:
        leaving = (self.until_left(node),) if self.workflow.leaves else ()
        waits = [asyncio.ensure_future(each) for each in (*coming, *leaving)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    @property
    def due(self) -> datetime | None:
        """When somebody should look again, if nothing comes before: at the run, or at one that rests beside others."""
        return min((each for each in (self.run.due, *self.alarms.values()) if each is not None), default=None)

    @property
    def cut(self) -> bool:
        """Whether the steps under way are to be stopped: somebody cancelled the run, or its time is up."""
        return self.cancelled_by is not None or self.late

    @property
    def late(self) -> bool:
        """Whether the run's own time-out has passed."""
        deadline = self.run.deadline
        return deadline is not None and deadline <= self.around.clock.now()

    @property
    def spent(self) -> bool:
        """Whether the run has taken as many steps as a run may take."""
        return self.run.steps >= self.around.limits.steps

    @property
    def stopping(self) -> bool:
        """Whether no step may begin any more: somebody drains or cancels, a step failed with nothing to catch it, or
        the run's time or its steps are spent.
        """
        return self.draining or self.cut or bool(self.run.failed) or self.run.ended or self.spent

    def startable(self) -> tuple[str, ...]:
        """Due nodes whose step can begin now, in order of entry."""
        if self.stopping:
            return ()
        unready = self.run.resting | self.kept.resting | self.busy
        visits, kept = self.run.frontier.visits, self.kept.frontier.visits
        ready = [node for node in self.run.frontier.due if node not in unready and visits[node] == kept.get(node)]
        if self.run.frontier.leaving:
            ready = [node for node in ready if not self.is_over(node)]
        # Steps under way count as taken: siblings must not pass the limit together.
        return tuple(ready[: max(self.around.limits.steps - self.run.steps - len(self.busy), 0)])

    def is_left(self, node: str) -> bool:
        """Whether the run has left the fork around a due node, so that what its step comes to leads nowhere."""
        return is_left(self.workflow, self.run.frontier, node)

    def is_over(self, node: str) -> bool:
        """Whether no step of this due node should begin any more: its fork was left, and it leaves nothing in doubt."""
        return self.is_left(node) and not self.in_doubt(node) and node not in self.unsettled

    def in_doubt(self, node: str) -> bool:
        """Whether an effect of a due node, or of one of its items, began and its end is not known."""
        return any(node_of(place) == node for place in self.run.doubts)

    @property
    def staying(self) -> frozenset[str]:
        """The due nodes that cannot be dropped: under way here or in a run within, or with an effect in doubt."""
        if not self.workflow.leaves:
            return frozenset()
        # A run within may have been begun by a process that died before it could say so.
        nodes, due = self.workflow.nodes, self.run.frontier.due
        within = {*map(node_of, self.run.entered), *(name for name in due if isinstance(nodes[name], Subflow))}
        return frozenset({*self.busy, *within, *map(node_of, self.run.doubts)})

    def post(
        self,
        events: Sequence[Any],
        writes: Sequence[Write] = (),
        taken: Sequence[str] = (),
        document: Mapping[str, Any] | None = None,
    ) -> Awaitable[None]:
        """Advance the run by these facts and hand them to the ledger; await the result for them to be on disk."""
        run = self.run
        for event in events:
            run = advance(run, event)
            move = getattr(event, "move", None)
            if move is not None:
                for edge in move.via:
                    self.passed[edge] += 1
        self.run = run
        if self.within and run.failed:
            for each in self.within.values():
                each.forsaken = True
                each.drain()
        if self.workflow.leaves:
            self._look_who_is_left()
        self.state = after(self.state, writes, run.seq)
        files = named_in(self.workflow, writes, events)
        durable = self.around.ledger.commit(
            self.fence, Batch(run, tuple(events), tuple(writes), tuple(taken), document, files=files)
        )
        return self._told(durable, run, events)

    def _look_who_is_left(self) -> None:
        """What waits to begin an attempt, or does so within, looks whether its fork was left."""
        if not self.run.failed:
            self.gave_up.clear()  # the step that had was dropped
        if self.run.frontier.leaving:
            for place, each in self.within.items():
                if self.is_left(node_of(place)) and node_of(place) not in self.unsettled:
                    each.drain()
            self.bell.set()
            self.bell = asyncio.Event()

    async def _told(self, durable: Awaitable[None], run: Run, events: Sequence[Any]) -> None:
        await durable
        if run.seq > self.kept.seq:
            self.kept = run
        for event in events:
            self.tell(event)

    def tell(self, event: Any) -> None:
        """Let the listeners hear. What they raise is logged and dropped: they must not disturb a run."""
        self._let_hear(self.around.listeners, event)

    def _let_hear(self, listeners: Sequence[Listener], event: Any) -> None:
        for listener in listeners:
            try:
                listener.hear(self.run.id, event)
            except Exception:
                log.exception("a listener raised")

    def next_take(self) -> int:
        """A number for an attempt that says something, which no attempt of this run has or had."""
        self.takes += 1
        return (self.fence.epoch << 32) + self.takes

    def scene(self, step: Step) -> Scene:
        """The surroundings of one attempt, with the state as it is now."""
        return Scene(
            self.workflow,
            dict(self.state),
            step,
            self.around.resources,
            self.around.runner,
            self.run.caught.get(step.node),
            graphs=lambda: self.around.graphs(self.fence),
            leaving=partial(self.until_let_go, step.node) if self.workflow.leaves else self.halt.wait,
            receipts=partial(self.receipts, step),
            hear=partial(self._heard, step) if self.around.hearing else None,
        )

    def _heard(self, step: Step, piece: Mapping[str, Any]) -> None:
        """Let those hear an agent who want to, while it speaks."""
        self._let_hear(self.around.hearing, Heard(step.node, step.visit, piece, step.item))

    async def receipts(self, step: Step) -> Receipts:
        """What an agent did so far in this visit, or in one item of it."""
        from workflow_engine.steps.receipts import JournalReceipts  # it is made of this

        return await JournalReceipts.of(self, self.workflow.nodes[step.node], step)


def after(state: Mapping[str, Value], writes: Sequence[Write], seq: int) -> dict[str, Value]:
    """The state once these writes are made."""
    changed = dict(state)
    for write in writes:
        before = changed.get(write.field)
        if write.op == "drop":
            changed.pop(write.field, None)
            continue
        changed[write.field] = set_to(write.text, seq) if before is None else before.then(write, seq)
    return changed
