"""The code of a run: proved, ready to be driven, and compared with the code the run was last driven with."""

from __future__ import annotations

from typing import Any

from workflow_engine.errors import InvalidWorkflow, ModelMissing, StoreDamaged, UsageError, WorkflowChanged
from workflow_engine.ports.ledger import Snapshot
from workflow_engine.record.run import Run
from workflow_engine.runtime.carrying import Carried, carried
from workflow_engine.runtime.guessing import ways_on
from workflow_engine.runtime.known import known_of
from workflow_engine.runtime.workshop import Workshop
from workflow_engine.spec.nesting import agents_within
from workflow_engine.spec.nodes import Route
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify import verify


def prove(workflow: Workflow[Any]) -> None:
    """Raises errors.InvalidWorkflow with every law the workflow breaks."""
    findings = [each for each in verify(workflow) if each.severity == "finding"]
    if findings:
        raise InvalidWorkflow(workflow.name, findings)


def proved(shop: Workshop, workflow: Workflow[Any]) -> None:
    """Raises errors.InvalidWorkflow. A workflow never changes, so it is proved once in a process, not for each run."""
    if shop.proved.get(workflow.name) is not workflow:
        prove(workflow)
        shop.proved[workflow.name] = workflow


def ready(shop: Workshop, workflow: Workflow[Any]) -> None:
    """Raises errors.InvalidWorkflow, and errors.ModelMissing where agents have no model."""
    proved(shop, workflow)
    if not shop.has_model and agents_within(workflow):
        raise ModelMissing(
            f"{workflow.name} has agents and no model was chosen for them",
            "Engine.open(..., model=offline(Path('flow.playbook.toml'))) (offline: workflow_engine.agents); "
            "on the command line --model offline, or set OPENAI_API_KEY",
        )


def of_run(shop: Workshop, run: Run, verb: str = "resume") -> Workflow[Any]:
    """The workflow of a run, proved and ready. Raises errors.UsageError where it is not here, and what `ready` does."""
    workflow = shop.workflows.get(run.workflow)
    if workflow is None:
        raise UsageError(
            f"the code of workflow {run.workflow!r} is not here",
            f"name its file: workflow {verb} {run.id} {run.target or 'FILE.py'}; or Engine.open(workflows=[...])",
        )
    ready(shop, workflow)
    return workflow


async def carried_over(shop: Workshop, snapshot: Snapshot, workflow: Workflow[Any], *, accept: bool) -> Carried:
    """What is to be recorded before a run goes on with this code, which may differ from what it was last driven with.

    Raises errors.WorkflowChanged with the differences where the run no longer fits it, and where it would fit with
    consequences that nobody accepted.
    """
    run, around = snapshot.run, shop.around
    if run.shape == workflow.shape and not stands(run, workflow):
        raise damaged(run, workflow)
    known = await known_of(around.ledger, run, workflow)
    plan = carried(run, snapshot.state, workflow, known, around.clock.now(), around.limits)
    if plan.findings:
        listed = "\n".join(str(each) for each in plan.findings)
        raise WorkflowChanged(
            f"{workflow.name} changed and run {run.id} no longer fits it\n{listed}",
            ways_on(run, plan, known, workflow),
        )
    if plan.accept and not accept:
        listed = "\n".join(str(each) for each in plan.accept)
        raise WorkflowChanged(
            f"{workflow.name} changed, and run {run.id} can go on with it only if you accept this\n{listed}",
            f"accept it: workflow resume {run.id} --accept-changes; or go on with the code as it was",
        )
    return plan


def damaged(run: Run, workflow: Workflow[Any]) -> StoreDamaged:
    """The error for a run that stands where no engine can have left it."""
    return StoreDamaged(
        f"run {run.id} is damaged: it stands where {workflow.name} has no place to stand",
        "restore the store from a backup, or leave this run alone: the others are readable",
    )


def stands(run: Run, workflow: Workflow[Any]) -> bool:
    """Whether a run of this very shape is at nodes that it has: any other was forged, for no engine wrote it."""
    due = run.frontier.due
    places = (*due, *(each.node for each in run.open), *(each.node for each in run.waits))
    steps = all(not isinstance(workflow.nodes.get(each), Route | None) for each in places)
    return steps and all(each in run.frontier.visits for each in due)
