"""The verbs: one method for each act, the same words as on the command line and in the journal. Each has its module."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, BinaryIO, TypeVar, cast

from pydantic import BaseModel

from workflow_engine.errors import StoreError, UsageError, WorkflowError
from workflow_engine.ports.files import KeepsFiles
from workflow_engine.ports.ledger import Listed, Page, Recorded
from workflow_engine.ports.notices import KeepsNotices
from workflow_engine.record.ids import RunId
from workflow_engine.record.inbox import Standing
from workflow_engine.record.notice import Notice
from workflow_engine.record.people import Person, Principal
from workflow_engine.record.run import Run
from workflow_engine.runtime import (
    answer,
    batch,
    begin,
    cancel,
    chat,
    code,
    fork,
    logs,
    look,
    people,
    publish,
    reassign,
    replay,
    rerun,
    resume,
    signal,
    worker,
)
from workflow_engine.runtime.flight import Fit, in_flight
from workflow_engine.runtime.footing import Footing, as_it_stands, footing_of
from workflow_engine.runtime.logs import Spoken
from workflow_engine.runtime.nested import Nested, outermost
from workflow_engine.runtime.past import past
from workflow_engine.runtime.publish import Published
from workflow_engine.runtime.replay import Replay
from workflow_engine.runtime.schedules import Schedules
from workflow_engine.runtime.signal import Sent
from workflow_engine.runtime.steppage import StepPage, find_step
from workflow_engine.runtime.then import then_of
from workflow_engine.runtime.view import RunView
from workflow_engine.runtime.workshop import Executor, Verb, Workshop
from workflow_engine.spec.file import File
from workflow_engine.spec.nesting import nested
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.live import Surroundings

S = TypeVar("S", bound=BaseModel)


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
        self._shop = Workshop(around, executors, executor, Nested, has_model)
        self._shop.known(executor)
        self._background: set[asyncio.Task[Any]] = set()
        self.schedules = Schedules(self._shop)
        for each in workflows:
            if self._shop.workflows.setdefault(each.name, each) is not each:
                raise UsageError(f"two workflows are called {each.name!r}", "a run finds its code by name: rename one")
            code.prove(each)
        for each in workflows:
            for inner in nested(each).values():  # a run of its own is found under it: to be looked at, and forked
                self._shop.workflows.setdefault(inner.name, inner)

    # Driving

    async def run(
        self, workflow: Workflow[S], inputs: Mapping[str, Any] | None = None, label: str | None = None, /, **fields: Any
    ) -> RunView[S]:
        """Begin a run and drive it here until it ends or waits.

        Inputs are the fields of the state, as keywords or as one mapping; `label` is remembered as where the code was
        found. Raises errors.InvalidWorkflow, errors.InputError, errors.ModelMissing before anything is stored.
        """
        live = await begin.created(self._shop, workflow, {**(inputs or {}), **fields}, label)
        await resume.rested(self._shop, live, self._shop.executor)
        return cast("RunView[S]", await look.view_of_begun(self._shop, live.run.id))

    async def start(
        self,
        workflow: Workflow[Any],
        inputs: Mapping[str, Any] | None = None,
        label: str | None = None,
        /,
        **fields: Any,
    ) -> RunId:
        """Begin a run and leave it to a worker: it stands in the queue, on disk, when this returns its id.

        Raises errors.InvalidWorkflow and errors.InputError before anything is stored.
        """
        return await begin.started(self._shop, workflow, {**(inputs or {}), **fields}, label)

    async def say(
        self,
        workflow: Workflow[Any],
        words: str,
        label: str | None = None,
        /,
        *,
        session: str,
        message: str | None = None,
        by: str = "unknown",
    ) -> RunId:
        """Say something to a workflow that is a chat, and leave the run that answers it to a worker.

        Sent again under the same name of the message, in the same session and by the same person, it is the same run.
        Raises errors.UsageError for a workflow that is no chat, errors.InputError, errors.Conflict for other words.
        """
        name = message or self._shop.around.mint.run_id()
        return await chat.say(self._shop, workflow, words, session, name, by, label)

    async def work(
        self,
        *,
        at_once: int = 8,
        until: worker.Until = "stopped",
        on_problem: Callable[[RunId | None, WorkflowError], None] | None = None,
        on_rest: Callable[[Run], None] | None = None,
        refuse: Callable[[str | None], WorkflowError | None] | None = None,
    ) -> worker.Worked:
        """Drive queued runs of the known workflows, and go on with those that died, were answered or are due.

        Works until `drain` is called or the task is cancelled; "idle" ends once nothing is left to do, "once" after one
        look. Any number of workers may share a store. One run's problem is told to `on_problem` (else logged) and
        stops no other, and so is the store's, with no run; `on_rest` hears of each run that came to rest. `refuse` may
        say, of a run's label, why it is left to another worker.
        """
        task = asyncio.current_task()
        assert task is not None
        self._background.add(task)  # so that closing the engine ends it
        try:
            return await worker.work(self._shop, at_once, until, on_problem, on_rest, refuse)
        finally:
            self._background.discard(task)

    def batch(
        self,
        workflow: Workflow[Any],
        inputs: batch.Inputs,
        *,
        key: str,
        at_once: int = 8,
        rate: float | None = None,
        label: str | None = None,
        on_rest: Callable[[int], None] | None = None,
    ) -> AsyncIterator[batch.Line]:
        """One run for each of the inputs, at most `at_once` at a time and `rate` begun in a second; what became of each
        comes in their order.

        Begun again under the same `key`, it goes on where it was left: a run that rests is not driven again, a failed
        one is resumed, and inputs that were added since are begun. Inputs that do not fit are refused one by one.
        `on_rest` hears the number of each line as it comes to rest, in whatever order.
        """
        return batch.batch(self._shop, workflow, inputs, key, at_once, rate, label, on_rest)

    async def fork(
        self,
        run: str,
        edits: Mapping[str, Any] | None = None,
        label: str | None = None,
        /,
        *,
        at: int | None = None,
        on_begun: Callable[[RunId], None] | None = None,
        **fields: Any,
    ) -> RunView[Any]:
        """Begin a new run as another stood after its step `at`, with edits, and drive it here until it ends or waits.

        The step is left anew: routes are decided again, and a person's answer that is edited leads where it says. 0 is
        START; without `at` it is the last step that was left. Edits are fields of the state, as keywords or as one
        mapping, and replace what they hold; what is not edited is shared with the parent, which is only read.
        `on_begun` hears the fork's id once it stands on disk. Raises
        errors.UsageError for a step that cannot be left, errors.InputError for edits that do not fit,
        errors.WorkflowChanged if the code no longer fits there.
        """
        live = await fork.forked(self._shop, run, at, {**(edits or {}), **fields}, label)
        if on_begun is not None:
            on_begun(live.run.id)
        await resume.rested(self._shop, live, self._shop.executor)
        return await look.view_of(self._shop, live.run.id)

    async def resume(
        self,
        run: str,
        *,
        executor: str | None = None,
        verb: Verb = "resume",
        accept_changes: bool = False,
        on_begun: Callable[[RunId], None] | None = None,
    ) -> RunView[Any]:
        """Go on with a failed, interrupted or answered run until it ends or waits; a waiting one is left as it is.
        `on_begun` hears the run that is driven, once it is in the hands of this process.

        Raises errors.RunEnded for a run that succeeded, was cancelled or reached FAIL, errors.RunOwned if a living
        process drives it, errors.WorkflowChanged if the code no longer fits, or fits with consequences (a question is
        asked anew, a count is forgotten) and `accept_changes` is not said.
        """
        return await resume.resume(self._shop, run, executor, verb, accept_changes=accept_changes, on_begun=on_begun)

    async def recover(self, on_problem: Callable[[RunId, WorkflowError], None] | None = None) -> list[RunView[Any]]:
        """Go on with every run of the known workflows whose process died, whose answer nobody took up, or whose
        question expired; one run's problem stops no other. Without `on_problem` the first is raised after them all.
        """
        return await resume.recover(self._shop, on_problem)

    def drain(self) -> None:
        """Finish the steps under way and begin none; every run here is left resumable, and a worker ends."""
        self._shop.drain()

    async def cancel(self, run: str, *, by: str = "unknown") -> RunView[Any]:
        """End a run for good. A living owner is told and stops; otherwise it ends here and now."""
        return await cancel.cancel(self._shop, run, by)

    async def answer(
        self, question: str, value: Any, *, by: str | Principal = "unknown", through: str = "python"
    ) -> Standing:
        """Record the one answer to a question, given by its id, or by its run's where that asks only one.

        Durable when this returns; a run driven here goes on by itself, any other by `resume`. `by` is a name, or a
        Principal of whom the caller has proof. Where a choice needs several people this is the word of one of them, and
        what is returned stays open until enough gave the same. Raises errors.AnswerRejected, errors.AlreadyAnswered,
        errors.QuestionNotFound, errors.NotAllowed with who may answer.
        """
        return await answer.answer(self._shop, question, value, by, through)

    async def reassign(self, question: str, *, to: str, by: str | Principal = "unknown") -> Standing:
        """Ask somebody else from now on; who did it is recorded. A run that is driven takes it up by itself.

        Raises errors.Conflict where somebody was first, errors.NotAllowed for somebody whom the workflow excludes.
        """
        return await reassign.reassign(self._shop, question, to, by)

    async def claim(self, question: str, *, by: str | Principal) -> Standing:
        """Take a question that several may answer: others see who has it. Raises errors.Conflict if somebody has it."""
        return await reassign.claim(self._shop, question, by)

    # People who prove who they are

    async def enrol(self, name: str, *, groups: Sequence[str] = ()) -> str:
        """Know somebody from now on by a token, which is returned once; from then on nobody else acts in that name.

        Enrolled again they have a new token, and the old one is nobody's.
        """
        return await people.enrol(self._shop, name, groups)

    async def dismiss(self, name: str) -> None:
        """Know somebody no more: their token is nobody's. What they did stays."""
        await people.dismiss(self._shop, name)

    async def enrolled(self) -> list[Person]:
        """Everybody who is enrolled, by name."""
        return list(await self._shop.ledger.people())

    async def bearer(self, token: str) -> Principal:
        """Whose token it is, as an authenticated principal. Raises errors.NotAllowed for nobody's."""
        return await people.holder(self._shop.ledger, token)

    async def signal(
        self, run: str, name: str, payload: Any = None, *, id: str | None = None, by: str = "unknown"
    ) -> Sent:
        """Send a run a signal by name, carrying a model or plain JSON; an `id` makes sending it again do nothing.

        Durable when this returns; a run driven here goes on by itself, any other by `resume` or `recover`. It may come
        before the run waits for it. Raises errors.SignalRejected for a name that nothing waits for, with every way in
        which it does not fit, and for one too many; errors.RunEnded, errors.RunNotFound.
        """
        return await signal.signal(self._shop, run, name, payload, id, by)

    async def publish(
        self,
        topic: str,
        payload: Any = None,
        labels: Mapping[str, str] | None = None,
        /,
        *,
        id: str | None = None,
        by: str = "unknown",
    ) -> Published:
        """Publish to a topic: a signal for every run that waits on it now, and the beginning of a run of each of this
        engine's workflows that `starts_on` it, left to a worker.

        Kept before anybody gets it, and each has it once however often it is published under one `id`; `recover`
        delivers what its publisher did not live to. What goes wrong with one is in `failed`, and the others have it.
        A topic that nobody listens to is no error: then it woke and started none. `labels` are remembered by the runs
        it begins, by workflow, as where their code was found.
        """
        return await publish.publish(self._shop, topic, payload, id, by, labels or {})

    async def deliver(self) -> list[Published]:
        """Deliver what was published and may not have reached everybody, because its publisher died."""
        return await publish.deliver(self._shop)

    # Looking

    @property
    def driven(self) -> tuple[RunId, ...]:
        """The runs that this engine drives at this moment."""
        return tuple(self._shop.lives)

    async def get(self, run: str) -> RunView[Any]:
        """The run at this moment. Raises errors.RunNotFound, errors.StoreDamaged."""
        return await look.get(self._shop, run)

    async def runs(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        limit: int = 50,
        before: RunId | None = None,
        prefix: str = "",
        children: bool = False,
    ) -> list[Listed]:
        """A page of runs, newest first; those that lie within others only with `children`.

        `prefix` is the beginning of their ids.
        """
        page = Page(workflow, status, limit, before, prefix, children=children)
        return list(await self._shop.ledger.runs(page))

    async def as_they_stand(self, listed: Sequence[Listed]) -> list[Listed]:
        """A page of runs with what only their locks and boxes can tell: that one is interrupted, or answered."""
        return [await as_it_stands(self._shop.ledger, each) for each in listed]

    async def footing(self, run: str | Run) -> Footing:
        """How a run stands, without its state and history. One that was folded up to now is not read again."""
        ledger = self._shop.ledger
        known = run if isinstance(run, Run) else (await ledger.read(await self.find(run))).run
        return await footing_of(ledger, known)

    async def stirred(self, since: int = -1) -> tuple[int, Sequence[RunId]]:
        """A number that grows with every fact and letter, and the runs of those above `since`: whose lists are old.

        A number below `since` says that any run may have changed.
        """
        return await self._shop.ledger.stirred(since)

    async def replay(
        self,
        run: str,
        *,
        against: Workflow[Any] | None = None,
        only_routes: bool = False,
        live_resources: bool = False,
    ) -> Replay:
        """Go through a run again, moment by moment: each state, and where the run stood. Executes nothing.

        `against` a workflow, functions without effect, routes and the bodies of agents and people run anew on the
        recorded state; what agents, effects, people and others came to is taken as recorded. `Replay.difference` is the
        first thing that comes out otherwise: of values too, unless `only_routes`. A function that is handed a resource
        is taken as recorded, unless `live_resources`. Nothing is written. Raises errors.RunNotFound,
        errors.InvalidWorkflow.
        """
        behind = await past(self._shop.ledger, await self.find(run))
        if against is None:
            return await replay.replayed(self._shop, behind)
        code.prove(against)
        return await rerun.replayed_against(
            self._shop, behind, against, only_routes=only_routes, live_resources=live_resources
        )

    def in_flight(self, workflow: Workflow[Any]) -> AsyncIterator[Fit]:
        """Every run of the workflow that is not over, newest first, and whether this version can carry it, or why not.

        Nothing is claimed or written. Raises errors.InvalidWorkflow for a version that breaks laws.
        """
        return in_flight(self._shop, workflow)

    async def inbox(
        self, run: str | None = None, *, to: str | None = None, node: str | None = None, overdue: bool = False
    ) -> list[Standing]:
        """Questions that wait for an answer, oldest first; of all runs or of one.

        Those asked of somebody (theirs, or a candidate's that nobody has taken), of one node, or whose time is up.
        """
        asked = await look.inbox(self._shop.ledger, run)
        if to is not None:
            known = {each.name: each.groups for each in await self._shop.ledger.people()}
            person = Principal(to, groups=known.get(to, ()))
            asked = [each for each in asked if people.asked_of(each, person)]
        now = self._shop.around.clock.now()
        due = [each for each in asked if not overdue or (each.question.due is not None and each.question.due <= now)]
        return [each for each in due if node in (None, each.question.node)]

    async def then(self, standing: Standing) -> str | None:
        """What happens to a question that nobody answers in time, in words; None where it has all the time."""
        if standing.question.due is None:
            return None
        with suppress(StoreError):
            return then_of(standing.question, await self._shop.ledger.document(standing.question.run))
        return None

    async def expects(self, run: str) -> Mapping[str, Mapping[str, Any]]:
        """The signals that nodes of a run's workflow wait for, each with the JSON Schema of what it carries."""
        ledger = self._shop.ledger
        return await look.expected(ledger, (await ledger.read(await self.find(run))).run)

    async def due(self) -> list[RunId]:
        """Runs of which a question or a wait is over by now, the longest overdue first: `recover` goes on with them."""
        return list(await self._shop.ledger.due(self._shop.around.clock.now()))

    async def outermost(self, run: str) -> RunView[Any]:
        """The run that is driven so that this one goes on: itself, or the outermost of those it lies within."""
        _, outer, _ = await outermost(self._shop.ledger, await self.find(run))
        return await look.view_of(self._shop, outer.id)

    async def to_recover(self, run: RunId) -> Run | None:
        """The run that `recover` goes on with for one that was left; None where nobody needs to."""
        return await resume.to_recover(self._shop, run)

    def now(self) -> datetime:
        """The time, by this engine's clock."""
        return self._shop.around.clock.now()

    async def find(self, prefix: str) -> RunId:
        """The run a unique prefix or "@last" means. Raises errors.RunNotFound, errors.AmbiguousRun."""
        return await look.find(self._shop.ledger, prefix)

    async def journal(self, run: str, after: int = 0) -> Sequence[Recorded]:
        """The run's events numbered above `after`."""
        return await self._shop.ledger.journal(await self.find(run), after)

    async def story(self, run: str) -> Sequence[Recorded]:
        """All that led to where a run stands: its journal, and for a fork first what its ancestors' steps did."""
        return list((await past(self._shop.ledger, await self.find(run))).events())

    async def state_at(self, run: str, step: int) -> Mapping[str, Any]:
        """The state as a step left it, numbered as in the run's history; 0 is START.

        Raises errors.UsageError for no such step, and for one of a parent that can no longer be read.
        """
        return await look.state_at(self._shop.ledger, run, step)

    async def step(self, run: str, name: str) -> StepPage:
        """One step of a run with all that is known of it, by its number, its node (the last visit) or node:visit.

        Raises errors.UsageError for no such step.
        """
        view = await self.get(run)
        step = find_step(view, name)
        then = {} if step.step is None else await self.state_at(view.id, step.step)
        return StepPage(view, step, await self.story(view.id), then)

    async def document(self, run: str) -> Mapping[str, Any]:
        """The workflow of a run as JSON, readable without its code."""
        return await self._shop.ledger.document(await self.find(run))

    def watch(self, run: str, after: int = 0) -> AsyncIterator[Recorded]:
        """The run's events from `after` on, as they become durable, until nothing more will come by itself."""
        return look.watch(self._shop.ledger, run, after)

    def logs(self, run: str, *, follow: bool = False) -> AsyncIterator[Spoken]:
        """What a run's attempts printed and logged, as far as it is stored; for a fork first what its ancestors' did.

        With `follow` it goes on until nobody drives the run any more. Raises errors.RunNotFound, errors.StoreDamaged.
        """
        return logs.logs(self._shop.ledger, run, follow=follow)

    def open_file(self, file: File) -> BinaryIO:
        """The content of a file that runs of this store hold, checked as a whole before its first byte.

        Raises errors.FileMissing, errors.FileDamaged, and errors.UsageError for a ledger that keeps no files.
        """
        ledger = self._shop.ledger
        if not isinstance(ledger, KeepsFiles):
            raise UsageError(f"{type(ledger).__name__} keeps no files", "open the engine on a store")
        return ledger.files.open(file.sha256, file.size)

    async def notices(self, most: int = 50) -> Sequence[Notice]:
        """What happened that somebody may want to be told of, newest first, and to whom it was told."""
        ledger = self._shop.ledger
        return await ledger.notices.newest(most) if isinstance(ledger, KeepsNotices) else ()

    async def close(self) -> None:
        """Stop what runs in the background and let go of everything."""
        for task in (*self._background, *([self._shop.ear] if self._shop.ear else [])):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


__all__ = ["Executor", "Service", "Verb"]
