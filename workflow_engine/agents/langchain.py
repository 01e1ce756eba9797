"""A LangChain chat model as a speaker. langchain-core is here with LangGraph; the model's own package is the user's."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from workflow_engine.agents.loop import LoopRunner
from workflow_engine.agents.speaker import Asking, Closing, Said, Use
from workflow_engine.record.usage import Usage

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


class LangChainSpeaker:
    """Implements agents.speaker.Speaker. Make the model with max_retries=0: retries live in one layer, the engine's."""

    def __init__(self, model: BaseChatModel, closing: Closing | None = None) -> None:
        self._model = model
        self._closing = closing

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
        answer = await model.ainvoke(convert_to_messages(asking.chat(asking.told)))
        uses = [Use(each["name"], json.dumps(each["args"]), each["id"] or "") for each in answer.tool_calls]
        uses += [Use(each["name"] or "", each["args"] or "", each["id"] or "") for each in answer.invalid_tool_calls]
        used = answer.usage_metadata or {}
        usage = Usage(1, used.get("input_tokens", 0), used.get("output_tokens", 0))
        told = answer.response_metadata
        model_name = str(told.get("model_name") or told.get("model") or _called(self._model))
        return Said(str(answer.text), tuple(uses), usage, model_name)

    async def close(self) -> None:
        closing, self._closing = self._closing, None
        if closing is not None:
            await closing()


def _called(model: Any) -> str:
    return str(getattr(model, "model_name", None) or getattr(model, "model", None) or type(model).__name__)


def langchain_runner(
    model: BaseChatModel, call_limit: timedelta = timedelta(minutes=10), *, closing: Closing | None = None
) -> LoopRunner:
    """Agents on a LangChain chat model. `closing` is awaited when the engine closes: it closes the client."""
    return LoopRunner(LangChainSpeaker(model, closing), call_limit)
