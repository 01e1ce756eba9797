"""What goes wrong within a graph is the step's failure, told by its message; a further attempt goes on from there."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from langgraph.graph import END as GRAPH_END
from langgraph.graph import START as GRAPH_START
from langgraph.graph import StateGraph
from langgraph.types import interrupt
from pydantic import BaseModel, field_validator

import workflow_engine.langgraph.running  # noqa: F401 (loaded before the time of an attempt runs)
from tests.foreign.graphs import DID, Research, chain, did, plan, write
from workflow_engine import (
    END,
    START,
    Engine,
    Retry,
    State,
    Workflow,
    at_most,
    function,
    langgraph_node,
    route,
    workflow,
)


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    DID.clear()


class Report(State):
    request: str
    beside: str = ""
    findings: str | None = None


def reporting(graph: Any, **more: Any) -> Workflow[Report]:
    research = langgraph_node(
        graph, name="research", reads={"question": "request"}, writes={"findings": "answer"}, **more
    )
    return workflow("report", state=Report, edges=[START >> research >> END])


def failing(times: int, error: Exception) -> Any:
    async def fail(state: Research) -> dict[str, Any]:
        did("fail")
        if DID.count("fail") <= times:
            raise error
        return {"notes": ["mended"]}

    return fail


async def test_a_further_attempt_goes_on_where_the_graph_failed(tmp_path: Path) -> None:
    graph = chain(plan=plan, fail=failing(1, ConnectionError("gone")), write=write)
    flow = reporting(graph, retry=Retry(2, on=ConnectionError, first=timedelta(0)))
    async with Engine.open(tmp_path / "runs.sqlite") as engine:
        view = await engine.run(flow, request="bees")
    assert view.values["findings"] == "plan bees > mended"
    assert DID == ["plan", "fail", "fail", "write"]


async def test_a_failed_run_is_resumed_where_its_graph_failed(tmp_path: Path) -> None:
    flow = reporting(chain(plan=plan, fail=failing(1, ValueError("no such page")), write=write))
    async with Engine.open(tmp_path / "runs.sqlite", workflows=[flow]) as engine:
        view = await engine.run(flow, request="bees")
        assert view.run.error is not None
        assert (view.run.status, view.run.error.message) == ("failed", "ValueError: no such page")
        assert "During task with name 'fail'" in view.run.error.trace
        view = await engine.resume(view.run.id)
    assert (view.run.status, DID) == ("succeeded", ["plan", "fail", "fail", "write"])


async def test_a_condition_that_fails_does_not_end_the_graph_in_silence(tmp_path: Path) -> None:
    """LangGraph by itself takes the node before it for finished, and skips what follows."""

    def decide(state: Research) -> str:
        did("decide")
        if DID.count("decide") == 1:
            raise ValueError("undecided")
        return "write"

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Research)
    builder.add_node("plan", plan)
    builder.add_node("write", write)
    builder.add_edge(GRAPH_START, "plan")
    builder.add_conditional_edges("plan", decide, ["write"])
    builder.add_edge("write", GRAPH_END)
    flow = reporting(builder, retry=Retry(2, first=timedelta(0)))
    async with Engine.open(tmp_path / "runs.sqlite") as engine:
        view = await engine.run(flow, request="bees")
    assert view.values["findings"] == "plan bees"
    assert DID == ["plan", "decide", "plan", "decide", "write"]


async def test_a_graph_without_end_is_told_so_and_goes_on_when_it_is_resumed(tmp_path: Path) -> None:
    async def again(state: Research) -> dict[str, Any]:
        return {"notes": [did("again")]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Research)
    builder.add_node("again", again)
    builder.add_node("write", write)
    builder.add_edge(GRAPH_START, "again")
    builder.add_conditional_edges("again", lambda state: "again" if len(state["notes"]) < 7 else "write")
    builder.add_edge("write", GRAPH_END)
    flow = reporting(builder, recursion_limit=5, retry=Retry(9, first=timedelta(0)))
    async with Engine.open(tmp_path / "runs.sqlite", workflows=[flow]) as engine:
        view = await engine.run(flow, request="bees")
        assert view.run.error is not None
        assert (view.run.status, view.run.error.kind, view.run.error.attempts) == ("failed", "limit", 1)
        assert "the graph of research took as many steps as it may without ending" in view.run.error.message
        assert DID.count("again") == 5
        view = await engine.resume(view.run.id)
    assert (view.run.status, DID.count("again"), DID.count("write")) == ("succeeded", 7, 1)


async def test_two_writes_to_one_channel_are_told_as_langgraph_tells_them(tmp_path: Path) -> None:
    async def answer(state: Research) -> dict[str, Any]:
        return {"answer": "mine"}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Research)
    for name in ("one", "other"):
        builder.add_node(name, answer)
        builder.add_edge(GRAPH_START, name)
    async with Engine.open(tmp_path / "runs.sqlite") as engine:
        view = await engine.run(reporting(builder, retry=Retry(3)), request="bees")
    assert view.run.error is not None
    assert "the graph of research: At key 'answer'" in view.run.error.message
    assert view.run.error.attempts == 1


class Opaque:
    """Nothing a checkpoint could carry."""


async def test_a_value_that_cannot_be_stored_names_its_channel(tmp_path: Path) -> None:
    async def odd(state: Research) -> dict[str, Any]:
        did("odd")
        return {"notes": [Opaque()]}

    flow = reporting(chain(plan=plan, odd=odd, write=write), retry=Retry(3, first=timedelta(0)))
    async with Engine.open(tmp_path / "runs.sqlite") as engine:
        view = await engine.run(flow, request="bees")
    assert view.run.error is not None
    assert (view.run.status, view.run.error.kind, view.run.error.attempts) == ("failed", "validation", 1)
    assert "the graph of research: channel 'notes'" in view.run.error.message
    assert DID == ["plan", "odd"]


async def test_a_graph_that_ends_without_its_output_is_told_so(tmp_path: Path) -> None:
    async with Engine.open(tmp_path / "runs.sqlite") as engine:
        view = await engine.run(reporting(chain(plan=plan)), request="bees")
    assert view.run.error is not None
    assert view.run.error.message == "the graph of research ended without 'answer'"


async def test_time_that_is_up_stops_the_graph(tmp_path: Path) -> None:
    async def hang(state: Research) -> dict[str, Any]:
        try:
            await asyncio.Event().wait()
        finally:
            did("stopped")
        return {}

    flow = reporting(chain(plan=plan, hang=hang, write=write), timeout=timedelta(seconds=0.5))
    async with Engine.open(tmp_path / "runs.sqlite") as engine:
        view = await engine.run(flow, request="bees")
    assert view.run.error is not None
    assert (view.run.error.kind, DID) == ("timeout", ["plan", "stopped"])


async def test_a_cancelled_run_stops_its_graph(tmp_path: Path) -> None:
    hanging = asyncio.Event()

    async def hang(state: Research) -> dict[str, Any]:
        hanging.set()
        try:
            await asyncio.Event().wait()
        finally:
            did("stopped")
        return {}

    async with Engine.open(tmp_path / "runs.sqlite") as engine:
        running = asyncio.create_task(engine.run(reporting(chain(plan=plan, hang=hang)), request="bees"))
        await hanging.wait()
        (run,) = await engine.runs()
        await engine.cancel(run.run, by="ann")
        view = await running
    assert (view.run.status, DID) == ("cancelled", ["plan", "stopped"])


async def test_a_graph_that_was_changed_in_the_middle_is_refused(tmp_path: Path) -> None:
    async def asks(state: Research) -> dict[str, Any]:
        return {"notes": [interrupt("go on?")]}

    before = reporting(chain(plan=plan, asks=asks, write=write))
    async with Engine.open(tmp_path / "runs.sqlite", workflows=[before]) as engine:
        view = await engine.run(before, request="bees")
        await engine.answer(view.run.id, "yes")
    after = reporting(chain(plan=plan, wonders=asks, write=write))
    async with Engine.open(tmp_path / "runs.sqlite") as engine:
        engine._shop.workflows["report"] = after
        changed = await engine.resume(view.run.id)
        assert changed.run.error is not None
        assert changed.run.status == "failed"
        assert "was changed while this run is in the middle of it: asks is gone" in changed.run.error.message
    async with Engine.open(tmp_path / "runs.sqlite", workflows=[before]) as engine:
        view = await engine.resume(view.run.id)
    assert (view.run.status, view.values["findings"]) == ("succeeded", "plan bees > yes")


class Price(BaseModel):
    eur: int

    @field_validator("eur")
    @classmethod
    def round(cls, eur: int) -> int:
        if eur % 10:
            raise ValueError("whole tens only")
        return eur


async def test_an_answer_only_the_graph_can_refuse_is_asked_for_again(tmp_path: Path) -> None:
    async def priced(state: Research) -> dict[str, Any]:
        price = interrupt("what does it cost?", response_schema=Price)
        return {"notes": [f"{price.eur} EUR"]}

    flow = reporting(chain(plan=plan, priced=priced, write=write))
    async with Engine.open(tmp_path / "runs.sqlite", workflows=[flow]) as engine:
        run = (await engine.run(flow, request="bees")).run.id
        (asked,) = await engine.inbox()
        assert asked.question.schema["properties"]["eur"]["type"] == "integer"
        await engine.answer(run, {"eur": 7})
        assert (await engine.resume(run)).run.status == "waiting"
        (asked,) = await engine.inbox()
        assert "did not fit" in asked.question.message
        assert "whole tens only" in asked.question.message
        await engine.answer(run, {"eur": 70})
        view = await engine.resume(run)
    assert view.values["findings"] == "plan bees > 70 EUR"


@pytest.mark.parametrize("executor", ["native", "langgraph"])
async def test_a_sibling_arm_goes_on_while_a_graph_waits_for_a_person(tmp_path: Path, executor: str) -> None:
    async def asks(state: Research) -> dict[str, Any]:
        return {"answer": interrupt("go on?")}

    @function(writes="beside")
    async def first(request: str) -> str:
        return did("first")

    @function(writes="beside")
    async def second(beside: str) -> str:
        return beside + " " + did("second")

    research = langgraph_node(
        chain(plan=plan, asks=asks), name="research", reads={"question": "request"}, writes={"findings": "answer"}
    )

    @function
    async def join(findings: str, beside: str) -> None:
        did("join")

    flow = workflow("report", state=Report, edges=[START >> (research, first >> second) >> join >> END])
    async with Engine.open(tmp_path / "runs.sqlite", workflows=[flow], executor=executor) as engine:
        view = await engine.run(flow, request="bees")
        assert (view.run.status, view.values["beside"]) == ("waiting", "first second")
        await engine.answer(view.run.id, "yes")
        view = await engine.resume(view.run.id)
    assert (view.run.status, view.values["findings"]) == ("succeeded", "yes")
    assert DID.count("plan") == DID.count("first") == DID.count("join") == 1


async def test_a_second_visit_begins_the_graph_anew(tmp_path: Path) -> None:
    @route
    def enough(beside: str) -> Literal["no", "yes"]:
        return "yes" if len(beside) > 1 else "no"

    @function(writes="beside")
    async def count(beside: str) -> str:
        return beside + "x"

    research = langgraph_node(
        chain(plan=plan, write=write), name="research", reads={"question": "request"}, writes={"findings": "answer"}
    )
    flow = workflow(
        "report",
        state=Report,
        edges=[
            START >> research >> count >> enough,
            enough["no"] >> at_most(2, research, then=END),
            enough["yes"] >> END,
        ],
    )
    async with Engine.open(tmp_path / "runs.sqlite", workflows=[flow]) as engine:
        view = await engine.run(flow, request="bees")
        assert view.values["findings"] == "plan bees"
        assert DID == ["plan", "write"] * 2
        forked = await engine.fork(view.run.id, at=0, request="wasps")
        assert forked.values["findings"] == "plan wasps"
    assert DID == ["plan", "write"] * 4


async def test_of_two_answers_only_the_one_the_graph_refuses_is_asked_for_again(tmp_path: Path) -> None:
    async def priced(state: Research) -> dict[str, Any]:
        return {"notes": [f"{interrupt('what does it cost?', response_schema=Price).eur} EUR"]}

    async def named(state: Research) -> dict[str, Any]:
        return {"notes": [interrupt("what is it called?")]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Research)
    for name, node in (("priced", priced), ("named", named)):
        builder.add_node(name, node)
        builder.add_edge(GRAPH_START, name)
    builder.add_node("write", write)
    builder.add_edge(["priced", "named"], "write")
    flow = reporting(builder)
    async with Engine.open(tmp_path / "runs.sqlite", workflows=[flow]) as engine:
        run = (await engine.run(flow, request="bees")).run.id
        for each in await engine.inbox():
            await engine.answer(each.question.id, {"eur": 7} if "cost" in each.question.message else "honey")
        assert (await engine.resume(run)).run.status == "waiting"
        (asked,) = await engine.inbox()
        assert "what does it cost?" not in asked.question.message or "whole tens only" in asked.question.message
        await engine.answer(run, {"eur": 70})
        view = await engine.resume(run)
    assert sorted(view.values["findings"].split(" > ")) == ["70 EUR", "honey"]


@pytest.mark.parametrize("form", ["flat", "within", "remembering"])
async def test_an_answer_used_beside_a_refused_one_does_not_answer_the_next_question(tmp_path: Path, form: str) -> None:
    async def priced(state: Research) -> dict[str, Any]:
        return {"notes": [f"{interrupt('what does it cost?', response_schema=Price).eur} EUR"]}

    async def named(state: Research) -> dict[str, Any]:
        return {"notes": [f"{interrupt('what is it called?')} in full {interrupt('and in full?')}"]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Research)
    for name, node in (("priced", priced), ("named", named)):
        builder.add_node(name, node)
        builder.add_edge(GRAPH_START, name)
    builder.add_node("write", write)
    builder.add_edge(["priced", "named"], "write")
    inner = builder.compile(checkpointer=True if form == "remembering" else None)
    flow = reporting(builder if form == "flat" else chain(inner=inner))
    answers = {"what is it called?": "honey", "and in full?": "the honey of bees", "what does it cost?": {"eur": 7}}
    async with Engine.open(tmp_path / "runs.sqlite", workflows=[flow]) as engine:
        run = (await engine.run(flow, request="bees")).run.id
        for each in await engine.inbox():
            await engine.answer(each.question.id, answers[each.question.message])
        assert (await engine.resume(run)).run.status == "waiting"
        asked = await engine.inbox()
        assert sorted(each.question.message.partition("\n")[0] for each in asked) == [
            "and in full?",
            "what does it cost?",
        ]
        for each in asked:
            again = "did not fit" in each.question.message
            await engine.answer(each.question.id, {"eur": 70} if again else answers[each.question.message])
        view = await engine.resume(run)
    assert sorted(view.values["findings"].split(" > ")) == ["70 EUR", "honey in full the honey of bees"]


@pytest.mark.parametrize("executor", ["native", "langgraph"])
async def test_a_drained_graph_stops_between_two_of_its_nodes_and_goes_on_there(tmp_path: Path, executor: str) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def long(state: Research) -> dict[str, Any]:
        did("long")
        begun.set()
        await go.wait()
        return {}

    flow = reporting(chain(plan=plan, long=long, write=write))
    async with Engine.connect(tmp_path / "runs.sqlite", workflows=[flow], executor=executor) as engine:
        running = asyncio.create_task(engine.run(flow, request="bees"))
        await begun.wait()
        engine.drain()
        go.set()
        view = await running
    assert (view.run.status, view.run.reason, DID) == ("running", "interrupted", ["plan", "long"])
    async with Engine.connect(tmp_path / "runs.sqlite", workflows=[flow], executor=executor) as engine:
        view = await engine.resume(view.run.id)
    assert (view.run.status, view.run.deaths, DID) == ("succeeded", {}, ["plan", "long", "write"])
