"""The scene of one attempt: everything a body may be handed, and how parameters are filled from it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from workflow_engine.bodies.forgetful import forgetful
from workflow_engine.bodies.resources import Resources
from workflow_engine.errors import Failure, StepError
from workflow_engine.making import quickly
from workflow_engine.ports.agents import AgentRunner, Receipts
from workflow_engine.ports.graphs import GraphRunner
from workflow_engine.record.codec import decode
from workflow_engine.record.inbox import Reply
from workflow_engine.record.values import Value
from workflow_engine.spec.nodes import Node, Parameter, signature_of
from workflow_engine.spec.step import Step
from workflow_engine.spec.workflow import Workflow


async def never() -> None:
    """Nobody drains."""
    await asyncio.Event().wait()


def no_graphs(*_: object) -> GraphRunner:
    """Where nothing runs foreign graphs."""
    raise StepError("foreign graphs cannot be run here", "open an Engine on a file", retryable=False)


@quickly
@dataclass(frozen=True)
class Scene:
    """One attempt's surroundings. Values are decoded anew for each read, so a body can change its copies freely.

    `replies` are the answers to what the body asked Midway, for it to go on with.
    """

    workflow: Workflow[Any]
    state: Mapping[str, Value]
    step: Step
    resources: Resources
    runner: Callable[[], AgentRunner]
    failure: Failure | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    """Parameters that come from elsewhere, by name: the item of an `each` node."""
    replies: tuple[Reply, ...] = ()
    graphs: Callable[[], GraphRunner] = no_graphs
    receipts: Callable[[], Awaitable[Receipts]] = forgetful
    leaving: Callable[[], Awaitable[object]] = never
    """Returns when a body that can stop between two steps of its own should."""
    hear: Callable[[Mapping[str, Any]], None] | None = None
    """Told what an agent says while it says it, where somebody listens."""

    def handing(self, name: str, value: Any) -> Scene:
        """The same with one parameter that comes from elsewhere."""
        made = object.__new__(Scene)  # dataclasses.replace takes far longer, for each of many items
        made.__dict__.update(self.__dict__, given={name: value})
        return made


def read(workflow: Workflow[Any], state: Mapping[str, Value], name: str) -> Any:
    """A fresh copy of a field: its stored value, or its default where nothing was written."""
    declared = workflow.fields[name]
    value = state.get(name)
    if value is None:
        return declared.default
    try:
        return decode(declared.adapter, value.whole)
    except ValidationError as error:
        raise StepError(
            f"field {name!r} does not fit its type any more: {error.errors(include_url=False)[0]['msg']}",
            "the state's class changed since this was written; resume with the class as it was",
            kind="validation",
            retryable=False,
        ) from error


async def argument(scene: Scene, parameter: Parameter) -> Any:
    """The value of one parameter. Raises StepError for a name that means nothing."""
    if parameter.name in scene.given:
        return scene.given[parameter.name]
    if parameter.type is Step:
        return scene.step
    if isinstance(parameter.type, type) and parameter.type in scene.workflow.resources:
        return await scene.resources.get(parameter.type, scene.workflow.resources)
    if parameter.name in scene.workflow.fields:
        return read(scene.workflow, scene.state, parameter.name)
    if parameter.name == "failure":
        return scene.failure
    raise StepError(f"parameter {parameter.name!r} names no field of the state", retryable=False)


async def arguments(scene: Scene, parameters: Iterable[Parameter]) -> dict[str, Any]:
    """Keyword arguments for the parameters of a body, of a probe, or of what finishes an agent's answer."""
    given: dict[str, Any] = {}
    fields, elsewhere = scene.workflow.fields, scene.given
    for each in parameters:
        name = each.name
        if name in fields and name not in elsewhere and not scene.workflow.hands_in(each.type):
            given[name] = read(scene.workflow, scene.state, name)  # as most are: with no coroutine of its own
        elif not each.has_default or name == "failure" or name in fields or scene.workflow.hands_in(each.type):
            given[name] = await argument(scene, each)
    return given


def parameters_of(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters of any function that stands beside a node's body."""
    return signature_of(function).parameters


def decide(workflow: Workflow[Any], state: Mapping[str, Value], node: Node) -> Any:
    """Run a route's pure body on a state."""
    return node.body(**{each.name: read(workflow, state, each.name) for each in node.signature.parameters})
