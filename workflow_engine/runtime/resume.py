"""Resuming: taking a run over and going on with it, by request or because its process died."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from workflow_engine.errors import RunEnded, RunOwned, WorkflowError
from workflow_engine.record.ids import RunId
from workflow_engine.record.run import Run
from workflow_engine.runtime import code
from workflow_engine.runtime.cancel import cancel
from workflow_engine.runtime.look import find, view_of
from workflow_engine.runtime.view import RunView
from workflow_engine.runtime.workshop import Verb, Workshop
from workflow_engine.spec.document import document_of
from workflow_engine.steps.live import Live

_FORK = "begin a new run, or go on from an earlier step of it: workflow fork {} --at STEP"


async def resume(
    shop: Workshop, run: str, executor: str | None, verb: Verb, *, accept_changes: bool = False
) -> RunView[Any]:
    """Take a run over and drive it until it rests."""
    ledger = shop.ledger
    run_id = await find(ledger, run)
    before = (await ledger.read(run_id)).run
    _must_go_on(before)
    code.of_run(shop, before)
    name = shop.known(executor)
    live = await taken(shop, run_id, name, verb, before, accept_changes=accept_changes)
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
        elif letters and not live.stopping:
            await resume(shop, live.run.id, executor, "answer")


async def recover(shop: Workshop, on_problem: Callable[[RunId, WorkflowError], None] | None) -> list[RunView[Any]]:
    """Go on with every run that was left behind; one run's problem stops no other."""
    ledger = shop.ledger
    left = dict.fromkeys([*await ledger.unfinished(), *await ledger.due(shop.around.clock.now())])
    found = [run for run in left if not await ledger.owned(run)]

    async def one(run: RunId) -> RunView[Any] | None:
        try:
            standing = (await ledger.read(run)).run
            if standing.workflow not in shop.workflows:
                return None
            return await resume(shop, run, None, "answer" if standing.status == "waiting" else "recover")
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
