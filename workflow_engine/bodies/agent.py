"""Agent nodes: the body makes the prompt, the runner behind the port gets the answer, typed by the written field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from workflow_engine.bodies.boxes import must_be_those, opened
from workflow_engine.bodies.calling import call
from workflow_engine.bodies.checks import Checks
from workflow_engine.bodies.conversation import Conversation
from workflow_engine.bodies.intent import Midway, Wrote
from workflow_engine.bodies.scene import Scene, arguments, parameters_of
from workflow_engine.bodies.team import Team
from workflow_engine.bodies.turn import Turn
from workflow_engine.errors import AgentFailed, StepError
from workflow_engine.ports.agents import AgentAnswer, AgentTask, Held
from workflow_engine.spec.each import Each, value_type
from workflow_engine.spec.nodes import Agent
from workflow_engine.spec.state import required
from workflow_engine.spec.step import Step
from workflow_engine.spec.workflow import Workflow


async def run(node: Agent[Any, Any], scene: Scene) -> Wrote | Midway:
    """One attempt, or what remains of one: what was said and done before is told by receipts.

    Raises errors.AgentFailed from the runner, and whatever the body or `finish` raises.
    """
    receipts = await scene.receipts()
    boxes = await opened(node.tools, node.handoffs, scene)
    prompt = receipts.prompt
    if prompt is None:
        prompt = receipts.begin(await _prompt(node, scene), boxes.digests)
    else:
        must_be_those(node.name, receipts.tools, boxes.digests)
        if any(each.type is Step for each in node.signature.parameters):
            await _prompt(node, scene)  # for what it puts into the workspace, which is a new one
    turn = Turn(node.name, receipts)
    await turn.rule(scene.replies)
    task = AgentTask(
        node=node.name,
        instructions=node.instructions,
        prompt=prompt,
        output=output_of(node, scene.workflow),
        model=node.model,
        key=scene.step.key,
        turns=node.turns,
        tell=scene.step.progress,
        ask=turn.ask,
        hear=scene.hear,
    )
    team = Team(node, scene, turn, task, boxes)
    task = team.task()
    conversation = await Conversation.of(node, scene)
    if conversation is not None:
        task = replace(task, before=tuple(await conversation.before(turn)))
    checks = None
    if node.guardrails or node.review_if is not None:
        checks = Checks(node, turn, task.output, team.judge)
        turn.watch = checks.use
        task = replace(task, check=checks.answer)
    try:
        if checks is not None:
            await checks.prompt(prompt)
        answer = await scene.runner().run(task)
    except Held:
        return Midway(tuple(turn.asks), "agent")
    except AgentFailed as failed:
        failed.so_far = failed.so_far and _unkept(turn, failed.so_far)
        raise
    value = checks.value if checks is not None and checks.edited else answer.value
    answer = _unkept(turn, answer)
    if conversation is not None:
        await conversation.keep(prompt, value)
    if node.finish is not None:
        first, *rest = parameters_of(node.finish)
        value = await call(node.finish, {first.name: value, **await arguments(scene, rest)})
    usage = answer.usage if answer.usage.requests else None
    return Wrote({node.writes[0]: value}, usage, answer.answered_by)


async def _prompt(node: Agent[Any, Any], scene: Scene) -> str:
    prompt = await call(node.body, await arguments(scene, node.signature.parameters))
    if not isinstance(prompt, str):
        raise StepError(
            f"{node.name} returned a {type(prompt).__name__}",
            "an agent's body returns its prompt, a str",
            retryable=False,
        )
    return prompt


def _unkept(turn: Turn, answer: AgentAnswer) -> AgentAnswer:
    """The answer without the use that receipts told of already, call by call."""
    models = tuple(each for each in answer.answered_by if each not in turn.models)
    return replace(answer, usage=answer.usage - turn.used[""] + turn.beyond, answered_by=models)


def output_of(node: Agent[Any, Any], workflow: Workflow[Any]) -> Any:
    """The type the model's answer must have: the written field's, or what `finish` takes. `None` is no answer."""
    if node.finish is not None:
        return parameters_of(node.finish)[0].type
    around = workflow.nodes[node.name]
    if isinstance(around, Each):
        return required(value_type(around, workflow))
    return required(workflow.fields[node.writes[0]].type)
