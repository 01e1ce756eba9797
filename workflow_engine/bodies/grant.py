"""One tool an agent was given, bound to this attempt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from workflow_engine.bodies.calling import call
from workflow_engine.spec.nodes import Parameter, signature_of
from workflow_engine.spec.step import Step
from workflow_engine.spec.tool import Tool

HandIn = Callable[[Iterable[Parameter], str], Awaitable[Mapping[str, Any]]]
"""What is handed in unseen for these parameters, to the use with this idempotency key."""


class Grant:
    """One tool an agent was given, bound to this attempt: what checks its arguments, and what is handed in unseen."""

    def __init__(self, tool: Tool[..., Any], model: type[BaseModel] | None, hand_in: HandIn, agent: str) -> None:
        self.tool, self.model, self._hand_in, self.agent = tool, model, hand_in, agent

    @property
    def rebuilds(self) -> bool:
        """Whether it may have left something in the workspace that only using it again brings back."""
        return may_rebuild(self.tool)

    @property
    def goes_on(self) -> bool:
        """Whether a use that was broken off is not begun anew, but taken up where it was."""
        return False

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema of its arguments."""
        return self.model.model_json_schema() if self.model is not None else (self.tool.parameters or {})

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments in the function's own types. Raises pydantic.ValidationError."""
        if self.model is None:
            return dict(given)
        valid = self.model.model_validate(given)
        return {name: getattr(valid, name) for name in self.model.model_fields}

    async def use(self, arguments: Mapping[str, Any], key: str, name: str) -> Any:  # noqa: ARG002
        """Use it, under this idempotency key; `name` is the use's own."""
        handed_in = await self._hand_in(self.tool.signature.parameters, key)
        if self.model is None:  # its names need be no parameters of a function: it takes them as one mapping
            return await call(self.tool.body, {"arguments": arguments, **handed_in})
        return await call(self.tool.body, {**arguments, **handed_in})

    async def decide(self, function: Callable[..., Any], arguments: Mapping[str, Any], key: str) -> Any:
        """Call what stands beside it, a probe or a condition, with those of the arguments that it takes."""
        parameters = signature_of(function).parameters
        taken = {each.name: arguments[each.name] for each in parameters if each.name in arguments}
        return await call(function, {**taken, **await self._hand_in(parameters, key)})


def may_rebuild(tool: Tool[..., Any]) -> bool:
    """Whether a tool may leave something in the workspace that only using it again brings back."""
    if tool.effect or tool.parameters is not None:
        return False
    return any(each.type is Step for each in tool.signature.parameters)
