"""Foreign graphs in pictures: one card while folded, unfolded a box with the nodes and edges they tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import END as GRAPH_END
from langgraph.graph import START as GRAPH_START
from langgraph.graph import StateGraph

from tests.foreign.graphs import NESTED, Research, chain, plan, write
from tests.foreign.test_running import Report, reporting
from workflow_engine import END, START, Engine, Workflow, langgraph_node, subflow, workflow
from workflow_engine.draw import diagram_of, picture
from workflow_engine.draw.diagram import Diagram
from workflow_engine.draw.unfolding import every, unfolded
from workflow_engine.spec.document import from_document, to_document


def choosing() -> Any:
    """A way back, and words at its edges."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Research)
    builder.add_node("plan", plan)
    builder.add_node("write", write)
    builder.add_edge(GRAPH_START, "plan")
    builder.add_conditional_edges("plan", lambda state: "enough", {"more": "plan", "enough": "write"})
    builder.add_edge("write", GRAPH_END)
    return builder.compile()


def opened(flow: Workflow[Any], *folded: str) -> Diagram:
    return unfolded(flow, diagram_of(flow), every(frozenset(folded)))


def arrows(diagram: Diagram) -> set[tuple[str, str, str]]:
    return {(each.tail, each.head, each.label) for each in diagram.arrows}


def test_unfolded_its_nodes_and_edges_stand_in_a_box_and_its_end_is_the_way_out() -> None:
    flow = reporting(choosing())
    assert not any("/" in each.id for each in diagram_of(flow).cards)
    diagram = opened(flow)
    assert arrows(diagram) >= {
        ("START", "research", ""),
        ("research", "research/plan", ""),
        ("research/plan", "research/plan", "more"),
        ("research/plan", "research/write", "enough"),
        ("research/write", "research/END", ""),
        ("research/END", "END", ""),
    }
    (box,) = [each.cards for each in diagram.groups if each.caption == "research"]
    assert box == {"research", "research/plan", "research/write", "research/END"}


def test_a_graph_within_the_graph_has_a_box_of_its_own() -> None:
    boxes = {each.caption: each.cards for each in opened(reporting(NESTED)).groups}
    assert boxes["inner"] == {"research/inner/both"}
    assert boxes["inner"] < boxes["research"]


def test_one_within_a_subflow_is_unfolded_too_and_can_stay_folded() -> None:
    flow = workflow("outer", state=Report, edges=[START >> subflow(reporting(NESTED), reads="request") >> END])
    assert "report/research/inner/both" in {each.id for each in opened(flow).cards}
    for folded in ("research", "report/research"):
        assert not any("inner" in each.id for each in opened(flow, folded).cards)


def test_a_node_named_as_an_end_is_none() -> None:
    flow = reporting(chain(END=plan, START=write).compile())
    names = [each.name for each in opened(flow).cards if each.kind == "graph"]
    assert sorted(names) == ["END", "START", "research"]


def test_what_cannot_be_made_or_told_stays_one_card() -> None:
    class Blank:
        anatomy = None
        sketch = None

    def broken() -> Any:
        raise ValueError("no")

    node = langgraph_node(broken, name="research", reads={"question": "request"})
    for flow in (workflow("report", state=Report, edges=[START >> node >> END]), reporting(choosing())):
        stored = from_document({**to_document(flow), "notes": {}})
        for each in (flow, stored) if flow.nodes["research"] is node else (stored,):
            assert opened(each).cards == diagram_of(each).cards


async def test_a_run_is_unfolded_without_the_code_of_its_graph(tmp_path: Path) -> None:
    flow = reporting(NESTED)
    around = workflow("outer", state=Report, edges=[START >> subflow(flow, reads="request") >> END])
    async with Engine.connect(tmp_path / "runs.sqlite", workflows=[around]) as engine:
        run = (await engine.run(around, request="bees")).id
    async with Engine.connect(tmp_path / "runs.sqlite") as engine:
        stored = from_document(dict(await engine.document(run)))
    assert "report/research/inner/both" in {each.id for each in opened(stored).cards}
    assert stored.shape == around.shape


@pytest.mark.parametrize("format", ["svg", "png", "dot", "mermaid"])
def test_every_format_draws_it(format: Any) -> None:
    data = picture(opened(reporting(choosing())), format).data
    assert data
    if format != "png":
        assert b"write" in data
        assert b"enough" in data
