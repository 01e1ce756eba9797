"""Asking an agent in a test: a task, a tool, and a runner over a scripted endpoint."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from tests.agents.endpoint import Script, ScriptedEndpoint, raw
from workflow_engine import errors
from workflow_engine.agents.models import Wire
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.ports.agents import AgentAnswer, AgentTask, Tool, ToolUse

PATHS = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
BOTH = pytest.mark.parametrize("wire", ["chat", "responses"])


class Design(BaseModel):
    title: str
    parts: list[str] = []
    size: Annotated[int, Field(ge=1, le=9)] = 1


def task(output: Any = Design, **given: Any) -> AgentTask:
    return AgentTask("design", "You design.", "Design it.", output, **given)


def tool(name: str, answer: Any, **given: Any) -> Tool:
    async def take(use: ToolUse) -> str:
        if isinstance(answer, BaseException):
            raise answer
        return str(answer(use.arguments)) if callable(answer) else str(answer)

    return Tool(name, f"{name} a file", PATHS, take, **given)


async def ask(*script: Script, wire: Wire = "chat", given: AgentTask | None = None, **choice: Any) -> AgentAnswer:
    limit = choice.pop("limit", timedelta(seconds=30))
    async with ScriptedEndpoint(list(script), wire) as served:
        runner = OpenAIAgentsRunner(served.endpoint(**choice), limit)
        try:
            return await runner.run(given or task())
        finally:
            await runner.close()


async def failing(*script: Script, **given: Any) -> errors.AgentFailed:
    with pytest.raises(errors.AgentFailed) as failed:
        await ask(*script, **given)
    return failed.value


def completion(message: dict[str, Any]) -> Script:
    """A chat completion without anything that is not needed."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}
    return raw(json.dumps({"id": "c", "object": "chat.completion", "created": 1, "choices": [choice]}).encode())
