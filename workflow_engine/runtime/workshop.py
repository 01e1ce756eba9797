"""The workshop: what the verbs of one process share, and the drives that go on in it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from workflow_engine.bodies import capture
from workflow_engine.errors import StoreError, UsageError, WorkflowError
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.events import RunClaimed, RunInterrupted
from workflow_engine.record.ids import RunId, around
from workflow_engine.spec.file import SHELF
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.entering import Nest
from workflow_engine.steps.live import Live, Surroundings, log

Verb = Literal["run", "resume", "recover", "answer"]
Executor = Callable[[Live], Awaitable[None]]
EAR = 0.1
"""Seconds between two looks into the boxes of the runs driven here, for letters other processes sent."""


@dataclass(eq=False)
class Workshop:
    """One process's workflows by name, executors by name, and `lives`: the runs it drives right now.

    `unheard` says that one of them came since the boxes were looked into: its first letter may be older than that.
    `proved` are workflows that keep every law; `bells` wake whoever waits for something to do. `nests` makes what
    drives the runs within one, by an executor's name.
    """

    around: Surroundings
    executors: Mapping[str, Executor]
    executor: str
    nests: Callable[[Workshop, str], Nest]
    has_model: bool = False
    workflows: dict[str, Workflow[Any]] = field(default_factory=dict)
    lives: dict[RunId, Live] = field(default_factory=dict)
    draining: bool = False
    halt: asyncio.Event = field(default_factory=asyncio.Event)
    ear: asyncio.Task[None] | None = None
    unheard: bool = False
    proved: dict[str, Workflow[Any]] = field(default_factory=dict)
    bells: set[asyncio.Event] = field(default_factory=set)

    @property
    def ledger(self) -> Ledger:
        return self.around.ledger

    def known(self, executor: str | None) -> str:
        """The name of an executor, the usual one for None. Raises UsageError for one there is not."""
        name = executor or self.executor
        if name not in self.executors:
            raise UsageError(f"there is no executor {name!r}", f"choose one of {', '.join(self.executors)}")
        return name

    def claimed(self, verb: Verb, epoch: int, executor: str, deadline: datetime | None) -> RunClaimed:
        """The fact that this process took a run, and the deadline that its code sets it."""
        process = f"{socket.gethostname()}:{os.getpid()}"
        return RunClaimed(self.around.clock.now(), epoch, process, verb, executor, deadline)

    async def driven(self, live: Live, executor: str) -> None:
        """Drive an owned run until it rests, then let go of it."""
        run_id = live.run.id
        live.nest = self.nests(self, executor)
        self.lives[run_id] = live
        self.unheard = True
        if self.draining:
            live.drain()
        if self.ear is None or self.ear.done():
            self.ear = asyncio.create_task(self._hear(), name="letters from other processes")
        shelf = SHELF.set(live.desk)
        # The streams stay replaced from here on, rather than for each attempt anew.
        heard = capture.listen(capture.ear())
        try:
            await self.executors[executor](live)
            while live.rerouted:  # its time was up, its steps were stopped, and it goes on elsewhere
                live.rerouted = False
                live.busy.clear()
                await self.executors[executor](live)
        except asyncio.CancelledError:
            # Stopped by its caller, and its steps have let go: no step took the process down.
            if live.run.status == "running":
                with suppress(WorkflowError):
                    await live.post([RunInterrupted(self.around.clock.now())])
            raise
        finally:
            capture.unlisten(heard)
            SHELF.reset(shelf)
            self.lives.pop(run_id, None)
            await self.ledger.release(live.fence)

    def tell(self, run_id: RunId, event: Any) -> None:
        """Let the listeners hear of a fact that no drive made. What they raise is logged and dropped."""
        for listener in self.around.listeners:
            try:
                listener.hear(run_id, event)
            except Exception:
                log.exception("a listener raised")

    def drain(self) -> None:
        """Finish the steps under way and begin none."""
        self.draining = True
        self.halt.set()
        for live in self.lives.values():
            live.drain()
        self.ring()

    def ring(self) -> None:
        """Something came that a worker may want to do, or it is told to stop."""
        for bell in self.bells:
            bell.set()

    def wake(self, run_id: RunId) -> None:
        """Let a run driven here look into its box."""
        # A run within another one may rest, and only the one around it be driven.
        for name, live in self.lives.items():
            if name == run_id or (live.run.entered and around(name, run_id)):
                live.mail = True
                live.wake.set()

    async def _hear(self) -> None:
        seen = 0
        while self.lives:
            await asyncio.sleep(EAR)
            moment = self.around.clock.now()
            for run_id, live in self.lives.items():
                if (due := live.due) is not None and due <= moment:
                    self.wake(run_id)
            try:
                now = await self.ledger.changed(seen)
                if now != seen or self.unheard:
                    self.unheard = False
                    for run_id in await self.ledger.boxes():
                        self.wake(run_id)
                    seen = now
            except StoreError:  # said by the run's own commits; a store locked for a moment deafens nobody
                self.unheard = True
