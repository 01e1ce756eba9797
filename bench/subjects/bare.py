"""The agent with no engine: a hand-written loop on the openai client, or openai-agents; neither keeps anything."""

from __future__ import annotations

import json
from typing import Any

from agents import Agent, OpenAIChatCompletionsModel, RunConfig, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from bench.meter import Meter
from bench.model import TOOL
from bench.order import Order
from bench.subjects.talking import INSTRUCTIONS, KEY, MODEL, NAME, PROMPT, Served, measure, page, served

SCHEMA = {
    "type": "object",
    "properties": {"number": {"type": "integer"}},
    "required": ["number"],
    "additionalProperties": False,
}


async def turn(order: Order, meter: Meter) -> None:
    take = on_agents if order.options["client"] == "agents" else by_hand
    async with served(order) as model, connected(model) as client:
        await take(order, meter, model, client)
    meter.closed()
    meter.figures |= {"journal": "none", "synchronous": "none", "durable": 0}


def connected(model: Served) -> AsyncOpenAI:
    """The client; no proxy between, whatever the environment says."""
    http = DefaultAsyncHttpxClient(trust_env=False)
    return AsyncOpenAI(api_key=KEY, base_url=model.base_url, max_retries=0, http_client=http)


async def by_hand(order: Order, meter: Meter, model: Served, client: AsyncOpenAI) -> None:
    function = {"name": TOOL, "description": "Read a page.", "parameters": SCHEMA}
    tools: Any = [{"type": "function", "function": function}]

    async def take() -> str:
        messages: list[Any] = [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": PROMPT}]
        while True:
            answer = await client.chat.completions.create(model=MODEL, messages=messages, tools=tools)
            said = answer.choices[0].message
            if not said.tool_calls:
                return said.content or ""
            messages.append(said.model_dump(exclude_none=True))
            for call in said.tool_calls:
                assert call.type == "function"
                assert call.function.name == TOOL
                text = await page(json.loads(call.function.arguments)["number"], meter.mark)
                messages.append({"role": "tool", "tool_call_id": call.id, "content": text})

    await take()
    await measure(order, meter, model, take)


async def on_agents(order: Order, meter: Meter, model: Served, client: AsyncOpenAI) -> None:
    set_tracing_disabled(True)

    @function_tool
    async def read_page(number: int) -> str:
        """Read a page."""
        return await page(number, meter.mark)

    agent: Agent[None] = Agent(
        name=NAME, instructions=INSTRUCTIONS, tools=[read_page], model=OpenAIChatCompletionsModel(MODEL, client)
    )

    async def take() -> str:
        config = RunConfig(tracing_disabled=True)
        result = await Runner.run(agent, PROMPT, max_turns=order.work.steps + 5, run_config=config)
        return str(result.final_output)

    await take()
    await measure(order, meter, model, take)
