"""Agent nodes: the body makes the prompt, the runner behind the port gets the answer, typed by the written field."""

from __future__ import annotations

from typing import Any

from workflow_engine.bodies.calling import call
from workflow_engine.bodies.intent import Wrote
from workflow_engine.bodies.scene import Scene, arguments, parameters_of
from workflow_engine.bodies.tools import tool
from workflow_engine.errors import StepError
from workflow_engine.ports.agents import AgentTask
from workflow_engine.spec.each import Each, value_type
from workflow_engine.spec.nodes import Agent
from workflow_engine.spec.state import required
from workflow_engine.spec.workflow import Workflow


async def run(node: Agent[Any, Any], scene: Scene) -> Wrote:
    """One attempt. Raises errors.AgentFailed from the runner, and whatever the body or `finish` raises."""
    prompt = await call(node.body, await arguments(scene, node.signature.parameters))
    if not isinstance(prompt, str):
        raise StepError(
            f"{node.name} returned a {type(prompt).__name__}",
            "an agent's body returns its prompt, a str",
            retryable=False,
        )
    task = AgentTask(
        node=node.name,
        instructions=node.instructions,
        prompt=prompt,
        output=output_of(node, scene.workflow),
        tools=tuple(tool(each, scene) for each in node.tools),
        model=node.model,
        key=scene.step.key,
        turns=node.turns,
        tell=scene.step.progress,
    )
    answer = await scene.runner().run(task)
    value = answer.value
    if node.finish is not None:
        first, *rest = parameters_of(node.finish)
        value = await call(node.finish, {first.name: value, **await arguments(scene, rest)})
    return Wrote({node.writes[0]: value}, answer.usage, answer.answered_by, answer.story)


def output_of(node: Agent[Any, Any], workflow: Workflow[Any]) -> Any:
    """The type the model's answer must have: the written field's, or what `finish` takes. `None` is no answer."""
    if node.finish is not None:
        return parameters_of(node.finish)[0].type
    around = workflow.nodes[node.name]
    if isinstance(around, Each):
        return required(value_type(around, workflow))
    return required(workflow.fields[node.writes[0]].type)
