"""Which runs there are: pages of them, those that are due, that wait in a queue, or that listen to a topic."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from workflow_engine.ports.ledger import Listed, Page, found_in
from workflow_engine.ports.queue import Queued
from workflow_engine.record.ids import RunId
from workflow_engine.stores.memory.shelf import Shelf


class Lists(Shelf):
    """The part of the ledger that looks over all boxes."""

    async def runs(self, page: Page) -> Sequence[Listed]:
        newest = list(reversed(self._boxes))
        if page.before is not None:
            self._box(page.before)
            newest = newest[newest.index(page.before) + 1 :]
        listed = [self._listed(run) for run in newest if run.startswith(page.prefix)]
        listed = [each for each in listed if page.children or each.within is None]
        fits = [
            each
            for each in listed
            if page.workflow in (None, each.workflow)
            and page.status in (None, each.status)
            and found_in(page.search, each.run, each.workflow)
        ]
        return fits[: page.limit]

    def _listed(self, run: RunId) -> Listed:
        box = self._boxes[run]
        r = box.run
        mail = bool(box.letters)
        around = None if r.within is None else r.within.run
        return Listed(
            r.id,
            r.workflow,
            r.status,
            r.reason,
            r.created,
            r.updated,
            r.steps,
            mail,
            r.target,
            r.parent,
            around,
            r.usage.cost if r.usage.requests else 0.0,
        )

    async def find(self, prefix: str) -> Sequence[RunId]:
        if prefix == "@last":
            return [run for run, box in self._boxes.items() if box.run.within is None][-1:]
        found = sorted(run for run in self._boxes if run.startswith(prefix))
        if prefix in found:
            return found[:3]
        return ([run for run in found if self._boxes[run].run.within is None] or found)[:3]

    async def unfinished(self) -> Sequence[RunId]:
        runs = [(box.run, bool(box.letters)) for box in self._boxes.values()]
        return [run.id for run, letters in runs if run.status == "running" or (run.status == "waiting" and letters)]

    async def due(self, now: datetime) -> Sequence[RunId]:
        times = [(due, run) for run, due in self._times() if due <= now]
        return [run for _, run in sorted(times, key=lambda each: each[0])]

    async def next_due(self, after: datetime) -> datetime | None:
        return min((due for _, due in self._times() if due > after), default=None)

    def _times(self) -> list[tuple[RunId, datetime]]:
        times = ((run, box.run.due) for run, box in self._boxes.items())
        return [(run, due) for run, due in times if due is not None]

    async def listening(self, topic: str) -> Sequence[RunId]:
        return [run for run, box in self._boxes.items() if topic in box.run.topics]

    async def queued(self, workflows: Collection[str], limit: int, after: int = 0) -> Sequence[Queued]:
        runs = [(place, box.run) for place, box in enumerate(self._boxes.values(), 1) if place > after]
        left = [(place, run) for place, run in runs if run.status == "queued" and run.workflow in workflows]
        return [Queued(run.id, run.workflow, place, run.target) for place, run in left[:limit]]

    async def queues(self) -> Sequence[str]:
        runs = (box.run for box in self._boxes.values())
        return sorted({run.workflow for run in runs if run.status == "queued"})


__all__ = ["Lists"]
