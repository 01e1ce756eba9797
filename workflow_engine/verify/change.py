"""W6, change: whether a run's position and state still make sense under another version of its workflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from workflow_engine.record.run import Run
from workflow_engine.record.values import Value
from workflow_engine.spec.nodes import Human, Route
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify.finding import Finding, near, where_of


def fits(run: Run, state: Mapping[str, Value], workflow: Workflow[Any]) -> tuple[Finding, ...]:
    """Why a run cannot go on under this workflow; nothing where it can.

    It stands on nodes that exist, of a kind that can go on from there; arms that arrived belong to joins that exist;
    what is stored fits the fields' types, and every input is there.
    """
    return tuple(sorted({*_position(run, workflow), *_state(state, workflow)}))


def _position(run: Run, workflow: Workflow[Any]) -> Iterator[Finding]:
    for name in run.frontier.due:
        node = workflow.nodes.get(name)
        if node is None or isinstance(node, Route):
            yield _broken(
                workflow,
                "W601",
                name,
                "the run stands at it, and it is gone",
                f"{near(name, workflow.nodes)}keep it under this name",
            )
        elif (name in run.resting) and not isinstance(node, Human) and run.question(name).asks == "human":  # type: ignore[union-attr]
            yield _broken(
                workflow, "W602", name, f"a person was asked here, and it is a {node.kind} now", "keep it a @human node"
            )
    joins = {edge.key for edge in workflow.edges if edge.joins}
    bounded = {edge.key for edge in workflow.edges if edge.limit is not None}
    for key in run.frontier.arrived:
        if key not in joins:
            yield _broken(
                workflow, "W603", key, "an arm arrived at this join, and it is gone", "keep the fork and its join"
            )
    for key in run.frontier.counts:
        if key not in bounded:
            yield _broken(
                workflow, "W604", key, "this bounded edge was counted, and it is gone", "keep the edge, or its bound"
            )


def _state(state: Mapping[str, Value], workflow: Workflow[Any]) -> Iterator[Finding]:
    for name, value in state.items():
        field = workflow.fields.get(name)
        if field is None:
            cure = f"{near(name, workflow.fields)}keep the field"
            yield _broken(workflow, "W605", name, "the run has a value for it, and the field is gone", cure)
            continue
        try:
            field.adapter.validate_json(value.whole)
        except ValidationError as error:
            what = f"the run's value does not fit its new type: {error.errors(include_url=False)[0]['msg']}"
            yield _broken(workflow, "W606", name, what, "let the type accept what was written before")
    for name, field in workflow.fields.items():
        if field.required and name not in state:
            yield _broken(
                workflow, "W607", name, "it became an input, and the run began without it", "give it a default"
            )


def _broken(workflow: Workflow[Any], code: str, place: str, what: str, cure: str) -> Finding:
    return Finding(code, place, what, cure, where_of(workflow, place))
