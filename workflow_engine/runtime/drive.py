"""Our executor: one asyncio task for each arm that moves, until the run rests.

A task takes a due node's step and goes on with what that made startable, so that a sequence of steps is one task. The
drive itself waits beside them for whatever comes from outside: letters, a cancellation, a due time.
"""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context

from workflow_engine.steps.ending import close, stop
from workflow_engine.steps.forsaking import forsake
from workflow_engine.steps.letters import cancel, take_letters
from workflow_engine.steps.live import Live
from workflow_engine.steps.step import step


async def drive(live: Live) -> None:
    """Take the run on until it ends, waits, fails, or is drained. Raises errors.StoreError and errors.FenceLost."""
    tasks: list[asyncio.Task[None]] = []
    try:
        while True:
            live.wake.clear()
            if live.mail:
                await take_letters(live)
            if live.cut and not live.run.ended:
                await stop(tasks)
                await cancel(live)
                return
            if live.run.frontier.leaving:
                await forsake(live)
            for name in live.startable():
                live.busy.add(name)
                tasks.append(asyncio.create_task(_steps(live, name)))
            if not tasks:
                if live.mail:
                    continue
                await close(live)
                return
            await live.wake.wait()
            for task in [each for each in tasks if each.done()]:
                tasks.remove(task)
                task.result()
    finally:
        await stop(tasks)


async def _steps(live: Live, name: str) -> None:
    """A step, and those that follow on it. Wakes the drive as it ends, and when more than one can begin."""
    # By hand: by a callback of the task, the drive would be woken a turn of the loop later.
    following: str | None = name
    here = copy_context()
    try:
        while following is not None:
            try:
                await step(live, following)
            finally:
                live.busy.discard(following)
            following = _following(live, here)
    finally:
        live.wake.set()


def _following(live: Live, here: Context) -> str | None:
    """The step that this task goes on with; None leaves it to the drive to look what comes next."""
    task = asyncio.current_task()
    if live.mail or live.run.frontier.leaving or task is None or task.cancelling():
        return None
    if copy_context() != here:  # what a body left in its context is not for the steps after it
        return None
    first, *others = live.startable() or (None,)
    if first is not None:
        live.busy.add(first)
    if others:
        live.wake.set()
    return first
