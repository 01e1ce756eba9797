"""The second executor: LangGraph schedules the steps that the frontier says are due, until the run rests.

The contract is that of runtime/drive.py, and so is the shape: letters, cancellation, what is startable, what is done.
Only who begins a step differs. There is no checkpointer and no `interrupt()`: LangGraph's own record of where a run
stands would be a second one, so the graph is entered anew at the live frontier whenever something can begin.
"""

from __future__ import annotations

import asyncio
import sys

from langsmith import tracing_context

from workflow_engine.langgraph.scheme import Scheme, scheme_of
from workflow_engine.langgraph.session import Session
from workflow_engine.steps.ending import close, stop
from workflow_engine.steps.forsaking import forsake
from workflow_engine.steps.letters import cancel, take_letters
from workflow_engine.steps.live import Live


async def drive(live: Live) -> None:
    """Take the run on until it ends, waits, fails, or is drained. Raises errors.StoreError and errors.FenceLost."""
    scheme = scheme_of(live.workflow)
    session = Session(live, scheme.regions)
    pregel: asyncio.Task[None] | None = None
    try:
        while True:
            live.wake.clear()
            if live.mail:
                await take_letters(live)
            if live.cut and not live.run.ended:
                await stop([*session.tasks.values()])
                await cancel(live)
                return
            if live.run.frontier.leaving:
                await forsake(live)
            if pregel is None:
                if not live.startable():
                    if live.mail:
                        continue
                    await close(live)
                    return
                session = Session(live, scheme.regions)
                pregel = asyncio.create_task(_enter(scheme, session), name=f"{live.run.id} on LangGraph")
                pregel.add_done_callback(lambda _: live.wake.set())
            session.look()
            await live.wake.wait()
            for name in [name for name, task in session.tasks.items() if task.done()]:
                session.tasks.pop(name).result()
            if pregel.done():
                pregel.result()
                pregel = None
                if not session.begun and live.startable():
                    raise RuntimeError(f"the graph of {live.workflow.name} does not lead to {live.startable()}")
    finally:
        session.over = True  # what LangGraph has scheduled already must begin no step while it is taken down
        await stop([*session.tasks.values()])
        if pregel is not None:
            await _taken_down(pregel)


async def _taken_down(pregel: asyncio.Task[None]) -> None:
    """Cancel LangGraph and wait it out, however often we are cancelled meanwhile.

    Cancelled once more while it lets go, it loses tasks of its own. Its nodes only park by now, so that takes no time.
    """
    pregel.cancel()
    again = False
    while not pregel.done():
        try:
            await asyncio.wait({pregel})
        except asyncio.CancelledError:
            again = True
    if not pregel.cancelled():
        pregel.exception()  # looked at, or asyncio complains; whatever it was ended the drive before
    if again:
        raise asyncio.CancelledError


async def _enter(scheme: Scheme, session: Session) -> None:
    # An environment that asks LangSmith to trace means the user's own chains, not the engine's scheduling.
    with tracing_context(enabled=False):
        await scheme.graph.ainvoke({}, {"recursion_limit": sys.maxsize}, context=session)
