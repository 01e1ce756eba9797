"""What a run said: its attempts' lines, after those of its ancestors' steps that led to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.history import COMMITS
from workflow_engine.record.ids import RunId
from workflow_engine.record.logs import LogPart
from workflow_engine.runtime.look import find
from workflow_engine.runtime.past import past
from workflow_engine.runtime.workshop import EAR

MOST = 64


@dataclass(frozen=True)
class Spoken:
    """Lines of one attempt of `run`, as they were stored together; None for a part that is damaged."""

    run: RunId
    part: LogPart | None


async def logs(ledger: Ledger, run: str, *, follow: bool = False) -> AsyncIterator[Spoken]:
    """What a run said, and with `follow` what it goes on saying until nobody drives it any more."""
    run_id = await find(ledger, run)
    for chapter in (await past(ledger, run_id)).chapters[:-1]:
        ended = {(each.event.node, each.event.visit) for each in chapter.journal if isinstance(each.event, COMMITS)}
        after = 0
        while page := await ledger.logs(chapter.run, after, MOST):
            after = page[-1].place
            for each in page:
                if each.part is None or (each.part.node, each.part.visit) in ended:
                    yield Spoken(chapter.run, each.part)
    after = 0
    while True:
        seen = await ledger.changed(0)
        owned = follow and await ledger.owned(run_id)
        while page := await ledger.logs(run_id, after, MOST):
            after = page[-1].place
            for each in page:
                yield Spoken(run_id, each.part)
        if not owned:
            return
        # Other processes write too, and no event of this loop can tell: hence the look at intervals.
        while await ledger.changed(seen) == seen and await ledger.owned(run_id):  # noqa: ASYNC110
            await asyncio.sleep(EAR)
