"""Tools: plain typed functions offered to a model. Granted by being listed; `Step` and resources come unseen."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import to_json

from workflow_engine.bodies.calling import call
from workflow_engine.bodies.scene import Scene, argument
from workflow_engine.errors import DeclarationError, StepError
from workflow_engine.ports.agents import Tool
from workflow_engine.spec.nodes import Node


def tool(function: Callable[..., Any], scene: Scene) -> Tool:
    """The tool a function makes, bound to this attempt."""
    node = Node(getattr(function, "__name__", type(function).__name__), function)
    if node.signature.problem is not None:
        raise DeclarationError(f"tool {node.name!r}: {node.signature.problem}", "annotate every parameter")
    seen = [each for each in node.signature.parameters if not scene.workflow.hands_in(each.type)]
    unseen = [each for each in node.signature.parameters if scene.workflow.hands_in(each.type)]
    defaults = inspect.signature(function).parameters
    fields: dict[str, Any] = {
        each.name: (each.type, defaults[each.name].default if each.has_default else ...) for each in seen
    }
    model: type[BaseModel] = create_model(node.name, __config__=ConfigDict(extra="forbid"), **fields)

    async def use(given: Mapping[str, Any]) -> str:
        try:
            valid = model.model_validate(given)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)
            )
            return f"error: {node.name} cannot be called like this: {problems}"
        asked = {name: getattr(valid, name) for name in fields}
        try:
            value = await call(function, {**asked, **{each.name: await argument(scene, each) for each in unseen}})
        except StepError:
            raise
        except Exception as error:  # the model can mend a wrong path or a bad value; it must see what is wrong
            return f"error: {error}" if str(error) else f"error: {type(error).__name__}"
        return value if isinstance(value, str) else to_json(value, fallback=str).decode()

    return Tool(node.name, inspect.cleandoc(function.__doc__ or ""), model.model_json_schema(), use)
