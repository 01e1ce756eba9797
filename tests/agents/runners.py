"""Every runner there is, over one loopback server: what the contract test runs them on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

import httpx2
import pytest

from tests.agents.endpoint import ScriptedEndpoint
from workflow_engine.agents.function import function_runner
from workflow_engine.agents.langchain import langchain_runner
from workflow_engine.agents.models import Wire
from workflow_engine.agents.plain import openai_runner
from workflow_engine.agents.pydantic_ai import pydantic_ai_runner
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.agents.speaker import Asking, Said, Use
from workflow_engine.errors import AgentFailed
from workflow_engine.ports.agents import AgentRunner
from workflow_engine.record.usage import Usage


@dataclass(frozen=True)
class Kind:
    """One kind of runner: how it is made over a server, and what must be installed for it."""

    name: str
    made: Callable[[ScriptedEndpoint, timedelta], AgentRunner]
    wire: Wire = "chat"
    needs: str | None = None


def _agents(served: ScriptedEndpoint, limit: timedelta) -> AgentRunner:
    return OpenAIAgentsRunner(served.endpoint(), limit)


def _plain(served: ScriptedEndpoint, limit: timedelta) -> AgentRunner:
    return openai_runner(served.endpoint(), limit)


def _function(served: ScriptedEndpoint, limit: timedelta) -> AgentRunner:
    """A callable of somebody's own, that speaks to the server without any client of a vendor."""

    async def answer(asking: Asking) -> Any:
        tools = [
            {"type": "function", "function": {"name": name, "parameters": dict(each.schema)}}
            for name, each in asking.offered.items()
        ]
        body: dict[str, Any] = {"model": "asked-for", "messages": asking.chat(asking.told), "tools": tools}
        if asking.most is not None:
            body["max_tokens"] = asking.most
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
            try:
                reply = await client.post(f"{served.base_url}/chat/completions", json=body)
            except httpx2.TransportError as error:
                raise AgentFailed(f"it broke off: {error}", kind="infrastructure") from None
        if reply.status_code == 429:
            raise AgentFailed("429: slow down", kind="rate_limit")
        if reply.status_code >= 500:
            raise AgentFailed(f"{reply.status_code}: it is ill", kind="infrastructure")
        if reply.status_code != 200:
            raise AgentFailed(f"{reply.status_code}", kind="model", retryable=False)
        told = reply.json()
        message = told["choices"][0]["message"]
        uses = tuple(
            Use(each["function"]["name"], each["function"]["arguments"], each["id"])
            for each in message.get("tool_calls", ())
        )
        usage = Usage(1, told["usage"]["prompt_tokens"], told["usage"]["completion_tokens"])
        return Said(message["content"] or "", uses, usage, told["model"])

    return function_runner(answer, name="mine", call_limit=limit)


def _langchain(served: ScriptedEndpoint, limit: timedelta) -> AgentRunner:
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    http = httpx2.AsyncClient(trust_env=False)
    model = ChatOpenAI(
        model="asked-for",
        base_url=served.base_url,
        api_key=SecretStr("none"),
        max_retries=0,
        use_responses_api=False,
        stream_usage=True,
        http_async_client=http,
    )
    return langchain_runner(model, limit, closing=http.aclose)


def _pydantic_ai(served: ScriptedEndpoint, limit: timedelta) -> AgentRunner:
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    client = AsyncOpenAI(base_url=served.base_url, api_key="none", max_retries=0)
    model = OpenAIChatModel("asked-for", provider=OpenAIProvider(openai_client=client))
    return pydantic_ai_runner(model, limit, closing=client.close)


KINDS = (
    Kind("openai-agents-chat", _agents),
    Kind("openai-agents-responses", _agents, "responses"),
    Kind("openai-chat", _plain),
    Kind("openai-responses", _plain, "responses"),
    Kind("callable", _function),
    Kind("langchain", _langchain, needs="langchain_openai"),
    Kind("pydantic-ai", _pydantic_ai, needs="pydantic_ai"),
)


def _param(kind: Kind) -> Any:
    missing = kind.needs is not None and find_spec(kind.needs) is None
    marks = (
        [pytest.mark.skip(reason=f"{kind.needs} is not installed: pip install -e '.[langchain,pydantic-ai]'")]
        if missing
        else []
    )
    return pytest.param(kind, id=kind.name, marks=marks)


EVERY = pytest.mark.parametrize("kind", [_param(each) for each in KINDS])
