"""Publishing: a signal said once on a topic wakes every run that listens, and starts a run of each workflow that does.

It is kept together with those it is for before anybody gets it, and delivered after that; who died in between is stood
in for by whoever recovers next. What one subscriber makes of it is nothing to the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workflow_engine.errors import InputError, RunEnded, StoreDamaged, StoreError, UsageError, WorkflowError
from workflow_engine.record.ids import RunId, derived_id
from workflow_engine.record.publication import Publication
from workflow_engine.runtime.begin import started
from workflow_engine.runtime.inputs import signed
from workflow_engine.runtime.signal import plainly, send, word
from workflow_engine.runtime.workshop import Workshop

AT_ONCE = 50


@dataclass(frozen=True)
class Published:
    """What became of a publication. `new` is False where one of its topic and id was there, and delivered, before.

    `woke` are the runs that waited for it, `started` the runs it began; `failed` says for whom it could not be done, by
    run or by workflow, and why.
    """

    topic: str
    id: str
    new: bool = True
    woke: tuple[RunId, ...] = ()
    started: tuple[RunId, ...] = ()
    failed: Mapping[str, WorkflowError] = field(default_factory=dict)


async def publish(
    shop: Workshop, topic: str, payload: Any, id: str | None, by: str, labels: Mapping[str, str]
) -> Published:
    """Publish to a topic; kept when it is delivered to anybody, and delivered to everybody when this returns."""
    word(topic, "the topic")
    id = id if id is not None else shop.around.mint.run_id()
    word(id, "the id of a publication")
    plain = plainly(payload, shop.around.limits.write, f"a publication to {topic}")
    starting = sorted(name for name, each in shop.workflows.items() if topic in each.starts_on)
    starts = {name: labels.get(name) for name in starting}
    given = Publication(topic, id, signed(by), shop.around.clock.now(), plain, starts)
    kept, open_ = await shop.ledger.publish(given)
    return await _deliver(shop, kept) if open_ else Published(topic, id, new=False)


async def deliver(shop: Workshop) -> list[Published]:
    """Deliver what was published and may not have reached everybody, because its publisher died."""
    return [await _deliver(shop, each) for each in await shop.ledger.undelivered()]


async def _deliver(shop: Workshop, publication: Publication) -> Published:
    gate = asyncio.Semaphore(AT_ONCE)
    failed: dict[str, WorkflowError] = {}
    woke: list[RunId] = []
    begun: list[RunId] = []

    async def wake(run: RunId) -> None:
        async with gate:
            try:
                if await _woken(shop, publication, run):
                    woke.append(run)
            except RunEnded:
                pass  # it ended meanwhile
            except WorkflowError as error:
                failed[run] = error

    async def start(name: str) -> None:
        try:
            begun.append(await _started(shop, publication, name))
        except WorkflowError as error:
            failed[name] = error

    await asyncio.gather(*map(wake, publication.runs), *map(start, publication.starts))
    # What may go better another time is left for whoever recovers.
    if not any(_may_pass(each) for each in failed.values()):
        await shop.ledger.delivered(publication)
    in_order = {run: at for at, run in enumerate(publication.runs)}
    woke.sort(key=in_order.__getitem__)
    return Published(publication.topic, publication.id, True, tuple(woke), tuple(sorted(begun)), failed)


class _NotHere(UsageError):
    """A workflow that a publication starts, and that this process was not given."""


def _may_pass(error: WorkflowError) -> bool:
    return isinstance(error, _NotHere) or (isinstance(error, StoreError) and not isinstance(error, StoreDamaged))


async def _woken(shop: Workshop, publication: Publication, run: RunId) -> bool:
    """Whether the run still waited for it. Sent again, its id counts once."""
    kept = (await shop.ledger.read(run)).run
    names = [name for each in kept.waits if each.topic == publication.topic for name in each.missing]
    for name in dict.fromkeys(names):
        await send(shop, kept, name, publication.payload, publication.id, publication.by, publication.topic)
    return bool(names)


async def _started(shop: Workshop, publication: Publication, name: str) -> RunId:
    """The one run of this workflow that the publication begins; left to a worker."""
    workflow = shop.workflows.get(name)
    if workflow is None or publication.topic not in workflow.starts_on:
        raise _NotHere(
            f"workflow {name} is to be started by {publication.topic}, and its code is not here",
            f"publish it again where it is: workflow publish {publication.topic} --id {publication.id} --start TARGET",
        )
    run = derived_id("publication", publication.topic, publication.id, name)
    if run in await shop.ledger.find(run):
        return run
    into = workflow.starts_on[publication.topic]
    payload = publication.payload
    if into is None and not isinstance(payload, dict):
        raise InputError(
            f"what was published to {publication.topic} is no object, and each of its fields is an input of {name}",
            f'publish {{"field": ...}}, or starts_on={{"{publication.topic}": "field"}}',
        )
    inputs = payload if into is None else {into: payload}
    return await started(shop, workflow, inputs, publication.starts[name], run)


__all__ = ["Published", "deliver", "publish"]
