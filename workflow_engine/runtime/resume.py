"""Resuming: taking a run over and going on with it, by request or because its process died."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from workflow_engine.errors import RunEnded, RunNotFound, RunOwned, WorkflowError
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.ids import WITHIN, RunId, place_in
from workflow_engine.record.run import Run
from workflow_engine.runtime import code
from workflow_engine.runtime.cancel import cancel, ended_with
from workflow_engine.runtime.look import find, view_of
from workflow_engine.runtime.nested import outermost
from workflow_engine.runtime.publish import deliver
from workflow_engine.runtime.view import RunView
from workflow_engine.runtime.workshop import Verb, Workshop
from workflow_engine.spec.document import document_of
from workflow_engine.spec.names import node_after
from workflow_engine.spec.nesting import subflow_of
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.live import Live

_FORK = "begin a new run, or go on from an earlier step of it: workflow fork {} --at STEP"


async def resume(
    shop: Workshop,
    run: str,
    executor: str | None,
    verb: Verb,
    *,
    accept_changes: bool = False,
    on_begun: Callable[[RunId], None] | None = None,
) -> RunView[Any]:
    """Take a run over and drive it until it rests."""
    ledger = shop.ledger
    before = await _to_go_on(ledger, await find(ledger, run))
    run_id = before.id
    await _must_fit_within(shop, before, code.of_run(shop, before), accept_changes)
    name = shop.known(executor)
    live = await taken(shop, run_id, name, verb, before, accept_changes=accept_changes)
    if on_begun is not None:
        on_begun(run_id)
    await rested(shop, live, name)
    return await view_of(shop, run_id)


async def taken(
    shop: Workshop,
    run_id: RunId,
    executor: str,
    verb: Verb,
    before: Run | None = None,
    *,
    accept_changes: bool = False,
) -> Live:
    """A run in the hands of this process, as yet undriven. `before` is how it stood when it was chosen.

    Raises errors.RunOwned and errors.RunEnded where somebody was faster.
    """
    ledger = shop.ledger
    fence, snapshot = await ledger.claim(run_id)
    try:
        _must_go_on(snapshot.run)
        _must_be_left(before, snapshot.run, verb)
        workflow = code.of_run(shop, snapshot.run)
        plan = await code.carried_over(shop, snapshot, workflow, accept=accept_changes)
        live = Live.of(workflow, shop.around, fence, snapshot)
        live.verb, live.accepts = verb, accept_changes
        claimed = shop.claimed(verb, fence.epoch, executor, workflow.deadline(snapshot.run.created))
        document = document_of(workflow) if plan.reshaped else None
        await live.post([*plan.events, claimed], plan.writes, document=document)
    except BaseException:
        await ledger.release(fence)
        raise
    return live


async def rested(shop: Workshop, live: Live, executor: str) -> None:
    """Drive an owned run until it rests; once more if a letter came in the moment in which it was let go of."""
    await shop.driven(live, executor)
    if live.run.ended:
        return
    letters = await shop.ledger.letters(live.run.id)
    with suppress(RunOwned, RunEnded):
        if stop := next((each for each in letters if each.kind == "cancel"), None):
            await cancel(shop, live.run.id, stop.by)
        elif not live.stopping and (letters or await _ready_within(live)):
            await resume(shop, live.run.id, executor, "answer")


async def _ready_within(live: Live) -> bool:
    """Whether a run within, on which it rests, can go on since it was let go of."""
    if live.nest is None or live.run.status != "waiting":
        return False
    for each in live.run.waits:
        if each.on == "run":
            for run in live.run.entered_by(each.node).values():
                if run in each.names and await live.nest.ready(run):
                    return True
    return False


async def _to_go_on(ledger: Ledger, run: RunId) -> Run:
    """The run that is driven so that this one goes on: itself, or the outermost one around it."""
    inner, outer, current = await outermost(ledger, run)
    _must_go_on(inner)
    if inner is outer:
        return inner
    if not current:
        what = f"run {inner.id} did a step of run {inner.within.run if inner.within else ''}, which is over"
        raise RunEnded(what, f"workflow show {outer.id}; or take it up as a run of its own: workflow fork {inner.id}")
    _must_go_on(outer)
    return outer


async def _must_fit_within(shop: Workshop, run: Run, workflow: Workflow[Any], accept: bool) -> None:
    """Raises errors.WorkflowChanged where a run within can no longer go on under its workflow as it is."""
    for place, inner in run.entered.items():
        name = place_in(place)[0]
        around = workflow.nodes.get(name) or workflow.nodes.get(node_after(name, workflow.migrations))
        node = None if around is None else subflow_of(around)
        if node is not None:
            with suppress(RunNotFound):
                kept = await shop.ledger.read(inner)
                if not kept.run.ended:
                    await code.carried_over(shop, kept, node.workflow, accept=accept)
                    await _must_fit_within(shop, kept.run, node.workflow, accept)


async def recover(shop: Workshop, on_problem: Callable[[RunId, WorkflowError], None] | None) -> list[RunView[Any]]:
    """Go on with every run that was left behind; one run's problem stops no other."""
    ledger = shop.ledger
    await deliver(shop)
    left = dict.fromkeys([*await ledger.unfinished(), *await ledger.due(shop.around.clock.now())])
    found = [run for run in left if not await ledger.owned(run)]

    begun: set[RunId] = set()

    async def one(run: RunId) -> RunView[Any] | None:
        try:
            standing = await to_recover(shop, run)
            if standing is None or standing.id in begun:
                return None
            begun.add(standing.id)
            if standing.workflow not in shop.workflows:
                return None
            return await resume(shop, standing.id, None, "answer" if standing.status == "waiting" else "recover")
        except (RunOwned, RunEnded):
            return None  # somebody else was faster, which is what was wanted
        except WorkflowError as error:
            if on_problem is None:
                raise
            on_problem(run, error)
            return None

    views = await asyncio.gather(*(one(run) for run in found), return_exceptions=True)
    for view in views:
        if isinstance(view, BaseException):
            raise view
    return [view for view in views if isinstance(view, RunView)]


