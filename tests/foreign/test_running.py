"""A graph of LangGraph's as a node: fed from the state, asked through the inbox, its output in the state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.types import Command, interrupt

from tests.foreign.graphs import DID, NESTED, RESEARCH, TWICE, asking, chain, plan
from workflow_engine import END, START, Engine, State, Workflow, langgraph_node, to_langgraph, workflow
from workflow_engine.errors import AnswerRejected
from workflow_engine.ports.listener import Said


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


async def test_an_exported_workflow_holds_the_graph_as_a_graph_within(tmp_path: Path) -> None:
    exported = to_langgraph(reporting(NESTED)).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    paused = await exported.ainvoke({"request": "bees"}, config)
    for answer in ("one", "two"):
        (asked,) = paused["__interrupt__"]
        paused = await exported.ainvoke(Command(resume={asked.id: answer}), config)
    assert paused["findings"] == "plan bees > plan bees > one then two"
    assert DID == ["plan", "both", "both", "first one", "both", "first one", "second two", "write"]


async def test_a_graph_that_is_run_within_a_graph_of_langgraphs_is_no_part_of_it(tmp_path: Path) -> None:
    """Whoever drives the engine in a node of theirs: its graphs keep their checkpoints in the engine's store."""
    flow = reporting(TWICE)

    async def drive(state: Any) -> dict[str, Any]:
        async with Engine.open(tmp_path / "runs.sqlite", workflows=[flow]) as engine:
            return {"answer": (await engine.run(flow, request="bees")).run.status}

    outer = chain(drive=drive).compile(checkpointer=InMemorySaver())
    ended = await outer.ainvoke({"question": "bees"}, {"configurable": {"thread_id": "t"}})
    assert ended["answer"] == "waiting"
    assert "__interrupt__" not in ended


async def test_what_a_graph_is_at_is_told_as_it_goes(tmp_path: Path) -> None:
    heard: list[str] = []

    class Ear:
        def hear(self, run: Any, event: Any) -> None:
            if isinstance(event, Said):
                heard.append(event.words)

    async def digging(state: Any) -> dict[str, Any]:
        get_stream_writer()("half of it")
        return {"answer": "dug"}

    flow = reporting(chain(plan=plan, inner=chain(digging=digging).compile()))
    async with Engine.open(tmp_path / "runs.sqlite", listeners=[Ear()]) as engine:
        await engine.run(flow, request="bees")
    assert heard == ["plan", "inner", "inner › digging", "half of it"]


async def test_functions_stand_between_the_fields_and_the_graph(tmp_path: Path) -> None:
    def out(output: dict[str, Any], request: str) -> str:
        return f"{request}: {len(output['notes'])} notes"

    flow = reporting(
        RESEARCH, reads=None, into=lambda request: {"question": request.upper()}, writes="findings", out=out
    )
    async with Engine.open(tmp_path / "runs.sqlite") as engine:
        view = await engine.run(flow, request="bees")
    assert view.values["findings"] == "bees: 2 notes"


async def test_a_request_to_look_at_tool_calls_says_what_may_be_decided(tmp_path: Path) -> None:
    request = {
        "action_requests": [{"name": "send", "args": {"to": "ann"}, "description": "Mail to ann"}],
        "review_configs": [{"action_name": "send", "allowed_decisions": ["approve", "reject"]}],
    }

    async def review(state: Any) -> dict[str, Any]:
        return {"answer": interrupt(request)["decisions"][0]["type"]}

    flow = reporting(chain(review=review))
    async with Engine.open(tmp_path / "runs.sqlite", workflows=[flow]) as engine:
        run = (await engine.run(flow, request="bees")).run.id
        (asked,) = await engine.inbox()
        assert asked.question.message == "May it go on? It wants to call send(to='ann')"
        every: list[Any] = ["yes", {"decisions": []}, {"decisions": [{"type": "edit"}]}]
        for wrong in every:
            with pytest.raises(AnswerRejected):
                await engine.answer(run, wrong)
        await engine.answer(run, {"decisions": [{"type": "approve"}]})
        assert (await engine.resume(run)).values["findings"] == "approve"
