"""How a drive ends: what is recorded once nothing is under way, and how steps under way are stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress

from workflow_engine.errors import Failure
from workflow_engine.record.events import RunFailed, RunInterrupted
from workflow_engine.steps.live import Live

FORSAKEN = "stopped"
"""The kind of failure of a run that was stopped because the one around it failed elsewhere: it goes on with that."""


async def close(live: Live) -> None:
    """Record what follows once nothing is under way: a failure nothing caught ends the run failed, and so do steps that
    are spent.
    """
    if live.run.failed and live.run.status == "running":
        failure = next(iter(live.run.failed.values()))
        await live.post([RunFailed(live.around.clock.now(), failure)])
    elif live.forsaken and live.run.status == "running":
        # Not left as interrupted: nobody but who resumes the run around it may go on with it.
        node = next(iter(live.run.frontier.due), "")
        await live.post([RunFailed(live.around.clock.now(), Failure(node, FORSAKEN, "the run around it failed"))])
    elif live.draining and live.run.status == "running":
        await live.post([RunInterrupted(live.around.clock.now())])
    elif live.spent and live.run.status == "running":
        await live.post([RunFailed(live.around.clock.now(), _spent(live))])


def _spent(live: Live) -> Failure:
    node = next(each for each in live.run.frontier.due if each not in live.run.resting)
    return Failure(
        node,
        "limit",
        f"the run has taken {live.run.steps:,} steps, and a run takes at most {live.around.limits.steps:,}: resume it "
        "under a higher limit, RunLimits(steps=...) or WORKFLOW_LIMIT_STEPS",
    )


async def stop(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel the steps under way and wait until they let go."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            await task
