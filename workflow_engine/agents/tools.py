"""A port's Tool as the SDK's FunctionTool: strict where its schema allows, its mistakes told to the model."""

from __future__ import annotations

import copy
from typing import Any

from agents import FunctionTool, UserError
from agents.tool_context import ToolContext
from pydantic_core import from_json

from workflow_engine import errors
from workflow_engine.agents.visit import Visit
from workflow_engine.ports.agents import Held, Tool, ToolUse


def function_tool(tool: Tool, visit: Visit) -> FunctionTool:
    """The tool, calling back into the visit's story. Where people are asked, its branch ends at the next model call."""

    async def invoke(context: ToolContext[Any], arguments: str) -> str:
        return await used(tool, visit, context.tool_call_id, arguments)

    schema = dict(tool.schema)
    try:
        return FunctionTool(tool.name, tool.description, copy.deepcopy(schema), invoke, strict_json_schema=True)
    except (UserError, TypeError, ValueError):
        # A dict with free keys, say, cannot be strict; the tool checks its own arguments anyway.
        return FunctionTool(tool.name, tool.description, schema, invoke, strict_json_schema=False)


async def used(tool: Tool, visit: Visit, id: str, arguments: str) -> str:
    """What the model is told of one use of a tool, under the model's own id for it; `arguments` are its JSON text."""
    given, text = _decoded(arguments)
    visit.asked(tool.name, id, arguments if given is None else given)
    if given is not None:
        text = await _call(tool, ToolUse(given, id, visit.task.path, visit.words.get(id, "")), visit)
    visit.returned(tool.name, id, text)
    return text


async def _call(tool: Tool, use: ToolUse, visit: Visit) -> str:
    try:
        return await tool.call(use)
    except Held:
        return "error: people are asked first"  # nobody is told: the branch ends here
    except errors.WorkflowError as error:
        # Not for the model to mend. The SDK would hide it in an error of its own, so it is kept here.
        visit.failed = visit.failed or error
        raise
    except Exception as error:
        return f"error: {tool.name} failed: {type(error).__name__}: {error}"


def _decoded(arguments: str) -> tuple[dict[str, Any] | None, str]:
    try:
        given = from_json(arguments or "{}", allow_inf_nan=False)
    except ValueError as error:
        return None, f"error: the arguments are not JSON: {error}"
    if not isinstance(given, dict):
        return None, f"error: the arguments are a JSON {type(given).__name__}, not an object"
    return given, ""