async def to_recover(shop: Workshop, run: RunId) -> Run | None:
    """The run that is driven so that this one, which was left, goes on; None where nothing is to be done by itself."""
    if WITHIN not in run:  # it lies within none
        return (await shop.ledger.read(run)).run
    inner, outer, current = await outermost(shop.ledger, run)
    if inner is outer:
        return inner
    if not outer.ended and (outer.status not in ("running", "waiting") or await shop.ledger.owned(outer.id)):
        return None  # whoever resumes that, or drives it, goes on with this one as well
    if not current:  # its process died between the end of its step and its own
        around = inner.within.run if inner.within else run
        await ended_with(shop.ledger, shop.around.clock, run, "the run around it, which is past it", around)
        return None
    return outer


def _must_be_left(before: Run | None, now: Run, verb: Verb) -> None:
    """Nobody asked for this very run: one that failed in another's hands meanwhile is not tried again, and one that
    stood in the queue is taken from there or not at all.
    """
    if verb == "run" and now.status != "queued":
        raise RunOwned(f"run {now.id} was taken by another process", f"workflow show {now.id}")
    was = "waiting" if before is None else before.status
    if now.status == "failed" and (verb == "recover" or (verb == "answer" and was != "failed")):
        raise RunOwned(f"run {now.id} was gone on with by another process, and failed", f"workflow resume {now.id}")


def _must_go_on(run: Run) -> None:
    if run.status in ("succeeded", "cancelled"):
        was = "succeeded" if run.status == "succeeded" else "was cancelled"
        raise RunEnded(f"run {run.id} {was}; there is nothing to resume", _FORK.format(run.id))
    if run.frontier.ended is not None:
        raise RunEnded(f"run {run.id} ended at {run.frontier.ended!r}: it has nowhere to go on", _FORK.format(run.id))
