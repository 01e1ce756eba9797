"""Our executor: one asyncio task per due node, until the run rests."""

from __future__ import annotations

import asyncio

from workflow_engine.steps.ending import close, stop
from workflow_engine.steps.letters import cancel, take_letters
from workflow_engine.steps.live import Live
from workflow_engine.steps.step import step


async def drive(live: Live) -> None:
    """Take the run on until it ends, waits, fails, or is drained. Raises errors.StoreError and errors.FenceLost."""
    tasks: dict[str, asyncio.Task[None]] = {}
    try:
        while True:
            live.wake.clear()
            if live.mail:
                await take_letters(live)
            if live.cut and not live.run.ended:
                await stop(tasks)
                await cancel(live)
                return
            for name in live.startable():
                live.busy.add(name)
                tasks[name] = asyncio.create_task(_waking(live, name))
            if not tasks:
                if live.mail:
                    continue
                await close(live)
                return
            await live.wake.wait()
            for name in [name for name, task in tasks.items() if task.done()]:
                live.busy.discard(name)
                tasks.pop(name).result()
    finally:
        await stop(tasks)


async def _waking(live: Live, name: str) -> None:
    """A step that wakes its drive as it ends: by a callback of its task, that would come a turn of the loop later."""
    try:
        await step(live, name)
    finally:
        live.wake.set()
