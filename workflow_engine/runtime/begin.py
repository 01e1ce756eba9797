"""Beginning: a new run of a workflow, stored standing at its first nodes, to be driven here or left to a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workflow_engine.errors import InputError, StepError
from workflow_engine.ports.ledger import Batch, Snapshot
from workflow_engine.record.events import RunCreated
from workflow_engine.record.fold import advance, begin
from workflow_engine.record.frontier import Frontier
from workflow_engine.record.ids import RunId
from workflow_engine.record.values import Write
from workflow_engine.record.within import Within
from workflow_engine.runtime.code import proved, ready
from workflow_engine.runtime.inputs import checked
from workflow_engine.runtime.workshop import Workshop
from workflow_engine.spec.document import document_of
from workflow_engine.spec.edges import START_NAME
from workflow_engine.spec.nesting import nested
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.filing import adopted, desk_of, named_in
from workflow_engine.steps.live import Live, after
from workflow_engine.steps.onward import onward


async def created(
    shop: Workshop, workflow: Workflow[Any], inputs: Mapping[str, Any], label: str | None, run_id: RunId | None = None
) -> Live:
    """A new run in the hands of this process, as yet undriven."""
    ready(shop, workflow)
    _known(shop, workflow)
    fact, writes = _fact(shop, workflow, inputs, label, run_id)
    return await _begun(shop, workflow, fact, writes, shop.executor)


async def within(
    shop: Workshop,
    workflow: Workflow[Any],
    inputs: Mapping[str, Any],
    label: str | None,
    run_id: RunId,
    place: Within,
    executor: str,
) -> Live:
    """A new run of this id that lies within another one; that its workflow is proved was looked at there."""
    fact, writes = _fact(shop, workflow, inputs, label, run_id, place)
    return await _begun(shop, workflow, fact, writes, executor)


async def _begun(
    shop: Workshop, workflow: Workflow[Any], fact: RunCreated, writes: tuple[Write, ...], executor: str
) -> Live:
    around = shop.around
    first = begin(fact)
    events: tuple[Any, ...] = (fact,)
    if not first.ended:  # routes alone may lead from START to an end, and an ended run takes no event any more
        events = (fact, shop.claimed("run", 1, executor, fact.deadline))
        first = advance(first, events[1])
    files = await filed(shop, workflow, writes)
    fence = await around.ledger.create(Batch(first, events, writes, (), document_of(workflow), files=files))
    live = Live.of(workflow, around, fence, Snapshot(first, after({}, writes, first.seq)), mail=False)
    for event in events:
        live.tell(event)
    return live


async def started(
    shop: Workshop, workflow: Workflow[Any], inputs: Mapping[str, Any], label: str | None, run_id: RunId | None = None
) -> RunId:
    """A new run that stands in the queue, in nobody's hands. Its agents' model is chosen by whoever takes it."""
    proved(shop, workflow)
    _known(shop, workflow)
    ledger = shop.around.ledger
    fact, writes = _fact(shop, workflow, inputs, label, run_id)
    files = await filed(shop, workflow, writes)
    fence = await ledger.create(Batch(begin(fact), (fact,), writes, (), document_of(workflow), files=files))
    await ledger.release(fence)
    shop.ring()
    return fact.run


async def filed(shop: Workshop, workflow: Workflow[Any], writes: Sequence[Write]) -> tuple[tuple[str, int], ...]:
    """The contents that inputs or edits name, beside the store by now. Raises InputError for one that is nowhere."""
    files = named_in(workflow, writes)
    if files and (lost := await adopted(desk_of(shop.ledger), files)):
        kept = "" if desk_of(shop.ledger) else f": {type(shop.ledger).__name__} keeps no files"
        raise InputError(
            f"the content of the file {lost[0][0][:16]}… is nowhere to be found{kept}",
            "give File.of(path) as the input",
        )
    return files


def _known(shop: Workshop, workflow: Workflow[Any]) -> None:
    shop.workflows[workflow.name] = workflow
    for inner in nested(workflow).values():
        shop.workflows.setdefault(inner.name, inner)


def _fact(
    shop: Workshop,
    workflow: Workflow[Any],
    inputs: Mapping[str, Any],
    label: str | None,
    run_id: RunId | None,
    place: Within | None = None,
) -> tuple[RunCreated, tuple[Write, ...]]:
    writes = checked(workflow, inputs, shop.around.limits)
    around = shop.around
    try:
        left = onward(workflow, Frontier(), START_NAME, None, after({}, writes, 1))
    except StepError as error:
        raise InputError(f"{workflow.name} cannot begin: {error.what}", error.cure) from error
    now, run_id = around.clock.now(), run_id or around.mint.run_id()
    shape, bodies, deadline = workflow.shape, workflow.bodies, workflow.deadline(now)
    fact = RunCreated(now, run_id, workflow.name, shape, bodies, left.move, label, within=place, deadline=deadline)
    return fact, writes
