"""Random workflows on plain LangGraph, through `to_langgraph` and a checkpointer of its own, against our executor."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, Interrupt

from tests.differential.agreement import OURS, live
from tests.differential.flows import Flavour, Flow, random_flow
from tests.differential.graphs import answer
from tests.differential.life import Model, Outcome, Tally
from tests.differential.outside import PROCESS, World
from workflow_engine import Retry, to_langgraph
from workflow_engine.langgraph.plain import ReachedFail
from workflow_engine.spec.nesting import subflow_of
from workflow_engine.spec.policies import attempts_of
from workflow_engine.spec.waits import Wait


class Plain:
    """Implements outside.Process where there is nothing to watch: LangGraph promises less."""

    def __init__(self) -> None:
        self.world = World(mended=True)

    def turns(self) -> int:
        return 0

    async def alive(self) -> None: ...

    def beginning(self, run: str, place: str, visit: int, at_once: int = 0) -> None: ...

    def inside(self, series: str, mark: str, count: int, done: Mapping[str, int]) -> None: ...


def unhurried(flow: Flow) -> Flow:
    """The same flow without waits between attempts: LangGraph really sleeps."""
    nodes = {
        name: replace(node, retry=Retry(attempts, first=timedelta(0), jitter=False))
        if (attempts := attempts_of(node.retry)) > 1
        else node
        for name, node in flow.workflow.nodes.items()
    }
    return replace(flow, workflow=replace(flow.workflow, nodes=nodes))


async def exported(flow: Flow) -> tuple[str, dict[str, Any]]:
    """How the exported graph ends, and with which state."""
    PROCESS.set(Plain())
    graph = to_langgraph(flow.workflow, agents=Model()).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}, "recursion_limit": 1000}
    given: Any = {"given": flow.seed % 1000}
    while True:
        try:
            result = await graph.ainvoke(given, config)
        except ReachedFail:
            return "failed", {}
        asked = result.pop("__interrupt__", ())
        if not asked:
            return "succeeded", result
        visits = (await graph.aget_state(config)).values.get("_visits", {})
        given = Command(resume={each.id: answered(flow, each, visits) for each in asked})


def answered(flow: Flow, asked: Interrupt[Any], visits: Mapping[str, int]) -> Any:
    shown = asked.value if isinstance(asked.value, Mapping) else {"message": asked.value}
    if "node" in shown:
        return flow.answer(shown["node"], visits.get(shown["node"], 0) + 1)
    schema = asked.response_schema or {}
    assert isinstance(schema, Mapping)
    return answer(flow.seed, shown["message"], shown.get("choices", ()), schema, fits=True)


def same(flow: Flow, ours: Outcome, status: str, state: dict[str, Any]) -> None:
    assert status == ours.status, flow.seed
    if status == "failed":
        return
    log = state.pop("log")
    assert sorted(log) == sorted(line for lines in ours.log.values() for line in lines), flow.seed
    plain = flow.workflow.state.model_validate({"given": 0, **state}).model_dump(mode="json")
    assert {"sum": 0, **ours.values} == {name: plain[name] for name in state}, flow.seed


@pytest.mark.slow
@pytest.mark.parametrize("flavour", ["forks", "loops", "people", "items"])
def test_an_exported_graph_ends_as_the_workflow_does(flavour: Flavour) -> None:
    compared = 0
    for seed in range(60):
        flow = unhurried(random_flow(seed, flavour))
        # Deadlines are lost on the way, and what no edge catches raises.
        if any(each.silent for each in flow.people.values()) or any(each.broken for each in flow.works.values()):
            continue
        # Nobody sends signals there, and what is within is exported by itself.
        if any(isinstance(each, Wait) or subflow_of(each) is not None for each in flow.workflow.nodes.values()):
            continue
        if any(each.broken for each in flow.items.values()):
            continue
        ours = live(flow, OURS, f"ours {seed}", 0, Tally())
        same(flow, ours, *asyncio.run(exported(flow)))
        compared += 1
    assert compared > 10
