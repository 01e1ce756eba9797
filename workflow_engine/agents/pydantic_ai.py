"""A pydantic-ai model as a speaker: any provider it knows. pydantic-ai is the user's to install."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from workflow_engine.agents.loop import LoopRunner
from workflow_engine.agents.models import Endpoint
from workflow_engine.agents.speaker import Asking, Closing, Said, Use
from workflow_engine.record.usage import Usage

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse
    from pydantic_ai.models import Model

MOST = Endpoint.most


class PydanticAISpeaker:
    """Implements agents.speaker.Speaker. Give the model a client that retries nothing: the engine does."""

    def __init__(self, model: Model, closing: Closing | None = None, *, prices: str = "", most: int = MOST) -> None:
        self._model = model
        self._closing = closing
        self.link = Endpoint(self.name, model.model_name, "chat", most=most, prices=prices)

    @property
    def name(self) -> str:
        return f"the pydantic-ai model {self._model.model_name}"

    @property
    def secrets(self) -> tuple[str, ...]:
        key = getattr(getattr(self._model, "client", None), "api_key", None)
        return (key,) if isinstance(key, str) else ()

    async def say(self, asking: Asking) -> Said:
        from pydantic_ai.messages import TextPart, ToolCallPart
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.settings import ModelSettings
        from pydantic_ai.tools import ToolDefinition

        offered = [
            ToolDefinition(name=name, parameters_json_schema=dict(each.schema), description=each.description)
            for name, each in asking.offered.items()
        ]
        parameters = ModelRequestParameters(function_tools=offered, allow_text_output=True)
        settings = None if asking.most is None else ModelSettings(max_tokens=asking.most)
        if asking.tell is None:
            answer = await self._model.request(_messages(asking), settings, parameters)
        else:
            answer = await self._streamed(_messages(asking), settings, parameters, asking.tell)
        text = "".join(each.content for each in answer.parts if isinstance(each, TextPart))
        uses = tuple(
            Use(each.tool_name, each.args_as_json_str(), each.tool_call_id)
            for each in answer.parts
            if isinstance(each, ToolCallPart)
        )
        usage = Usage(1, answer.usage.input_tokens, answer.usage.output_tokens)
        cached = answer.usage.cache_read_tokens
        return Said(text, uses, usage, answer.model_name or self._model.model_name, cached=cached)

    async def _streamed(
        self, said: Any, settings: Any, parameters: Any, tell: Callable[[str, str], None]
    ) -> ModelResponse:
        from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta

        async with self._model.request_stream(said, settings, parameters) as coming:
            async for event in coming:
                match event:
                    case (
                        PartStartEvent(part=TextPart(content=text))
                        | PartDeltaEvent(delta=TextPartDelta(content_delta=text))
                    ) if text:
                        tell("message", text)
                    case _:
                        pass
            return coming.get()

    async def close(self) -> None:
        closing, self._closing = self._closing, None
        if closing is not None:
            await closing()


def _messages(asking: Asking) -> list[Any]:
    from pydantic_ai.messages import (
        ModelRequest,
        ModelResponse,
        SystemPromptPart,
        TextPart,
        ToolCallPart,
        ToolReturnPart,
        UserPromptPart,
    )

    found: list[Any] = [ModelRequest(parts=[SystemPromptPart(content=asking.told)])]
    for each in asking.messages:
        match each["role"]:
            case "user":
                found.append(ModelRequest(parts=[UserPromptPart(content=each["content"])]))
            case "tool":
                part: Any = ToolReturnPart(
                    tool_name=each["_tool"], content=each["content"], tool_call_id=each["tool_call_id"]
                )
                found.append(ModelRequest(parts=[part]))
            case _:
                parts: list[Any] = [TextPart(content=each["content"])] if each["content"] else []
                parts += [
                    ToolCallPart(
                        tool_name=use["function"]["name"], args=use["function"]["arguments"], tool_call_id=use["id"]
                    )
                    for use in each.get("tool_calls", ())
                ]
                found.append(ModelResponse(parts=parts))
    return found


def pydantic_ai_runner(
    model: Model,
    call_limit: timedelta = timedelta(minutes=10),
    *,
    closing: Closing | None = None,
    prices: str = "",
    most: int = MOST,
) -> LoopRunner:
    """Agents on a model of pydantic-ai. `closing` is awaited when the engine closes: it closes the client.

    `prices` names its price list, `most` the tokens of an answer that a budget reserves.
    """
    return LoopRunner(PydanticAISpeaker(model, closing, prices=prices, most=most), call_limit=call_limit)
