"""Agents: their runners, the choice of a model, and the playbook that answers offline.

The runner on openai-agents is the one that is used unless another is given; `openai_runner`, `function_runner`,
`langchain_runner` and `pydantic_ai_runner` make the others.

Importing this loads neither the SDK nor the OpenAI client; a runner does at its first task.
"""

from __future__ import annotations

from workflow_engine.agents.failover import Now, utc_now
from workflow_engine.agents.function import function_runner
from workflow_engine.agents.langchain import langchain_runner
from workflow_engine.agents.loop import chained
from workflow_engine.agents.models import (
    Chain,
    Endpoint,
    ModelChoice,
    Offline,
    Replay,
    choose_model,
    endpoint_called,
    links_of,
    offline,
)
from workflow_engine.agents.plain import openai_runner
from workflow_engine.agents.playbook import playbook_beside, read_playbook, refuse_unknown
from workflow_engine.agents.pydantic_ai import pydantic_ai_runner
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.agents.sessions import open_sessions
from workflow_engine.agents.speaker import Asking, Said, Use
from workflow_engine.agents.stub import stub_playbook
from workflow_engine.agents.tape import Tape
from workflow_engine.ports.agents import AgentRunner
from workflow_engine.ports.sessions import Sessions

__all__ = [
    "Asking",
    "Chain",
    "Endpoint",
    "ModelChoice",
    "Offline",
    "Replay",
    "Said",
    "Sessions",
    "Use",
    "chained",
    "choose_model",
    "endpoint_called",
    "function_runner",
    "langchain_runner",
    "links_of",
    "offline",
    "open_runner",
    "open_sessions",
    "openai_runner",
    "playbook_beside",
    "pydantic_ai_runner",
    "read_playbook",
    "refuse_unknown",
    "stub_playbook",
]


def open_runner(choice: ModelChoice, *, now: Now = utc_now) -> AgentRunner:
    """A runner for the choice, to be closed; raises UsageError if the playbook it needs is broken."""
    if isinstance(choice, Offline):
        read_playbook(choice.playbook)
    if isinstance(choice, Replay):
        Tape.read(choice.tape)
    return OpenAIAgentsRunner(choice, now=now)
