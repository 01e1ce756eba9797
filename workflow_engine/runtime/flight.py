"""Runs in flight, held against a version of their workflow: which it can carry, and why not the others.

Only read: nothing is claimed, so no living owner is disturbed, and a run that goes on meanwhile is judged as it was.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

from workflow_engine.errors import RunNotFound, StoreDamaged
from workflow_engine.ports.ledger import Page
from workflow_engine.record.ids import RunId
from workflow_engine.runtime.carrying import carried
from workflow_engine.runtime.code import damaged, prove, stands
from workflow_engine.runtime.guessing import guesses
from workflow_engine.runtime.known import known_of
from workflow_engine.runtime.workshop import Workshop
from workflow_engine.spec.comparison import Changed
from workflow_engine.spec.nesting import nested
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify.finding import Finding

Verdict = Literal["fits", "accept", "refused", "damaged"]
MANY = 10_000_000


@dataclass(frozen=True)
class Fit:
    """One run in flight and what a version makes of it.

    It `fits`, with the migrations `applied`; or with consequences to `accept` first; or it is `refused`, and `guesses`
    are migrations that may mend it. `findings` say why. A `damaged` one cannot be read: `why` says so. `shape` is that
    of its own version, `changed` what is different here, `at` the nodes it stands at.
    """

    run: RunId
    verdict: Verdict
    status: str = ""
    shape: str = ""
    at: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    applied: tuple[str, ...] = ()
    changed: tuple[Changed, ...] = ()
    guesses: tuple[str, ...] = ()
    why: str = ""


async def in_flight(shop: Workshop, workflow: Workflow[Any]) -> AsyncIterator[Fit]:
    """Every run of the workflow that is not over, and those within such runs, newest first.

    Raises errors.InvalidWorkflow for a version that breaks laws.
    """
    prove(workflow)
    flows = {each.name: each for each in (*nested(workflow).values(), workflow)}
    for each in await shop.ledger.runs(Page(limit=MANY, children=True)):
        if each.status == "damaged" and each.workflow in ("", workflow.name):
            yield Fit(each.run, "damaged", each.status, why=await _harm(shop, each.run))
        elif each.workflow in flows and each.status in ("queued", "running", "waiting", "failed"):
            fit = await _fit(shop, each.run, flows[each.workflow], alone=each.workflow == workflow.name)
            if fit is not None:
                yield fit


async def _harm(shop: Workshop, run: RunId) -> str:
    try:
        await shop.ledger.read(run)
    except (StoreDamaged, RunNotFound) as error:
        return error.what
    return f"run {run} is damaged"


async def _fit(shop: Workshop, run_id: RunId, workflow: Workflow[Any], *, alone: bool) -> Fit | None:
    """What becomes of one run; None for one that is over by now, or for good.

    A run of a workflow within is driven with this version only where it lies within another run.
    """
    ledger, around = shop.ledger, shop.around
    try:
        snapshot = await ledger.read(run_id)
        run = snapshot.run
        if run.ended or (not alone and run.within is None):
            return None
        if run.shape == workflow.shape and not stands(run, workflow):
            raise damaged(run, workflow)
        known = await known_of(ledger, run, workflow)
        plan = carried(run, snapshot.state, workflow, known, around.clock.now(), around.limits)
    except RunNotFound:  # pruned meanwhile
        return None
    except StoreDamaged as error:
        return Fit(run_id, "damaged", "damaged", why=error.what)
    verdict: Verdict = "refused" if plan.findings else "accept" if plan.accept else "fits"
    return Fit(
        run.id,
        verdict,
        run.status,
        run.shape,
        run.frontier.due,
        plan.findings or plan.accept,
        plan.applied,
        plan.changed,
        tuple(guesses(plan, known, workflow)) if plan.findings else (),
    )
