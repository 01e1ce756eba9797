"""Runs within runs: begun, taken and driven as a part of the step of the subflow they do, and ended with it.

Its id follows from the visit, so that beginning it again after a crash finds the one there is. It is begun before the
run around it says so: what that names and is not there was lost, and is not begun a second time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from workflow_engine.bodies.intent import Rest
from workflow_engine.errors import InputError, RunNotFound, RunOwned, StepError, StoreDamaged, WorkflowError
from workflow_engine.ports.ledger import Fence, Ledger, Snapshot
from workflow_engine.record.events import SubflowEntered
from workflow_engine.record.ids import RunId, child_id, place_of
from workflow_engine.record.run import Run
from workflow_engine.record.usage import Usage
from workflow_engine.record.within import Within
from workflow_engine.runtime import begin, cancel, code
from workflow_engine.spec.document import document_of
from workflow_engine.spec.subflow import Subflow
from workflow_engine.steps.ending import FORSAKEN
from workflow_engine.steps.entering import Visit, around_and
from workflow_engine.steps.live import Live

if TYPE_CHECKING:
    from workflow_engine.runtime.workshop import Verb, Workshop

_TRIES, _MOMENT = 40, 0.025
_CURE = "restore the store from a backup, or fork the run at an earlier step"


class Nested:
    """Implements steps.entering.Nest for the runs of one drive: all of them by one executor."""

    def __init__(self, shop: Workshop, executor: str) -> None:
        self._shop, self._executor = shop, executor

    async def drive(self, around: Live, node: Subflow, visit: Visit, inputs: Mapping[str, Any]) -> Snapshot:
        live = await self._current(around, node, visit, inputs)
        place = place_of(node.name, visit.item)
        while isinstance(live, Live):
            around.enter(place, live)
            try:
                await self._shop.driven(live, self._executor)
            finally:
                del around.within[place]
            over = around.stopping or node.name in around.leaving or around.is_over(node.name)
            if live.run.status != "waiting" or over or not await self.ready(live.run.id):
                return Snapshot(live.run, live.state)
            live = await self._claimed(around, node, live.run)
        return live

    async def _current(self, around: Live, node: Subflow, visit: Visit, inputs: Mapping[str, Any]) -> Live | Snapshot:
        """The run of a visit, taken over; as it is where it has ended and nobody has been told so."""
        if visit.runs:
            run = await self._known(around, node, visit, visit.runs[-1])
            if not (run.ended or _untold(run, visit)):
                return await self._claimed(around, node, run)
            if run.status == "succeeded" or not visit.told:  # its end is all there is to record
                return await self._shop.ledger.read(run.id)
        # None yet, or one that ended for good and failed the step: a new try needs a new run.
        begun_as = around.run.begun_as(node.name, visit.number)
        name = child_id(around.run.id, begun_as, visit.number, len(visit.runs) + 1, visit.item)
        making = asyncio.ensure_future(self._made(around, node, visit, name, inputs))
        try:
            live = await asyncio.shield(making)
        except asyncio.CancelledError:
            # Whoever ends this step ends the runs that it is known to have entered: one that is begun must be known.
            with suppress(WorkflowError):
                if isinstance(made := await making, Live):
                    await self._shop.ledger.release(made.fence)
            raise
        visit.runs.append(name)
        visit.told = False
        return live

    async def _made(
        self, around: Live, node: Subflow, visit: Visit, name: RunId, inputs: Mapping[str, Any]
    ) -> Live | Snapshot:
        """The run of this id, begun or found, once the run around it says so."""
        live: Live | Snapshot
        try:
            found = (await self._shop.ledger.read(name)).run
        except RunNotFound:
            live = await self._begun(around, node, visit, name, inputs)
        else:  # its process died before it could say so
            _must_be_its(found, around, node, visit)
            live = await self._shop.ledger.read(name) if found.ended else await self._claimed(around, node, found)
        try:
            now = around.around.clock.now()
            await around.post([SubflowEntered(now, node.name, visit.number, name, visit.item)])
        except BaseException:
            if isinstance(live, Live):
                await self._shop.ledger.release(live.fence)
            raise
        return live

    async def _known(self, around: Live, node: Subflow, visit: Visit, name: RunId) -> Run:
        try:
            run = (await self._shop.ledger.read(name)).run
        except RunNotFound as error:
            what = f"run {around.run.id} is damaged: run {name}, which does its step {node.name}, is missing"
            raise StoreDamaged(what, _CURE) from error
        _must_be_its(run, around, node, visit)
        return run

    async def _begun(self, around: Live, node: Subflow, visit: Visit, name: RunId, inputs: Mapping[str, Any]) -> Live:
        within = Within(around.run.id, node.name, visit.number, around_and(around.run), visit.item)
        try:
            return await begin.within(
                self._shop, node.workflow, inputs, around.run.target, name, within, self._executor
            )
        except InputError as error:
            raise StepError(error.what, error.cure, kind="validation", retryable=False) from error

    async def _claimed(self, around: Live, node: Subflow, run: Run) -> Live:
        shop, flow = self._shop, node.workflow
        fence, snapshot = await self._taken(run.id)
        try:
            plan = await code.carried_over(shop, snapshot, flow, accept=around.accepts)
            live = Live.of(flow, shop.around, fence, snapshot)
            verb = _verb(around, snapshot.run)
            live.verb, live.accepts = verb, around.accepts
            claimed = shop.claimed(verb, fence.epoch, self._executor, flow.deadline(snapshot.run.created))
            await live.post([*plan.events, claimed], plan.writes, document=document_of(flow) if plan.reshaped else None)
        except BaseException:
            await shop.ledger.release(fence)
            raise
        return live

    async def _taken(self, run: RunId) -> tuple[Fence, Snapshot]:
        # Nobody drives it but who drives the run around it; who ends it or notes a word in it has it for a moment.
        for _ in range(_TRIES):
            try:
                return await self._shop.ledger.claim(run)
            except RunOwned:
                await asyncio.sleep(_MOMENT)
        return await self._shop.ledger.claim(run)

    async def usage(self, runs: Sequence[RunId]) -> Usage:
        total = Usage()
        for each in runs:
            with suppress(RunNotFound):
                total += (await self._shop.ledger.read(each)).run.usage
        return total

    async def ready(self, run: RunId) -> bool:
        return await self._ready(run, frozenset())

    async def rests(self, run: RunId) -> Rest | None:
        if await self.ready(run):
            return None
        return Rest(run, (await self._shop.ledger.read(run)).run.due)

    async def _ready(self, run: RunId, around: frozenset[RunId]) -> bool:
        ledger = self._shop.ledger
        if run in around:
            return True  # they lie within each other in a circle: whoever enters one hears of it
        try:
            kept = (await ledger.read(run)).run
        except RunNotFound:
            return True  # whoever enters it hears of it
        if kept.status != "waiting" or await ledger.letters(run):
            return True
        if kept.due is not None and kept.due <= self._shop.around.clock.now():
            return True
        for each in kept.entered.values():
            if await self._ready(each, around | {run}):
                return True
        return False

    async def in_doubt(self, run: RunId) -> bool:
        return await self._in_doubt(run, frozenset())

    async def _in_doubt(self, run: RunId, around: frozenset[RunId]) -> bool:
        try:
            kept = (await self._shop.ledger.read(run)).run
        except RunNotFound:
            return False
        if kept.ended or run in around:
            return False
        if kept.doubts:
            return True
        for each in kept.entered.values():
            if await self._in_doubt(each, around | {run}):
                return True
        return False

    async def cancel(self, run: RunId, by: str, around: RunId) -> None:
        with suppress(RunNotFound):
            await cancel.ended_with(self._shop.ledger, self._shop.around.clock, run, by, around)


def _untold(run: Run, visit: Visit) -> bool:
    """Whether it failed and its process died before its step did: it is not tried again unasked."""
    return run.status == "failed" and not visit.told and not (run.error and run.error.kind == FORSAKEN)


def _verb(around: Live, run: Run) -> Verb:
    if run.status == "waiting":
        return "answer"
    return "recover" if around.verb == "recover" and run.status == "running" else "resume"


def _must_be_its(run: Run, around: Live, node: Subflow, does: Visit) -> None:
    """Raises StoreDamaged for a run that stands where this one's should and is not."""
    its, visit = run.within, around.run.frontier.visits.get(node.name)
    # A node that was renamed since keeps the run that it entered under its former name.
    names = (node.name, around.run.begun_as(node.name, visit or 1))
    entered = around.run.entered.get(place_of(node.name, does.item))
    known = entered == run.id or (its is not None and its.node in names)
    if its is None or (its.run, its.visit, its.item) != (around.run.id, visit, does.item) or not known:
        what = f"run {run.id} is damaged: it is not the one that does step {node.name} of run {around.run.id}"
        raise StoreDamaged(what, _CURE)


