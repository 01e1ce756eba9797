"""A LangChain chat model as a speaker. langchain-core is here with LangGraph; the model's own package is the user's."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from workflow_engine.agents.loop import LoopRunner
from workflow_engine.agents.models import Endpoint
from workflow_engine.agents.speaker import Asking, Closing, Said, Use
from workflow_engine.record.usage import Usage

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

MOST = Endpoint.most


class LangChainSpeaker:
    """Implements agents.speaker.Speaker. Make the model with max_retries=0: retries live in one layer, the engine's."""

    def __init__(
        self, model: BaseChatModel, closing: Closing | None = None, *, prices: str = "", most: int = MOST
    ) -> None:
        self._model = model
        self._closing = closing
        self.link = Endpoint(self.name, _called(model), "chat", most=most, prices=prices)

    @property
    def name(self) -> str:
        return f"the LangChain model {_called(self._model)}"

    @property
    def secrets(self) -> tuple[str, ...]:
        found: dict[str, Any] = getattr(self._model, "__dict__", {})
        return tuple(each.get_secret_value() for each in found.values() if hasattr(each, "get_secret_value"))

    async def say(self, asking: Asking) -> Said:
        from langchain_core.messages import convert_to_messages

        model: Any = self._model
        if asking.offered:
            model = model.bind_tools(
                [
                    {
                        "type": "function",
                        "function": {"name": name, "description": each.description, "parameters": dict(each.schema)},
                    }
                    for name, each in asking.offered.items()
                ]
            )
        if asking.most is not None:
            model = model.bind(max_tokens=asking.most)
        said = convert_to_messages(asking.chat(asking.told))
        answer = await model.ainvoke(said) if asking.tell is None else await _streamed(model, said, asking.tell)
        uses = [Use(each["name"], json.dumps(each["args"]), each["id"] or "") for each in answer.tool_calls]
        uses += [Use(each["name"] or "", each["args"] or "", each["id"] or "") for each in answer.invalid_tool_calls]
        used = answer.usage_metadata or {}
        usage = Usage(1, used.get("input_tokens", 0), used.get("output_tokens", 0))
        cached = (used.get("input_token_details") or {}).get("cache_read", 0)
        told = answer.response_metadata
        model_name = str(told.get("model_name") or told.get("model") or _called(self._model))
        return Said(str(answer.text), tuple(uses), usage, model_name, cached=cached)

    async def close(self) -> None:
        closing, self._closing = self._closing, None
        if closing is not None:
            await closing()


async def _streamed(model: Any, said: Any, tell: Callable[[str, str], None]) -> Any:
    whole: Any = None
    async for chunk in model.astream(said):
        whole = chunk if whole is None else whole + chunk
        if text := str(chunk.text):
            tell("message", text)
    if whole is None:
        raise ValueError("nothing came")
    return whole


def _called(model: Any) -> str:
    return str(getattr(model, "model_name", None) or getattr(model, "model", None) or type(model).__name__)


def langchain_runner(
    model: BaseChatModel,
    call_limit: timedelta = timedelta(minutes=10),
    *,
    closing: Closing | None = None,
    prices: str = "",
    most: int = MOST,
) -> LoopRunner:
    """Agents on a LangChain chat model. `closing` is awaited when the engine closes: it closes the client.

    `prices` names its price list, `most` the tokens of an answer that a budget reserves.
    """
    return LoopRunner(LangChainSpeaker(model, closing, prices=prices, most=most), call_limit=call_limit)
