"""The agents of one talk as the SDK's, and the ways by which it changes hands."""

from __future__ import annotations

from collections.abc import Callable

from agents import Agent, Handoff, RunContextWrapper, handoff

from workflow_engine.ports.agents import AgentTask, Role, handing_over


def team(task: AgentTask, made: Callable[[Role], Agent[None]]) -> Agent[None]:
    """The agent that begins, with those that it may hand over to, and those that they may."""
    first = Role(task.node, task.instructions, "", task.tools, task.handoffs, task.model)
    roles = {each.name: each for each in (*task.roles, first)}
    agents = {name: made(role) for name, role in roles.items()}
    for name, role in roles.items():
        # The SDK would call two names that differ in a letter it does not like by one tool; a law saw to that.
        agents[name].handoffs = [_to(task, name, agents[each]) for each in role.handoffs]
    return agents[first.name]


def _to(task: AgentTask, before: str, agent: Agent[None]) -> Handoff[None, Agent[None]]:
    async def handed(_: RunContextWrapper[None]) -> None:
        await task.handed(before, agent.name)

    return handoff(agent, on_handoff=handed, tool_name_override=handing_over(agent.name))
