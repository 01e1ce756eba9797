"""The verbs: one method for each act, the same words as on the command line and in the journal."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, TypeVar, cast

from pydantic import BaseModel

from workflow_engine.errors import (
    AmbiguousRun,
    InputError,
    InvalidWorkflow,
    ModelMissing,
    QuestionNotFound,
    RunEnded,
    RunNotFound,
    RunOwned,
    StepError,
    StoreError,
    UsageError,
    WorkflowChanged,
    WorkflowError,
)
from workflow_engine.ports.ledger import Batch, Listed, Page, Recorded, Snapshot
from workflow_engine.record.events import (
    CodeChanged,
    QuestionWithdrawn,
    RunCancelled,
    RunClaimed,
    RunCreated,
    RunInterrupted,
)
from workflow_engine.record.frontier import Frontier
from workflow_engine.record.history import COMMITS, history
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.record.inbox import Answer, Letter, Standing
from workflow_engine.record.run import Run, advance, begin
from workflow_engine.runtime.answers import fitting
from workflow_engine.runtime.inputs import checked
from workflow_engine.runtime.view import RunView
from workflow_engine.spec.document import to_document
from workflow_engine.spec.edges import START_NAME
from workflow_engine.spec.nodes import Agent
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.live import Live, Surroundings, after
from workflow_engine.steps.onward import onward
from workflow_engine.verify import verify
from workflow_engine.verify.change import fits

S = TypeVar("S", bound=BaseModel)
Verb = Literal["run", "resume", "recover", "answer"]
Executor = Callable[[Live], Awaitable[None]]
EAR = 0.1
"""Seconds between two looks into the boxes of the runs driven here, for letters other processes sent."""


class Service:
    """Runs, as one process sees them. Reading, listing and answering need no workflow; driving needs its code."""

    def __init__(
        self,
        around: Surroundings,
        workflows: Sequence[Workflow[Any]],
        executors: Mapping[str, Executor],
        executor: str = "native",
        *,
        has_model: bool = False,
    ) -> None:
        if executor not in executors:
            raise UsageError(f"there is no executor {executor!r}", f"choose one of {', '.join(executors)}")
        self._around = around
        self._ledger = around.ledger
        self._workflows: dict[str, Workflow[Any]] = {}
        self._executors = executors
        self._executor = executor
        self._has_model = has_model
        self._lives: dict[RunId, Live] = {}
        self._ear: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[Any]] = set()
        self._draining = False
        for each in workflows:
            if self._workflows.setdefault(each.name, each) is not each:
                raise UsageError(f"two workflows are called {each.name!r}", "a run finds its code by name: rename one")
            self._proved(each)

    # Driving

    async def run(
        self, workflow: Workflow[S], inputs: Mapping[str, Any] | None = None, label: str | None = None, /, **fields: Any
    ) -> RunView[S]:
        """Begin a run and drive it here until it ends or waits.

        Inputs are the fields of the state, as keywords or as one mapping; `label` is remembered as where the code was
        found. Raises errors.InvalidWorkflow, errors.InputError, errors.ModelMissing before anything is stored.
        """
        self._proved(workflow)
        self._ready(workflow)
        self._workflows[workflow.name] = workflow
        writes = checked(workflow, {**(inputs or {}), **fields})
        run_id = self._around.mint.run_id()
        now = self._around.clock.now()
        state = after({}, writes, 1)
        try:
            left = onward(workflow, Frontier(), START_NAME, None, state)
        except StepError as error:
            raise InputError(f"{workflow.name} cannot begin: {error.what}", error.cure) from error
        created = RunCreated(now, run_id, workflow.name, workflow.shape, workflow.bodies, left.move, label)
        first = begin(created)
        events: tuple[Any, ...] = (created,)
        if not first.ended:  # routes alone may lead from START to an end, and an ended run takes no event any more
            events = (created, self._claimed("run", 1, self._executor))
            first = advance(first, events[1])
        fence = await self._ledger.create(Batch(first, events, writes, (), to_document(workflow)))
        live = Live.of(workflow, self._around, fence, Snapshot(first, after({}, writes, first.seq)))
        for event in events:
            live.tell(event)
        await self._driven(live, self._executor)
        return cast("RunView[S]", await self.get(run_id))

    async def resume(self, run: str, *, executor: str | None = None, verb: Verb = "resume") -> RunView[Any]:
        """Go on with a failed, interrupted or answered run until it ends or waits; a waiting one is left as it is.

        Raises errors.RunEnded for a run that succeeded, was cancelled or reached FAIL, errors.RunOwned if a living
        process drives it, errors.WorkflowChanged if the code no longer fits.
        """
        run_id = await self.find(run)
        before = (await self._ledger.read(run_id)).run
        _must_go_on(before)
        workflow = self._known(before)
        self._proved(workflow)
        self._ready(workflow)
        name = executor or self._executor
        if name not in self._executors:
            raise UsageError(f"there is no executor {name!r}", f"choose one of {', '.join(self._executors)}")
        fence, snapshot = await self._ledger.claim(run_id)
        try:
            _must_go_on(snapshot.run)
            changes = self._changes(snapshot, workflow)
            live = Live.of(workflow, self._around, fence, snapshot)
            reshaped = bool(changes) and changes[0].shape is not None
            await live.post(
                [*changes, self._claimed(verb, fence.epoch, name)], document=to_document(workflow) if reshaped else None
            )
        except BaseException:
            await self._ledger.release(fence)
            raise
        await self._driven(live, name)
        return await self.get(run_id)

    async def recover(self, on_problem: Callable[[RunId, WorkflowError], None] | None = None) -> list[RunView[Any]]:
        """Go on with every run of the known workflows whose process died, whose answer nobody took up, or whose
        question expired; one run's problem stops no other. Without `on_problem` the first is raised after them all.
        """
        now = self._around.clock.now()
        overdue = [each.question.run for each in await self.inbox() if each.question.due and each.question.due <= now]
        left = dict.fromkeys([*await self._ledger.unfinished(), *overdue])
        found = [run for run in left if not await self._ledger.owned(run)]

        async def one(run: RunId) -> RunView[Any] | None:
            try:
                standing = (await self._ledger.read(run)).run
                if standing.workflow not in self._workflows:
                    return None
                return await self.resume(run, verb="answer" if standing.status == "waiting" else "recover")
            except RunOwned:
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

    def drain(self) -> None:
        """Finish the steps under way and begin none; every run here is left resumable."""
        self._draining = True
        for live in self._lives.values():
            live.drain()

    async def cancel(self, run: str, *, by: str = "unknown") -> RunView[Any]:
        """End a run for good. A living owner is told and stops; otherwise it ends here and now."""
        run_id = await self.find(run)
        now = self._around.clock.now()
        try:
            fence, snapshot = await self._ledger.claim(run_id)
        except RunOwned:
            await self._ledger.send(Letter(f"{run_id}.cancel", run_id, "cancel", by, now))
            self._wake(run_id)
            view = await self.get(run_id)
            # An owner that let go meanwhile may have looked into its box for the last time before the letter came.
            return view if view.owned or not view.letters else await self.cancel(run_id, by=by)
        try:
            if snapshot.run.status in ("succeeded", "cancelled") or snapshot.run.frontier.ended:
                raise RunEnded(f"run {run_id} has ended ({snapshot.run.status}); there is nothing to cancel")
            events: list[Any] = [QuestionWithdrawn(now, each.id, each.node, each.visit) for each in snapshot.run.open]
            events.append(RunCancelled(now, by))
            ended = snapshot.run
            for event in events:
                ended = advance(ended, event)
            letters = [each.id for each in await self._ledger.letters(run_id)]
            await self._ledger.commit(fence, Batch(ended, events, (), letters))
        finally:
            await self._ledger.release(fence)
        return await self.get(run_id)

    async def answer(self, question: str, value: Any, *, by: str = "unknown", through: str = "python") -> Standing:
        """Record the one answer to a question, given by its id, or by its run's where that asks only one.

        Durable when this returns; a run driven here goes on by itself, any other by `resume`. Raises
        errors.AnswerRejected, errors.AlreadyAnswered, errors.QuestionNotFound.
        """
        standing = await self._asked(question)
        valid = fitting(standing, value)
        asked = standing.question
        now = self._around.clock.now()
        if asked.due is not None and asked.due <= now:
            raise QuestionNotFound(
                f"question {asked.id} expired at {asked.due:%Y-%m-%d %H:%M} UTC", f"workflow resume {asked.run}"
            )
        given = Answer(asked.id, valid, by, now, through)
        await self._ledger.send(Letter(asked.id, asked.run, "answer", by, now, given))
        self._wake(asked.run)
        return Standing(asked, "answered", given)

    # Looking

    async def get(self, run: str) -> RunView[Any]:
        """The run at this moment. Raises errors.RunNotFound, errors.StoreDamaged."""
        run_id = await self.find(run)
        snapshot = await self._ledger.read(run_id)
        workflow = self._workflows.get(snapshot.run.workflow)
        return RunView(
            run=snapshot.run,
            values={name: value.json() for name, value in snapshot.state.items()},
            history=history(each.event for each in await self._ledger.journal(run_id)),
            questions=tuple(await self._ledger.questions(run_id)),
            owned=await self._ledger.owned(run_id),
            letters=bool(await self._ledger.letters(run_id)),
            model=None if workflow is None else workflow.state,
        )

    async def runs(
        self, *, workflow: str | None = None, status: str | None = None, limit: int = 50, before: RunId | None = None
    ) -> list[Listed]:
        """A page of runs, newest first."""
        return list(await self._ledger.runs(Page(workflow, status, limit, before)))

    async def inbox(self, run: str | None = None) -> list[Standing]:
        """Questions that wait for an answer, oldest first; of all runs or of one."""
        asked = await self._ledger.questions(None if run is None else await self.find(run))
        return [each for each in asked if each.status == "open" and each.answer is None]

    async def find(self, prefix: str) -> RunId:
        """The run a unique prefix or "@last" means. Raises errors.RunNotFound, errors.AmbiguousRun."""
        found = await self._ledger.find(prefix) if prefix else ()
        if not found:
            raise RunNotFound(
                "there is no run yet" if prefix == "@last" else f"no run begins with {prefix!r}", "workflow runs"
            )
        if len(found) > 1 and prefix not in found:
            raise AmbiguousRun(
                f"{prefix!r} is the beginning of several runs: {', '.join(found)}", "type one more character"
            )
        return RunId(prefix) if prefix in found else found[0]

    async def journal(self, run: str, after: int = 0) -> Sequence[Recorded]:
        """The run's events numbered above `after`."""
        return await self._ledger.journal(await self.find(run), after)

    async def state_at(self, run: str, step: int) -> Mapping[str, Any]:
        """The state as a step left it, numbered as in the run's history. Raises errors.UsageError for no such step."""
        run_id = await self.find(run)
        ends = [each.seq for each in await self._ledger.journal(run_id) if isinstance(each.event, COMMITS)]
        if not 1 <= step <= len(ends):
            there = f"its steps are numbered 1 to {len(ends)}" if ends else "it has taken none yet"
            raise UsageError(f"run {run_id} has no step {step}", there)
        return {name: value.json() for name, value in (await self._ledger.at(run_id, ends[step - 1])).items()}

    async def document(self, run: str) -> Mapping[str, Any]:
        """The workflow of a run as JSON, readable without its code."""
        return await self._ledger.document(await self.find(run))

    async def watch(self, run: str, after: int = 0) -> AsyncIterator[Recorded]:
        """The run's events from `after` on, as they become durable, until nothing more will come by itself."""
        run_id = await self.find(run)
        while True:
            seen = await self._ledger.changed(0)
            owned = await self._ledger.owned(run_id)
            for recorded in await self._ledger.journal(run_id, after):
                after = recorded.seq
                yield recorded
            if not owned and not await self._ledger.journal(run_id, after):
                return
            # Other processes commit too, and no event of this loop can tell: hence the look at intervals.
            while await self._ledger.changed(seen) == seen and await self._ledger.owned(run_id):  # noqa: ASYNC110
                await asyncio.sleep(EAR / 2)

    # Beneath the verbs

    async def _driven(self, live: Live, executor: str) -> None:
        """Drive an owned run, then let go of it; once more if a letter came in the moment between."""
        run_id = live.run.id
        self._lives[run_id] = live
        if self._draining:
            live.drain()
        self._listen()
        try:
            await self._executors[executor](live)
        except asyncio.CancelledError:
            # Stopped by its caller, and its steps have let go: no step took the process down.
            if live.run.status == "running":
                with suppress(WorkflowError):
                    await live.post([RunInterrupted(self._around.clock.now())])
            raise
        finally:
            self._lives.pop(run_id, None)
            await self._ledger.release(live.fence)
        if live.run.ended:
            return
        letters = await self._ledger.letters(run_id)
        with suppress(RunOwned, RunEnded):
            if stop := next((each for each in letters if each.kind == "cancel"), None):
                await self.cancel(run_id, by=stop.by)
            elif letters and not live.stopping:
                await self.resume(run_id, executor=executor, verb="answer")

    def _listen(self) -> None:
        if self._ear is None or self._ear.done():
            self._ear = asyncio.create_task(self._hear(), name="letters from other processes")

    async def _hear(self) -> None:
        seen = 0
        while self._lives:
            await asyncio.sleep(EAR)
            moment = self._around.clock.now()
            for run_id, live in self._lives.items():
                if any(each.due is not None and each.due <= moment for each in live.run.open):
                    self._wake(run_id)
            with suppress(StoreError):  # said by the run's own commits; a store locked for a moment deafens nobody
                now = await self._ledger.changed(seen)
                if now != seen:
                    for run_id in await self._ledger.boxes():
                        self._wake(run_id)
                    seen = now

    def _wake(self, run_id: RunId) -> None:
        live = self._lives.get(run_id)
        if live is not None:
            live.mail = True
            live.wake.set()

    async def _asked(self, question: str) -> Standing:
        try:
            return await self._ledger.question(QuestionId(question))
        except QuestionNotFound:
            if "." in question:
                raise
        run_id = await self.find(question)
        waiting = await self.inbox(run_id)
        if len(waiting) == 1:
            return waiting[0]
        if not waiting:
            run = (await self._ledger.read(run_id)).run
            if len(run.open) == 1:  # answered already: refused as just that
                return await self._ledger.question(run.open[0].id)
            raise QuestionNotFound(f"run {run_id} asks nothing: it is {run.status}", f"workflow show {run_id}")
        ids = ", ".join(each.question.id for each in waiting)
        raise QuestionNotFound(f"run {run_id} asks {len(waiting)} questions", f"answer one of them by its id: {ids}")

    def _claimed(self, verb: Verb, epoch: int, executor: str) -> RunClaimed:
        return RunClaimed(self._around.clock.now(), epoch, f"{socket.gethostname()}:{os.getpid()}", verb, executor)

    def _proved(self, workflow: Workflow[Any]) -> None:
        findings = [each for each in verify(workflow) if each.severity == "finding"]
        if findings:
            raise InvalidWorkflow(workflow.name, findings)

    def _ready(self, workflow: Workflow[Any]) -> None:
        if not self._has_model and any(isinstance(node, Agent) for node in workflow.nodes.values()):
            raise ModelMissing(
                f"{workflow.name} has agents and no model was chosen for them",
                "Engine.open(..., model=offline(Path('flow.playbook.toml'))) (offline: workflow_engine.agents); "
                "on the command line --model offline, or set OPENAI_API_KEY",
            )

    def _known(self, run: Run) -> Workflow[Any]:
        workflow = self._workflows.get(run.workflow)
        if workflow is None:
            raise UsageError(
                f"the code of workflow {run.workflow!r} is not here",
                f"name its file: workflow resume {run.id} {run.target or 'FILE.py'}; or Engine.open(workflows=[...])",
            )
        return workflow

    def _changes(self, snapshot: Snapshot, workflow: Workflow[Any]) -> list[CodeChanged]:
        run = snapshot.run
        if run.shape != workflow.shape:
            findings = fits(run, snapshot.state, workflow)
            if findings:
                listed = "\n".join(str(each) for each in findings)
                raise WorkflowChanged(
                    f"{workflow.name} changed and run {run.id} no longer fits it\n{listed}",
                    "go on with the code as it was, or begin a new run",
                )
        edited = tuple(name for name, code in workflow.bodies.items() if run.bodies.get(name) != code)
        if not edited and run.shape == workflow.shape:
            return []
        shape = None if run.shape == workflow.shape else workflow.shape
        return [CodeChanged(self._around.clock.now(), workflow.bodies, edited, shape)]

    async def close(self) -> None:
        """Stop what runs in the background and let go of everything."""
        for task in (*self._background, *([self._ear] if self._ear else [])):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


def _must_go_on(run: Run) -> None:
    if run.status in ("succeeded", "cancelled"):
        was = "succeeded" if run.status == "succeeded" else "was cancelled"
        raise RunEnded(f"run {run.id} {was}; there is nothing to resume", "begin a new run")
    if run.frontier.ended is not None:
        raise RunEnded(f"run {run.id} ended at {run.frontier.ended!r}: it has nowhere to go on", "begin a new run")
