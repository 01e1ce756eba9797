"""Agents: the runner on openai-agents, the choice of a model, and the playbook that answers offline.

Importing this loads neither the SDK nor the OpenAI client; a runner does at its first task.
"""

from __future__ import annotations

from workflow_engine.agents.failover import Now, utc_now
from workflow_engine.agents.models import Chain, Endpoint, ModelChoice, Offline, choose_model, links_of, offline
from workflow_engine.agents.playbook import playbook_beside, read_playbook, refuse_unknown
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.agents.stub import stub_playbook
from workflow_engine.ports.agents import AgentRunner

__all__ = [
    "Chain",
    "Endpoint",
    "ModelChoice",
    "Offline",
    "choose_model",
    "links_of",
    "offline",
    "open_runner",
    "playbook_beside",
    "read_playbook",
    "refuse_unknown",
    "stub_playbook",
]


def open_runner(choice: ModelChoice, *, now: Now = utc_now) -> AgentRunner:
    """A runner for the choice, to be closed; raises UsageError if the playbook it needs is broken."""
    if isinstance(choice, Offline):
        read_playbook(choice.playbook)
    return OpenAIAgentsRunner(choice, now=now)
