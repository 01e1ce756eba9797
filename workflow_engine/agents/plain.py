"""An OpenAI-compatible endpoint as a speaker: the openai client and nothing else, on either wire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from workflow_engine import errors
from workflow_engine.agents.failover import Now, utc_now
from workflow_engine.agents.loop import LoopRunner
from workflow_engine.agents.models import Chain, Endpoint, is_openai, links_of
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

    @property
    def link(self) -> Endpoint:
        return self.endpoint

    async def say(self, asking: Asking) -> Said:
        try:
            if self.endpoint.wire == "chat":
                return await self._chat(asking)
            return await self._respond(asking)
        except (AttributeError, KeyError, TypeError, IndexError) as error:
            failure = errors.AgentFailed(
                f"{self.name} gave an answer that makes no sense: {type(error).__name__}: {error}"
            )
            failure.theirs = True
            raise failure from None

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
        body: dict[str, Any] = {"model": self.endpoint.model, "messages": asking.chat()}
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
        if asking.most is not None:
            body["max_completion_tokens" if is_openai(self.endpoint.base_url) else "max_tokens"] = asking.most
        if asking.tell is not None:
            return await self._chat_streamed(body, asking.tell)
        answer = await self._connected().chat.completions.create(**body)
        message = answer.choices[0].message
        if message.refusal:
            raise _refused(message.refusal)
        calls: list[Any] = [each for each in message.tool_calls or () if each.type == "function"]
        uses = tuple(Use(each.function.name, each.function.arguments, each.id) for each in calls)
        return self._said(message.content or "", uses, answer)

    async def _chat_streamed(self, body: dict[str, Any], tell: Callable[[str, str], None]) -> Said:
        """The same in pieces. The connection sees to it that all of them came."""
        client: Any = self._connected()
        whole: Any = SimpleNamespace(model="", usage=None)
        text, refusal, uses = "", "", dict[int, list[str]]()
        async with await client.chat.completions.create(
            **body, stream=True, stream_options={"include_usage": True}
        ) as chunks:
            async for chunk in chunks:
                whole.model, whole.usage = chunk.model or whole.model, chunk.usage or whole.usage
                for choice in chunk.choices[:1]:
                    text += choice.delta.content or ""
                    refusal += choice.delta.refusal or ""
                    if choice.delta.content:
                        tell("message", choice.delta.content)
                    for each in choice.delta.tool_calls or ():
                        use = uses.setdefault(each.index, ["", "", ""])
                        asked = each.function
                        use[0] += (asked and asked.name) or ""
                        use[1] += (asked and asked.arguments) or ""
                        use[2] = use[2] or each.id or ""
        if refusal:
            raise _refused(refusal)
        return self._said(text, tuple(Use(*uses[index]) for index in sorted(uses)), whole)

    @staticmethod
    def _said(text: str, uses: tuple[Use, ...], answer: Any) -> Said:
        used = answer.usage
        usage = Usage(1) if used is None else Usage(1, used.prompt_tokens, used.completion_tokens)
        cached = getattr(getattr(used, "prompt_tokens_details", None), "cached_tokens", 0) or 0
        return Said(text, uses, usage, answer.model or "", cached=cached)

    async def _respond(self, asking: Asking) -> Said:
        said: list[Any] = []
        for each in asking.messages:
            if each["role"] == "tool":
                said.append(
                    {"type": "function_call_output", "call_id": each["tool_call_id"], "output": each["content"]}
                )
            elif each["role"] == "assistant":
                # Items that another endpoint made live there: they are told anew in words.
                own = each.get("_items") if each.get("_by") == self.endpoint.label else None
                said += own or _in_words(each) or [{"role": "assistant", "content": each["content"]}]
            else:
                said.append({"role": each["role"], "content": each["content"]})
        body: dict[str, Any] = {"model": self.endpoint.model, "input": said}
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
        if asking.most is not None:
            body["max_output_tokens"] = asking.most
        answer = await self._answer(body, asking.tell)
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
        cached = getattr(getattr(used, "input_tokens_details", None), "cached_tokens", 0) or 0
        return Said("".join(texts), tuple(uses), usage, answer.model or "", items, cached)

    async def _answer(self, body: dict[str, Any], tell: Callable[[str, str], None] | None) -> Any:
        from workflow_engine.agents.streams import DELTAS, broken_off, is_cut

        client: Any = self._connected()
        if tell is None:
            return await client.responses.create(**body)
        async with await client.responses.create(**body, stream=True) as events:
            async for event in events:
                if event.type in DELTAS:
                    tell(DELTAS[event.type], event.delta)
                if event.type == "response.completed" or is_cut(event):
                    return event.response
        raise broken_off(self.endpoint)


def _refused(said: str) -> errors.AgentFailed:
    return errors.AgentFailed(f"the model refused: {said}", kind="model", retryable=False)


def _in_words(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What another model said, as items of this wire."""
    told: list[dict[str, Any]] = []
    if message.get("tool_calls"):
        if message["content"]:
            told.append({"role": "assistant", "content": message["content"]})
        told += [{"type": "function_call", "call_id": each["id"], **each["function"]} for each in message["tool_calls"]]
    return told


def openai_runner(
    choice: Endpoint | Chain, call_limit: timedelta = timedelta(minutes=10), *, now: Now = utc_now
) -> LoopRunner:
    """Agents on the plain openai client: no SDK of agents between."""
    known: dict[Endpoint, OpenAISpeaker] = {}

    def speakers(model: str | None) -> tuple[OpenAISpeaker, ...]:
        return tuple(known.setdefault(each, OpenAISpeaker(each, call_limit)) for each in links_of(choice, model))

    chain = choice if isinstance(choice, Chain) else Chain((choice,))
    keys = [each.api_key for each in (*chain.links, *chain.named.values())]
    return LoopRunner(
        *speakers(None),
        call_limit=call_limit,
        breaker=chain.breaker,
        now=now,
        named=speakers,
        secrets=[each.get_secret_value() for each in keys if each is not None],
    )
