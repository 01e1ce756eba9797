"""The verbs that look at runs as they stand now. They change nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from workflow_engine.ports.ledger import Listed, Page
from workflow_engine.ports.notices import KeepsNotices
from workflow_engine.record.ids import RunId
from workflow_engine.record.notice import Notice
from workflow_engine.record.run import Run
from workflow_engine.runtime import look, resume
from workflow_engine.runtime.flight import Fit, in_flight
from workflow_engine.runtime.footing import Footing, as_it_stands, footing_of
from workflow_engine.runtime.nested import outermost
from workflow_engine.runtime.view import RunView
from workflow_engine.runtime.workshop import Workshop
from workflow_engine.spec.workflow import Workflow


class Looking:
    """One run at this moment, lists of them, and what one should know before it goes on with them."""

    _shop: Workshop

    async def get(self, run: str) -> RunView[Any]:
        """The run at this moment. Raises errors.RunNotFound, errors.StoreDamaged."""
        return await look.get(self._shop, run)

    async def find(self, prefix: str) -> RunId:
        """The run a unique prefix or "@last" means. Raises errors.RunNotFound, errors.AmbiguousRun."""
        return await look.find(self._shop.ledger, prefix)

    async def runs(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        limit: int = 50,
        before: RunId | None = None,
        prefix: str = "",
        search: str = "",
        children: bool = False,
    ) -> list[Listed]:
        """A page of runs, newest first; those that lie within others only with `children`.

        `prefix` is the beginning of their ids, `search` a part of their ids or of their workflows' names.
        """
        page = Page(workflow, status, limit, before, prefix, search, children)
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

    def in_flight(self, workflow: Workflow[Any]) -> AsyncIterator[Fit]:
        """Every run of the workflow that is not over, newest first, and whether this version can carry it, or why not.

        Nothing is claimed or written. Raises errors.InvalidWorkflow for a version that breaks laws.
        """
        return in_flight(self._shop, workflow)

    def now(self) -> datetime:
        """The time, by this engine's clock."""
        return self._shop.around.clock.now()

    async def notices(self, most: int = 50) -> Sequence[Notice]:
        """What happened that somebody may want to be told of, newest first, and to whom it was told."""
        ledger = self._shop.ledger
        return await ledger.notices.newest(most) if isinstance(ledger, KeepsNotices) else ()


__all__ = ["Looking"]
