"""Questions in the middle of a step: what a run remembers of them, and what a changed workflow makes of that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import END as GRAPH_END
from langgraph.graph import START as GRAPH_START
from langgraph.graph import StateGraph
from langgraph.types import Send, interrupt

from tests.foreign.graphs import TWICE, Research, chain, plan, write
from tests.foreign.test_deaths import Many, One
from tests.foreign.test_running import Report, reporting
from workflow_engine import END, START, Engine, function, workflow
from workflow_engine.errors import WorkflowChanged
from workflow_engine.steps.midway import AT_ONCE


async def test_answers_are_remembered_until_the_graph_asks_again_or_ends(tmp_path: Path) -> None:
    flow = reporting(TWICE)
    async with Engine.open(tmp_path / "runs.sqlite", workflows=[flow]) as engine:
        run = (await engine.run(flow, request="bees")).run.id
        await engine.answer(run, "one")
        view = await engine.resume(run)
        assert (view.run.answered, [each.asks for each in view.run.open]) == ({}, ["graph"])
        (step,) = view.history.steps
        assert (step.kind, step.status, step.question) == ("graph", "waiting", view.run.open[0].id)
        await engine.answer(run, "two")
        view = await engine.resume(run)
    assert (view.run.answered, view.run.open, len(view.history.steps)) == ({}, (), 1)


async def test_a_failure_after_an_answer_does_not_ask_for_it_again(tmp_path: Path) -> None:
    tried: list[str] = []

    async def ask(state: Research) -> dict[str, Any]:
        return {"notes": [interrupt("go on?")]}

    async def fail(state: Research) -> dict[str, Any]:
        tried.append("x")
        if len(tried) == 1:
            raise ValueError("not yet")
        return {}

    flow = reporting(chain(plan=plan, ask=ask, fail=fail, write=write))
    async with Engine.open(tmp_path / "runs.sqlite", workflows=[flow]) as engine:
        run = (await engine.run(flow, request="bees")).run.id
        await engine.answer(run, "yes")
        view = await engine.resume(run)
        assert (view.run.status, len(view.run.answered["research"])) == ("failed", 1)
        view = await engine.resume(run)
    assert (view.run.status, view.values["findings"], view.run.answered) == ("succeeded", "plan bees > yes", {})


async def test_more_questions_than_fit_at_once_are_asked_in_rounds(tmp_path: Path) -> None:
    count = AT_ONCE + 7

    async def each(state: One) -> dict[str, Any]:
        return {"notes": [f"{state['number']}={interrupt(state['number'])}"]}

    async def collect(state: Many) -> dict[str, Any]:
        return {"answer": str(len(state["notes"]))}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Many)
    builder.add_node("each", each)
    builder.add_node("collect", collect)
    builder.add_conditional_edges(
        GRAPH_START, lambda state: [Send("each", {"number": number}) for number in range(count)], ["each"]
    )
    builder.add_edge("each", "collect")
    builder.add_edge("collect", GRAPH_END)
    flow = reporting(builder)
    asked: list[int] = []
    async with Engine.open(tmp_path / "runs.sqlite", workflows=[flow]) as engine:
        view = await engine.run(flow, request="bees")
        while view.run.status == "waiting":
            questions = await engine.inbox()
            asked.append(len(questions))
            for question in questions:
                await engine.answer(question.question.id, "yes")
            view = await engine.resume(view.run.id)
    assert (asked, view.values["findings"]) == ([AT_ONCE, 7], str(count))


@pytest.mark.parametrize("answered", [False, True])
async def test_a_run_that_waits_in_a_graph_does_not_fit_a_workflow_without_it(tmp_path: Path, answered: bool) -> None:
    before = reporting(TWICE)
    async with Engine.connect(tmp_path / "runs.sqlite", workflows=[before]) as engine:
        run = (await engine.run(before, request="bees")).run.id
        if answered:
            await engine.answer(run, "one")

    @function(writes="findings")
    async def research(request: str) -> str:
        return request

    after = workflow("report", state=Report, edges=[START >> research >> END])
    async with Engine.connect(tmp_path / "runs.sqlite", workflows=[after]) as engine:
        with pytest.raises(WorkflowChanged, match="it asked a person in the middle of its step, and is a function now"):
            await engine.resume(run)