def _does_it(below: Run, around: Run) -> bool:
    """Whether a visit of the run around one is done by it, or is about to be: its process may have died between."""
    assert below.within is not None
    if around.ended or below.id in around.entered.values():
        return not around.ended
    node, visit, item = below.within.node, below.within.visit, below.within.item
    due = node in around.frontier.due and around.frontier.visits.get(node) == visit
    # An item that is done leaves nothing of itself; one that nobody has entered yet has begun and done nothing.
    return due and place_of(node, item) not in around.entered and (item is None or below.status == "running")


async def outermost(ledger: Ledger, run: RunId) -> tuple[Run, Run, bool]:
    """A run, the outermost run around it, and whether a step of each of those between waits for it or does it still.

    Raises StoreDamaged for runs that lie within one another in a circle.
    """
    inner = outer = (await ledger.read(run)).run
    current, seen = True, {run}
    while outer.within is not None:
        its, below = outer.within, outer
        try:
            outer = (await ledger.read(its.run)).run
        except RunNotFound as error:
            raise StoreDamaged(f"run {below.id} is damaged: run {its.run} around it is missing", _CURE) from error
        if outer.id in seen:
            raise StoreDamaged(f"run {run} is damaged: it lies within itself", _CURE)
        seen.add(outer.id)
        current = current and _does_it(below, outer)
    return inner, outer, current
