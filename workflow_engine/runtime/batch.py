"""A batch: one run for each of many inputs, so many at a time, that can be begun again after anything.

A line is known by the batch's key and by what it holds (the third line with the same inputs is the third), and the id
of its run is derived from that. So whoever begins the batch again finds every run that was begun, however the first
process ended, and goes on with it; and where lines were added, moved or mended since, only what is new is begun.

Results come in the order of the inputs. One that is finished before an earlier line is kept as its id alone and read
from the store when its turn comes: neither a slow line nor a million of them fills the memory.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal

from workflow_engine.errors import Failure, RunEnded, RunOwned, StoreDamaged, StoreError, UsageError, WorkflowError
from workflow_engine.record.ids import RunId, derived_id
from workflow_engine.record.run import INTERRUPTED, Run
from workflow_engine.record.values import Write
from workflow_engine.runtime import begin, code
from workflow_engine.runtime.inputs import checked
from workflow_engine.runtime.pace import Pace
from workflow_engine.runtime.resume import rested, taken
from workflow_engine.runtime.workshop import EAR, Verb, Workshop
from workflow_engine.spec.workflow import Workflow

Inputs = Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]


@dataclass(frozen=True)
class Line:
    """What became of one line of a batch, numbered from 1.

    `status` is that of its run, `interrupted` where it was let go of or not yet begun, `refused` where it is no input
    or its run cannot be gone on with: then `refusal` says why. `before` says that an earlier start had brought it to
    rest.
    """

    number: int
    status: Literal["succeeded", "failed", "waiting", "cancelled", "interrupted", "refused"]
    run: RunId | None = None
    reason: str | None = None
    error: Failure | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    questions: tuple[str, ...] = ()
    before: bool = False
    refusal: WorkflowError | None = None


@dataclass(frozen=True)
class _Rested:
    """A line that waits for its turn to be told."""

    run: RunId | None
    before: bool = False
    refusal: WorkflowError | None = None
    left: bool = False


def batch(
    shop: Workshop,
    workflow: Workflow[Any],
    inputs: Inputs,
    key: str,
    at_once: int,
    rate: float | None,
    label: str | None,
    on_rest: Callable[[int], None] | None,
) -> AsyncIterator[Line]:
    """What became of each line, in order. Raises errors.UsageError at once for what no batch can be."""
    if type(key) is not str or not key:
        raise UsageError("a batch has a key, which is how it is found again", 'key="orders of 2026-11"')
    if type(at_once) is not int or at_once < 1:
        raise UsageError(f"a batch cannot drive {at_once!r} runs at once", "at_once=8")
    if rate is not None and not (type(rate) in (int, float) and 0 < rate < float("inf")):
        raise UsageError(f"a rate of {rate!r} runs a second has no meaning", "rate=10.0")
    code.ready(shop, workflow)
    shop.workflows[workflow.name] = workflow
    return _Batch(shop, workflow, key, at_once, Pace(shop.around.clock, rate), label, on_rest).lines(inputs)


@dataclass(eq=False)
class _Batch:
    """One start of a batch. `rested` are the lines that wait for their turn, `seen` counts lines by what they hold."""

    shop: Workshop
    workflow: Workflow[Any]
    key: str
    at_once: int
    pace: Pace
    label: str | None
    on_rest: Callable[[int], None] | None
    rested: dict[int, _Rested] = field(default_factory=dict)
    seen: Counter[bytes] = field(default_factory=Counter)

    async def lines(self, inputs: Inputs) -> AsyncIterator[Line]:
        driving: dict[asyncio.Task[_Rested], int] = {}
        source = _numbered(inputs)
        head, more = 1, True
        try:
            while True:
                while more and len(driving) < self.at_once and not self.shop.draining:
                    line = await anext(source, None)
                    if line is None:
                        more = False
                        break
                    number, given = line
                    driving[asyncio.create_task(self._line(given), name=f"line {number}")] = number
                if driving:
                    done, _ = await asyncio.wait(driving, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        number = driving.pop(task)
                        self.rested[number] = task.result()
                        if self.on_rest is not None:
                            self.on_rest(number)
                while head in self.rested:
                    yield await self._told(head, self.rested.pop(head))
                    head += 1
                if not driving and (not more or self.shop.draining):
                    return
        finally:
            for task in driving:
                task.cancel()
            await asyncio.gather(*driving, return_exceptions=True)
            with suppress(Exception):
                await source.aclose()

    async def _told(self, number: int, rested: _Rested) -> Line:
        if rested.run is None or (rested.left and not await self._there(rested.run)):
            return Line(number, "refused" if rested.refusal else "interrupted", refusal=rested.refusal)
        try:
            snapshot = await self.shop.ledger.read(rested.run)
        except StoreDamaged as error:
            return Line(number, "refused", rested.run, refusal=error)
        run = snapshot.run
        status: Any = "refused" if rested.refusal else run.status
        if status in ("queued", "running"):
            status = INTERRUPTED
        return Line(
            number,
            status,
            run.id,
            run.reason,
            run.error,
            {name: value.json() for name, value in snapshot.state.items()},
            tuple(each.id for each in run.open),
            rested.before,
            rested.refusal,
        )

    async def _line(self, given: Any) -> _Rested:
        try:
            if not isinstance(given, Mapping):
                raise UsageError(f"the inputs are of type {type(given).__name__}", "give one mapping for each run")
            writes = checked(self.workflow, given, self.shop.around.limits)
        except WorkflowError as error:
            return _Rested(None, refusal=error)
        run = self._id(writes)
        try:
            became = await self._rest(run, given)
        except StoreDamaged as error:
            return _Rested(run, refusal=error)
        except StoreError:
            raise  # of the store, and the next line fares no better
        except WorkflowError as error:
            there = await self._there(run)
            return _Rested(run if there else None, refusal=error)
        return _Rested(run, became == "before", left=became == "left")

    def _id(self, writes: tuple[Write, ...]) -> RunId:
        content = sorted((write.field, write.text) for write in writes)
        digest = blake2b(repr(content).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        self.seen[digest] += 1
        return derived_id("batch", self.key, self.workflow.name, digest.hex(), self.seen[digest])

    async def _rest(self, run: RunId, given: Mapping[str, Any]) -> Literal["before", "now", "left"]:
        """Bring a line's run to rest, unless it had come to rest before, or is left as it stands."""
        shop = self.shop
        while True:
            if not await self._there(run):
                if not await self.pace.turn(shop.halt):
                    return "left"
                try:
                    live = await begin.created(shop, self.workflow, given, self.label, run)
                except StoreError:
                    if not await self._there(run):  # else: a second start of this batch was faster
                        raise
                    continue
            else:
                snapshot = await shop.ledger.read(run)
                verb = await self._way_on(snapshot.run)
                if verb is None:
                    return "before"
                if not await self.pace.turn(shop.halt):
                    return "left"
                try:
                    live = await taken(shop, run, shop.executor, verb, snapshot.run)
                except RunOwned:
                    while await shop.ledger.owned(run):  # no event of this loop tells when another process lets go
                        if shop.draining:
                            return "left"
                        await asyncio.sleep(EAR)
                    continue
                except RunEnded:
                    return "now"
            await rested(shop, live, shop.executor)
            return "now"

    async def _there(self, run: RunId) -> bool:
        return run in await self.shop.ledger.find(run)

    async def _way_on(self, run: Run) -> Verb | None:
        """How a run that was begun is gone on with; None where it rests. A failed one is resumed at its failed step."""
        if run.ended:
            return None
        match run.status:
            case "queued":
                return "run"
            case "running":
                return "recover"
            case "failed":
                return "resume"
            case _:
                due = run.due is not None and run.due <= self.shop.around.clock.now()
                return "answer" if due or await self.shop.ledger.letters(run.id) else None


async def _numbered(inputs: Inputs) -> AsyncGenerator[tuple[int, Any], None]:
    number = 0
    if isinstance(inputs, AsyncIterable):
        async for each in inputs:
            number += 1
            yield number, each
    else:
        for each in inputs:
            number += 1
            yield number, each


__all__ = ["Inputs", "Line", "batch"]
