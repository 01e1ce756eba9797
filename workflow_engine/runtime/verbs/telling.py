"""The verbs by which runs are told something: by people who answer their questions, by signals and by topics."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from workflow_engine.errors import StoreError
from workflow_engine.record.inbox import Standing
from workflow_engine.record.people import Principal
from workflow_engine.runtime import answer, look, people, publish, reassign, signal
from workflow_engine.runtime.publish import Published
from workflow_engine.runtime.signal import Sent
from workflow_engine.runtime.then import then_of
from workflow_engine.runtime.workshop import Workshop


class Telling:
    """What comes to runs from outside. It is durable when a verb returns, and needs no workflow's code."""

    _shop: Workshop

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

    async def expects(self, run: str) -> Mapping[str, Mapping[str, Any]]:
        """The signals that nodes of a run's workflow wait for, each with the JSON Schema of what it carries."""
        ledger = self._shop.ledger
        return await look.expected(ledger, (await ledger.read(await look.find(ledger, run))).run)

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


__all__ = ["Telling"]
