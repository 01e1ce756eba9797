"""Forsaking: what becomes of the arms of a fork that was left while some of their steps could not be dropped.

The commit that leaves a fork drops what rests or has not begun. What stays due leads nowhere, and is over in one of
three ways: its step under way ends and is recorded; it leaves nothing in doubt, and is withdrawn here; or an effect of
it is in doubt, and is settled first, as its node says. The last one lets the run go on.
"""

from __future__ import annotations

from workflow_engine.record.ids import child_id
from workflow_engine.spec.subflow import Subflow
from workflow_engine.steps.live import Live
from workflow_engine.steps.settling import withdraw

LEFT = "the run around it, which left the fork"
"""Who ends a run within."""


async def forsake(live: Live) -> None:
    """Withdraw every node of a fork that was left which is not under way and leaves nothing in doubt."""
    for name in live.run.frontier.due:
        if not _is_idle(live, name):
            continue
        entered = [*live.run.entered_by(name).values()]
        if not entered and isinstance(live.workflow.nodes[name], Subflow):
            visit = live.run.frontier.visits[name]
            # One that was begun by a process that died before it could say so; mostly there is none.
            entered = [child_id(live.run.id, live.run.begun_as(name, visit), visit)]
        doubtful = False
        for inner in entered:
            assert live.nest is not None, "whoever drives a run brings what drives those within it"
            if await live.nest.in_doubt(inner):
                doubtful = True
            else:
                await live.nest.cancel(inner, LEFT, live.run.id)
        if doubtful:
            live.unsettled.add(name)
            continue
        live.unsettled.discard(name)
        if _is_idle(live, name):  # still: a step that ended meanwhile may have left a fork around this one
            await withdraw(live, name)


def _is_idle(live: Live, name: str) -> bool:
    due = name in live.run.frontier.due and live.is_left(name)
    return due and name not in live.busy and not live.in_doubt(name)
