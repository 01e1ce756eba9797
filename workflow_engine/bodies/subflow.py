"""Subflow nodes: what the workflow within is given, and what is taken from it at its END."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_engine.bodies.intent import Enter
from workflow_engine.bodies.scene import Scene, read
from workflow_engine.record.values import Value
from workflow_engine.spec.subflow import Subflow


def run(node: Subflow, scene: Scene) -> Enter:
    """The inputs of its run. Raises StepError for a field that does not fit its type any more."""
    given = {theirs: read(scene.workflow, scene.state, mine) for theirs, mine in node.reads.items()}
    return Enter({**given, **scene.given})  # with the item, if it is one of many


def taken(node: Subflow, state: Mapping[str, Value]) -> dict[str, Any]:
    """The values of this side's fields, from the state its run ended with."""
    return {mine: read(node.workflow, state, theirs) for mine, theirs in node.gives.items()}
