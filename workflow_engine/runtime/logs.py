"""What a run said: its attempts' lines and those of the runs within it, after what its ancestors' steps said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from workflow_engine.errors import RunNotFound
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.events import ItemFailed, ItemFinished, SubflowEntered
from workflow_engine.record.history import COMMITS
from workflow_engine.record.ids import RunId, place_of
from workflow_engine.record.logs import LogPart
from workflow_engine.runtime.look import find
from workflow_engine.runtime.past import past
from workflow_engine.runtime.workshop import EAR

MOST = 64
Keep = Callable[[str, int], bool]


@dataclass(frozen=True)
class Spoken:
    """Lines of one attempt of `run`, as they were stored together; None for a part that is damaged.

    `within` are the subflow nodes that lead from the run that was asked for to this one, the outermost first.
    """

    run: RunId
    part: LogPart | None
    within: tuple[str, ...] = ()


async def logs(ledger: Ledger, run: str, *, follow: bool = False) -> AsyncIterator[Spoken]:
    """What a run said, and with `follow` what it goes on saying until nobody drives it any more."""
    run_id = await find(ledger, run)
    for chapter in (await past(ledger, run_id)).chapters[:-1]:
        ended = {(each.event.node, each.event.visit) for each in chapter.journal if isinstance(each.event, COMMITS)}
        reader = _Reader(ledger, chapter.run, keep=lambda node, visit, ended=ended: (node, visit) in ended)  # type: ignore[misc]
        async for each in reader.read():
            yield each
    own = _Reader(ledger, run_id)
    while True:
        seen = await ledger.changed(0)
        owned = follow and await ledger.owned(run_id)
        async for each in own.read():
            yield each
        if not owned:
            return
        # Other processes write too, and no event of this loop can tell: hence the look at intervals.
        while await ledger.changed(seen) == seen and await ledger.owned(run_id):  # noqa: ASYNC110
            await asyncio.sleep(EAR)


class _Reader:
    """What is stored of a run's words and of those of the runs within it; each reading goes on after the last."""

    def __init__(
        self,
        ledger: Ledger,
        run: RunId,
        within: tuple[str, ...] = (),
        keep: Keep | None = None,
        around: frozenset[RunId] = frozenset(),
    ) -> None:
        self._ledger, self._run, self._within, self._keep = ledger, run, within, keep
        self._around = around | {run}
        self._after = self._seq = 0
        self._inner: dict[RunId, _Reader] = {}
        self._items: dict[tuple[str, int], RunId] = {}

    async def read(self) -> AsyncIterator[Spoken]:
        while page := await self._ledger.logs(self._run, self._after, MOST):
            self._after = page[-1].place
            for each in page:
                if each.part is None or self._keep is None or self._keep(each.part.node, each.part.visit):
                    yield Spoken(self._run, each.part, self._within)
        over: list[RunId] = []
        for recorded in await self._ledger.journal(self._run, self._seq):
            self._seq, event = recorded.seq, recorded.event
            if isinstance(event, ItemFinished | ItemFailed) and (event.node, event.item) in self._items:
                over.append(self._items.pop((event.node, event.item)))
            if not isinstance(event, SubflowEntered) or event.run in self._around:  # a circle, in a damaged store
                continue
            if self._keep is None or self._keep(event.node, event.visit):
                within = (*self._within, place_of(event.node, event.item))
                inner = _Reader(self._ledger, event.run, within, None, self._around)
                self._inner.setdefault(event.run, inner)  # the same run is entered again where it goes on
                if event.item is not None:
                    self._items[event.node, event.item] = event.run
        for inner in self._inner.values():
            try:
                async for spoken in inner.read():
                    yield spoken
            except RunNotFound:  # it is not there yet, or not any more
                continue
        for run in over:  # of thousands of items only those in hand are looked at again
            self._inner.pop(run, None)
