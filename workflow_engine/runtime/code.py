"""The code of a run: proved, ready to be driven, and compared with the code the run was last driven with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_engine.errors import InvalidWorkflow, ModelMissing, StoreDamaged, UsageError, WorkflowChanged
from workflow_engine.record.events import CodeChanged
from workflow_engine.record.run import Run
from workflow_engine.record.values import Value
from workflow_engine.runtime.workshop import Workshop
from workflow_engine.spec.nodes import Route
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify import verify
from workflow_engine.verify.change import fits


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
    if not shop.has_model and workflow.agents:
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


def changed(shop: Workshop, run: Run, state: Mapping[str, Value], workflow: Workflow[Any]) -> list[CodeChanged]:
    """The fact that the code differs from what the run was last driven with, if it does.

    Raises errors.WorkflowChanged with the differences where the run no longer fits it.
    """
    if run.shape != workflow.shape:
        findings = fits(run, state, workflow)
        if findings:
            listed = "\n".join(str(each) for each in findings)
            raise WorkflowChanged(
                f"{workflow.name} changed and run {run.id} no longer fits it\n{listed}",
                f"go on with the code as it was, or fork it at an earlier step: workflow fork {run.id} --at STEP",
            )
    elif not _stands(run, workflow):
        raise StoreDamaged(
            f"run {run.id} is damaged: it stands where {workflow.name} has no place to stand",
            "restore the store from a backup, or leave this run alone: the others are readable",
        )
    edited = tuple(name for name, code in workflow.bodies.items() if run.bodies.get(name) != code)
    if not edited and run.shape == workflow.shape:
        return []
    shape = None if run.shape == workflow.shape else workflow.shape
    return [CodeChanged(shop.around.clock.now(), workflow.bodies, edited, shape)]


def _stands(run: Run, workflow: Workflow[Any]) -> bool:
    """Whether a run of this very shape is at nodes that it has: any other was forged, for no engine wrote it."""
    due = run.frontier.due
    places = (*due, *(each.node for each in run.open), *(each.node for each in run.waits))
    steps = all(not isinstance(workflow.nodes.get(each), Route | None) for each in places)
    return steps and all(each in run.frontier.visits for each in due)
