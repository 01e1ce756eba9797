"""Our engine with an agent: each model call and each use of its tool is begun and ended by a durable commit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bench.meter import Meter
from bench.order import Order
from bench.subjects.ours import journal_bytes, opened
from bench.subjects.talking import INSTRUCTIONS, KEY, MODEL, NAME, PROMPT, Served, measure, page, served
from workflow_engine import END, START, State, agent, workflow
from workflow_engine.agents import openai_runner
from workflow_engine.agents.models import Endpoint
from workflow_engine.agents.runner import OpenAIAgentsRunner
from workflow_engine.record.events import CallFinished


class Reading(State):
    said: str = ""


def reader_of(order: Order, mark: Callable[[], None]) -> Any:
    """The workflow: one agent, with one tool that only reads."""

    async def read_page(number: int) -> str:
        """Read a page."""
        return await page(number, mark)

    @agent(name=NAME, writes="said", instructions=INSTRUCTIONS, tools=[read_page], turns=order.work.steps + 5)
    def reader() -> str:
        return PROMPT

    return workflow("reading", state=Reading, edges=[START >> reader >> END])


async def turn(order: Order, meter: Meter) -> None:
    flow = reader_of(order, meter.mark)
    async with served(order) as model:
        async with opened(order, order.warm, flow, agents=runner_of(order, model)) as (engine, _):
            await engine.run(flow, {})
        async with opened(order, order.store, flow):
            pass
        meter.empty()
        runs: list[str] = []
        async with opened(order, order.store, flow, agents=runner_of(order, model)) as (engine, _):

            async def take() -> str:
                view = await engine.run(flow, {})
                runs.append(view.id)
                assert view.status == "succeeded", view.error
                said: str = view.state.said
                return said

            await measure(order, meter, model, take)
    meter.closed()
    meter.figures |= {"journal": "wal", "synchronous": order.options["level"]}
    meter.figures |= {"durable": await receipts(order, flow, runs), "journal_bytes": journal_bytes(order.store)}


def runner_of(order: Order, model: Served) -> Any:
    endpoint = Endpoint(model.base_url, MODEL, "chat", SecretStr(KEY))
    return openai_runner(endpoint) if order.options["runner"] == "openai" else OpenAIAgentsRunner(endpoint)


async def receipts(order: Order, flow: Any, runs: list[str]) -> int:
    """Read back from the file: each run's answer, and how many calls have a receipt."""
    store: Path = order.store
    async with opened(order, store, flow) as (engine, _):
        journals = [await engine.journal(run) for run in runs]
    return sum(isinstance(each.event, CallFinished) for journal in journals for each in journal)
