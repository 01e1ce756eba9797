"""The agent-runner port: one task in, one typed answer out, no SDK type across it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from workflow_engine.record.usage import Usage


@dataclass(frozen=True)
class Tool:
    """A function the model may ask for. `call` takes the arguments as decoded JSON and returns the text the model sees.

    `call` validates its own arguments and returns a readable refusal (starting with "error:") for a mistake the model
    can mend; it raises only for what the model cannot (an `errors.StepError` ends the agent's turn).
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    call: Callable[[Mapping[str, Any]], Awaitable[str]]
    timeout: timedelta | None = None


@dataclass(frozen=True)
class AgentTask:
    """One visit to an agent. `output` is the type the answer must have (anything pydantic's TypeAdapter takes)."""

    node: str
    instructions: str
    prompt: str
    output: Any
    tools: tuple[Tool, ...] = ()
    model: str | None = None
    key: str = ""
    turns: int = 20
    tell: Callable[[str], None] = field(default=lambda _: None)


@dataclass(frozen=True)
class AgentAnswer:
    """What came back: the validated value, what it used, which models really answered, and the items of the story.

    `story` items are plain JSON: {"item": "message" | "tool_call" | "tool_result" | "reasoning", ...}.
    """

    value: Any
    usage: Usage = Usage()
    answered_by: tuple[str, ...] = ()
    story: tuple[Mapping[str, Any], ...] = ()


class AgentRunner(Protocol):
    """Runs agents. Implementations hold connections, open lazily and are closed with the engine."""

    async def run(self, task: AgentTask) -> AgentAnswer:
        """Answer the task, or raise `errors.AgentFailed` with a kind and whether a later try may differ."""
        ...

    async def close(self) -> None:
        """Let go of connections and servers; closing twice is allowed."""
        ...


__all__ = ["AgentAnswer", "AgentRunner", "AgentTask", "Tool", "Usage"]
