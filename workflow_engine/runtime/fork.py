"""Forking: a new run that begins as another stood at one of its steps, with edits, and leaves that step anew.

The fork has the frontier before the step and the state after it, edited. Only the step's node moves: others that were
due then are due in the fork, and run anew there. A step that was left by `.failed` or `.expired` is left so again,
unless the field it writes is edited: then it is left as if it had written that. Questions and keys carry the fork's id,
so nobody's answer and no effect of the parent is taken for the fork's. What was used and answered before is the
parent's; the fork's own figures begin at nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_engine.errors import Failure, InputError, StepError, WorkflowChanged
from workflow_engine.frontier.leave import Left
from workflow_engine.ports.ledger import Batch, Shared, Snapshot
from workflow_engine.record.events import RunForked
from workflow_engine.record.fold import advance, begin
from workflow_engine.record.people import choice_in
from workflow_engine.record.run import Run
from workflow_engine.record.values import Value, lent
from workflow_engine.runtime import code
from workflow_engine.runtime.begin import filed
from workflow_engine.runtime.bringing import brought
from workflow_engine.runtime.inputs import edited
from workflow_engine.runtime.look import find
from workflow_engine.runtime.past import Position, past
from workflow_engine.runtime.workshop import Workshop
from workflow_engine.spec.document import document_of
from workflow_engine.spec.edges import START_NAME
from workflow_engine.spec.nodes import Human, Node, Route
from workflow_engine.spec.waits import Wait
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.filing import adopted, desk_of, held_by
from workflow_engine.steps.live import Live, after
from workflow_engine.steps.onward import onward
from workflow_engine.verify.change import fits

EARLIER = "go on with the code as it was, or fork it at an earlier step: workflow fork RUN --at STEP"


async def forked(shop: Workshop, run: str, at: int | None, edits: Mapping[str, Any], label: str | None) -> Live:
    """A fork in the hands of this process, as yet undriven. The parent is only read, whoever drives it."""
    around, ledger = shop.around, shop.ledger
    run_id = await find(ledger, run)
    behind = await past(ledger, run_id)
    parent = (await ledger.read(run_id)).run
    workflow = code.of_run(shop, parent, "fork")
    here = behind.position(behind.last_left() if at is None else at)
    up = await brought(ledger, behind, here, await ledger.at(here.run, here.seq), workflow, around.limits)
    here, held = up.here, dict(up.state)
    changes = edited(workflow, edits, held, around.limits)
    anew = {write.field for write in changes}
    writes = (*(each for each in up.writes if each.field not in anew), *changes)
    state = after(held, changes, 1)
    outcome, failure = _outcome(workflow, here, state, edits)
    left = _left(workflow, here, outcome, state)
    now = around.clock.now()
    fact = RunForked(
        at=now,
        run=around.mint.run_id(),
        workflow=workflow.name,
        shape=workflow.shape,
        bodies=workflow.bodies,
        parent=here.run,
        step=here.step,
        seq=here.seq,
        before=here.before,
        move=left.move,
        node=here.node,
        kind=here.kind,
        visit=here.visit,
        outcome=outcome,
        routes=left.routes,
        edits=tuple(write.field for write in changes),
        failure=failure,
        caught=here.caught,
        target=label or parent.target,
        deadline=workflow.deadline(now),
        applied=up.applied,
        nodes=up.nodes,
        edges=up.edges,
    )
    first = begin(fact)
    _must_fit(workflow, here, first, state)
    events: tuple[Any, ...] = (fact,)
    if not first.ended:
        events = (fact, shop.claimed("run", 1, shop.executor, fact.deadline))
        first = advance(first, events[1])
    own = {write.field for write in writes}
    shared = Shared(here.run, here.seq, tuple(each for each in held if each not in own))
    await filed(shop, workflow, writes)
    files = held_by(workflow, state)
    await adopted(desk_of(ledger), files)  # held from now on, should the parent go in this moment
    fence = await ledger.create(Batch(first, events, writes, (), document_of(workflow), shared, files))
    begun = {name: lent(value, first.seq) for name, value in state.items()}
    live = Live.of(workflow, around, fence, Snapshot(first, begun), mail=False)
    for event in events:
        live.tell(event)
    return live


def _outcome(
    workflow: Workflow[Any], here: Position, state: Mapping[str, Value], edits: Mapping[str, Any]
) -> tuple[str | None, Failure | None]:
    """The word the step is left by, and what it failed with: as before, or as what it is now said to have written."""
    if here.node is None:
        return None, None
    node = workflow.nodes.get(here.node)
    if node is None or isinstance(node, Route):
        what = "is gone" if node is None else "is a route now"
        raise WorkflowChanged(f"step {here.step} was of {here.node}, which {what} in {workflow.name}", EARLIER)
    written = [name for name in node.writes if name in edits]
    if not written:
        return here.outcome, here.failure
    if isinstance(node, Human):
        return _answered(workflow, here, node, state[written[0]], written[0]), None
    if isinstance(node, Wait) and node.first:  # left by the signal whose field was edited
        return next((signal for signal, field in node.carried.items() if field in written), here.outcome), None
    return None, None


def _answered(workflow: Workflow[Any], here: Position, node: Node, value: Value, name: str) -> str | None:
    """The word of an answer that was edited."""
    assert isinstance(node, Human)
    if workflow.fields[name].reducer is not None:  # what it holds is not the one answer any more
        return here.outcome
    word = choice_in(value.json())
    if not node.outcomes:
        return None
    if word not in node.outcomes:
        raise InputError(
            f"the answer of {node.name} cannot be {value.whole[:60]}: no word of it says where to go on",
            f"choose one of {', '.join(node.outcomes)}",
        )
    return word


def _left(workflow: Workflow[Any], here: Position, outcome: str | None, state: Mapping[str, Value]) -> Left:
    try:
        return onward(workflow, here.before, here.node or START_NAME, outcome, state)
    except StepError as error:
        place = START_NAME if here.node is None else f"step {here.step} ({here.node})"
        if workflow.shape != here.shape:
            raise WorkflowChanged(
                f"{workflow.name} changed: a fork cannot leave {place}: {error.what}", EARLIER
            ) from error
        raise InputError(f"the fork cannot leave {place}: {error.what}", error.cure) from error


def _must_fit(workflow: Workflow[Any], here: Position, first: Run, state: Mapping[str, Value]) -> None:
    findings = fits(first, state, workflow)
    if not findings:
        return
    listed = "\n".join(str(each) for each in findings)
    place = f"at step {here.step} of run {here.run}"
    if workflow.shape != here.shape:
        raise WorkflowChanged(f"{workflow.name} changed, and a fork {place} does not fit it\n{listed}", EARLIER)
    raise InputError(f"a fork {place} cannot go on with these edits\n{listed}", "edit what it lacks as well")
