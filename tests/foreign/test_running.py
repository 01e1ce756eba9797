"""A graph of LangGraph's as a node: fed from the state, asked through the inbox, its output in the state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.foreign.graphs import DID, NESTED, RESEARCH, TWICE, asking
from workflow_engine import END, START, Engine, State, Workflow, langgraph_node, workflow


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    DID.clear()


class Report(State):
    request: str
    findings: str | None = None


def reporting(graph: Any, **more: Any) -> Workflow[Report]:
    given: dict[str, Any] = {"reads": {"question": "request"}, "writes": {"findings": "answer"}, **more}
    research = langgraph_node(graph, name="research", **given)
    return workflow("report", state=Report, edges=[START >> research >> END])


EXECUTORS = pytest.mark.parametrize("executor", ["native", "langgraph"])


@EXECUTORS
async def test_a_compiled_graph_runs_as_a_node_and_its_output_is_written(tmp_path: Path, executor: str) -> None:
    async with Engine.open(tmp_path / "runs.sqlite", executor=executor) as engine:
        view = await engine.run(reporting(RESEARCH), request="bees")
    assert (view.run.status, view.values["findings"]) == ("succeeded", "plan bees > search")
    assert DID == ["plan", "search", "write"]
    (step,) = view.history.steps
    assert (step.kind, step.words) == ("graph", "write")


@EXECUTORS
async def test_interrupts_become_questions_that_are_answered_in_any_order(tmp_path: Path, executor: str) -> None:
    flow = reporting(asking())
    async with Engine.open(tmp_path / "runs.sqlite", workflows=[flow], executor=executor) as engine:
        view = await engine.run(flow, request="bees")
        assert (view.run.status, view.run.reason) == ("waiting", "person")
        legal, price = [each.question for each in await engine.inbox()]
        assert (legal.title, legal.message, legal.asks) == ("research", "may we publish it?", "graph")
        assert (price.title, price.message) == ("Price", "what does it cost?")
        assert price.evidence == ('{\n  "draft": {\n    "eur": 10\n  }\n}',)
        await engine.answer(price.id, 12, by="ann")
        assert (await engine.resume(view.run.id)).run.status == "waiting"
        await engine.answer(legal.id, "yes", by="bob")
        view = await engine.resume(view.run.id)
    assert view.values["findings"] == "plan bees > legal: yes > price: 12"
    assert (DID.count("plan"), DID.count("write"), view.run.answered) == (1, 1, {})


@pytest.mark.parametrize("graph", [TWICE, NESTED], ids=["flat", "nested"])
async def test_each_answer_goes_to_its_own_interrupt_of_one_node(tmp_path: Path, graph: Any) -> None:
    flow = reporting(graph)
    async with Engine.open(tmp_path / "runs.sqlite", workflows=[flow]) as engine:
        view = await engine.run(flow, request="bees")
        run = view.run.id
        for message, answer in (("first?", "one"), ("second?", "two")):
            (asked,) = await engine.inbox()
            assert asked.question.message == message
            await engine.answer(run, answer)
            view = await engine.resume(run)
    assert view.values["findings"] == "plan bees > one then two" or graph is NESTED
    assert DID == ["plan", "both", "both", "first one", "both", "first one", "second two", "write"]
