"""The verbs that drive: begin runs here or leave them to a worker, go on with them, end them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from workflow_engine.errors import WorkflowError
from workflow_engine.record.ids import RunId
from workflow_engine.record.run import Run
from workflow_engine.runtime import batch, begin, cancel, chat, fork, look, resume, worker
from workflow_engine.runtime.view import RunView
from workflow_engine.runtime.workshop import Verb, Workshop
from workflow_engine.spec.workflow import Workflow

S = TypeVar("S", bound=BaseModel)


class Driving:
    """What begins runs and carries them on. It needs their workflows' code, in this process or in a worker's."""

    _shop: Workshop
    _background: set[asyncio.Task[Any]]

    @property
    def driven(self) -> tuple[RunId, ...]:
        """The runs that this engine drives at this moment."""
        return tuple(self._shop.lives)

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


__all__ = ["Driving"]
