"""Cancelling: the end of a run for good, here and now or by its living owner."""

from __future__ import annotations

from typing import Any

from workflow_engine.errors import RunEnded, RunOwned
from workflow_engine.ports.ledger import Batch
from workflow_engine.record.events import QuestionWithdrawn, RunCancelled
from workflow_engine.record.inbox import Letter
from workflow_engine.record.run import advance
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
        events: list[Any] = [QuestionWithdrawn(now, each.id, each.node, each.visit) for each in snapshot.run.open]
        events.append(RunCancelled(now, by))
        ended = snapshot.run
        for event in events:
            ended = advance(ended, event)
        letters = [each.id for each in await ledger.letters(run_id)]
        await ledger.commit(fence, Batch(ended, events, (), letters))
    finally:
        await ledger.release(fence)
    return await view_of(shop, run_id)
