"""Cancelling: the end of a run for good, here and now or by its living owner."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from workflow_engine.errors import RunEnded, RunNotFound, RunOwned
from workflow_engine.ports.clock import Clock
from workflow_engine.ports.ledger import Batch, Fence, Ledger
from workflow_engine.record.events import QuestionWithdrawn, RunCancelled
from workflow_engine.record.fold import advance
from workflow_engine.record.ids import RunId
from workflow_engine.record.inbox import Letter
from workflow_engine.record.run import Run
from workflow_engine.runtime.inputs import signed
from workflow_engine.runtime.look import find, view_of
from workflow_engine.runtime.view import RunView
from workflow_engine.runtime.workshop import Workshop


async def cancel(shop: Workshop, run: str, by: str) -> RunView[Any]:
    """End a run. A living owner is told and stops; otherwise it ends here."""
    ledger, by = shop.ledger, signed(by)
    run_id = await find(ledger, run)
    now = shop.around.clock.now()
    try:
        fence, snapshot = await ledger.claim(run_id)
    except RunOwned:
        await ledger.send(Letter(f"{run_id}.cancel", run_id, "cancel", by, now))
        shop.wake(run_id)
        view = await view_of(shop, run_id)
        # An owner that let go meanwhile may have looked into its box for the last time before the letter came.
        return view if view.owned or not view.letters else await cancel(shop, run_id, by)
    try:
        if snapshot.run.status in ("succeeded", "cancelled") or snapshot.run.frontier.ended:
            raise RunEnded(f"run {run_id} has ended ({snapshot.run.status}); there is nothing to cancel")
        await _told_around(ledger, snapshot.run, by, now)
        await _ended(ledger, shop.around.clock, fence, snapshot.run, by)
    finally:
        await ledger.release(fence)
    if snapshot.run.within is not None:
        shop.wake(run_id)
    return await view_of(shop, run_id)


async def ended_with(ledger: Ledger, clock: Clock, run: RunId, by: str, around: RunId) -> None:
    """End a run that lies within another, `around` it, and that nobody drives any more, unless it has ended.

    Raises errors.RunOwned where somebody does drive it.
    """
    its = (await ledger.read(run)).run.within
    if its is None or its.run != around or run == around:
        return  # of a damaged store: what lies elsewhere, or stands around itself, is nobody's to end from here
    fence, snapshot = await ledger.claim(run)
    try:
        if not snapshot.run.ended:
            await _ended(ledger, clock, fence, snapshot.run, by)
    finally:
        await ledger.release(fence)


async def _ended(ledger: Ledger, clock: Clock, fence: Fence, run: Run, by: str) -> None:
    for within in run.entered.values():  # first, or one left by a crash between would go on for ever
        with suppress(RunNotFound):
            await ended_with(ledger, clock, within, by, run.id)
    now = clock.now()
    events: list[Any] = [QuestionWithdrawn(now, each.id, each.node, each.visit) for each in run.open]
    events.append(RunCancelled(now, by))
    for event in events:
        run = advance(run, event)
    letters = [each.id for each in await ledger.letters(run.id)]
    await ledger.commit(fence, Batch(run, events, (), letters))


async def _told_around(ledger: Ledger, run: Run, by: str, now: datetime) -> None:
    """Leave word for the run around one that is cancelled: its step fails of that, whoever drives it next.

    Before the end, or a crash between would leave it waiting for ever. Word that nothing came of does no harm.
    """
    if run.within is not None:
        with suppress(RunEnded, RunNotFound):
            await ledger.send(Letter(f"{run.id}.ended", run.within.run, "child", by, now))
