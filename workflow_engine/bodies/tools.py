"""Tools as an agent is given them: bound to one attempt, with a model of their arguments. Granted by being listed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from workflow_engine.bodies.grant import Grant
from workflow_engine.bodies.scene import Scene, argument
from workflow_engine.bodies.turn import Turn
from workflow_engine.errors import DeclarationError
from workflow_engine.ports import agents as ports
from workflow_engine.spec.nodes import Parameter
from workflow_engine.spec.tool import Tool, tool_of


def granted(function: Callable[..., Any], scene: Scene, turn: Turn, agent: str) -> ports.Tool:
    """The tool a function makes, bound to this attempt and to one agent. `Step` and resources come unseen."""
    tool = tool_of(function)
    grant = _grant(tool, scene, agent)
    return ports.Tool(tool.name, tool.text, grant.schema, partial(turn.use, grant))


def _grant(tool: Tool[..., Any], scene: Scene, agent: str) -> Grant:
    if tool.signature.problem is not None:
        raise DeclarationError(f"tool {tool.name!r}: {tool.signature.problem}", "annotate every parameter")

    async def hand_in(parameters: Iterable[Parameter], key: str) -> Mapping[str, Any]:
        # A key of its own for each use: that of the step would be the same for two of them.
        here = replace(scene, step=replace(scene.step, key=key))
        unseen = [each for each in parameters if scene.workflow.hands_in(each.type)]
        return {each.name: await argument(here, each) for each in unseen}

    return Grant(tool, None if tool.parameters is not None else _arguments(tool, scene), hand_in, agent)


def _arguments(tool: Tool[..., Any], scene: Scene) -> type[BaseModel]:
    defaults = inspect.signature(tool.body).parameters
    fields: dict[str, Any] = {
        each.name: (each.type, defaults[each.name].default if each.has_default else ...)
        for each in tool.signature.parameters
        if not scene.workflow.hands_in(each.type)
    }
    return create_model(tool.name, __config__=ConfigDict(extra="forbid"), **fields)
