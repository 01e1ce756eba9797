"""An OpenAI-compatible endpoint as a speaker: the openai client and nothing else, on either wire."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from workflow_engine import errors
from workflow_engine.agents.loop import LoopRunner
from workflow_engine.agents.models import Endpoint, is_openai
from workflow_engine.agents.speaker import Asking, Said, Use
from workflow_engine.record.usage import Usage

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class OpenAISpeaker:
    """Implements agents.speaker.Speaker on one endpoint."""

    def __init__(self, endpoint: Endpoint, call_limit: timedelta) -> None:
        self.endpoint = endpoint
        self._call_limit = call_limit
        self._client: AsyncOpenAI | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def name(self) -> str:
        return self.endpoint.base_url

    @property
    def secrets(self) -> tuple[str, ...]:
        key = self.endpoint.api_key
        return () if key is None else (key.get_secret_value(),)

    async def say(self, asking: Asking) -> Said:
        try:
            if self.endpoint.wire == "chat":
                return await self._chat(asking)
            return await self._respond(asking)
        except (AttributeError, KeyError, TypeError, IndexError) as error:
            raise errors.AgentFailed(
                f"{self.name} gave an answer that makes no sense: {type(error).__name__}: {error}"
            ) from None

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.close()

    def _connected(self) -> AsyncOpenAI:
        from workflow_engine.agents.connection import connect

        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client, self._loop = connect(self.endpoint, self._call_limit), loop
        return self._client

    async def _chat(self, asking: Asking) -> Said:
        body: dict[str, Any] = {"model": asking.model or self.endpoint.model, "messages": asking.chat()}
        if asking.offered:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {"name": name, "description": each.description, "parameters": dict(each.schema)},
                }
                for name, each in asking.offered.items()
            ]
        if asking.schema is not None:
            form = {"name": "answer", "schema": dict(asking.schema), "strict": asking.strict}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        if is_openai(self.endpoint.base_url):
            body["store"] = False
        answer = await self._connected().chat.completions.create(**body)
        message = answer.choices[0].message
        if message.refusal:
            raise _refused(message.refusal)
        calls: list[Any] = [each for each in message.tool_calls or () if each.type == "function"]
        uses = tuple(Use(each.function.name, each.function.arguments, each.id) for each in calls)
        used = answer.usage
        usage = Usage(1) if used is None else Usage(1, used.prompt_tokens, used.completion_tokens)
        return Said(message.content or "", uses, usage, answer.model or "")

    async def _respond(self, asking: Asking) -> Said:
        said: list[Any] = []
        for each in asking.messages:
            if each["role"] == "tool":
                said.append(
                    {"type": "function_call_output", "call_id": each["tool_call_id"], "output": each["content"]}
                )
            elif each["role"] == "assistant":
                said += each.get("_items") or [{"role": "assistant", "content": each["content"]}]
            else:
                said.append({"role": each["role"], "content": each["content"]})
        body: dict[str, Any] = {"model": asking.model or self.endpoint.model, "input": said}
        if asking.instructions:
            body["instructions"] = asking.instructions
        if asking.offered:
            body["tools"] = [
                {"type": "function", "name": name, "description": each.description, "parameters": dict(each.schema)}
                | {"strict": False}
                for name, each in asking.offered.items()
            ]
        if asking.schema is not None:
            form = {"type": "json_schema", "name": "answer", "schema": dict(asking.schema), "strict": asking.strict}
            body["text"] = {"format": form}
        answer = await self._connected().responses.create(**body)
        items, texts, uses = [], [], []
        for item in answer.output:
            items.append(item.model_dump(mode="json", exclude_unset=True))
            if item.type == "function_call":
                uses.append(Use(item.name, item.arguments, item.call_id))
            elif item.type == "message":
                for part in item.content:
                    if part.type == "refusal":
                        raise _refused(part.refusal)
                    texts.append(part.text)
        used = answer.usage
        usage = Usage(1) if used is None else Usage(1, used.input_tokens, used.output_tokens)
        return Said("".join(texts), tuple(uses), usage, answer.model or "", items)


def _refused(said: str) -> errors.AgentFailed:
    return errors.AgentFailed(f"the model refused: {said}", kind="model", retryable=False)


def openai_runner(endpoint: Endpoint, call_limit: timedelta = timedelta(minutes=10)) -> LoopRunner:
    """Agents on the plain openai client: no SDK of agents between."""
    return LoopRunner(OpenAISpeaker(endpoint, call_limit), call_limit)
