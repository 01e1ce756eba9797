"""What is wrong with a langgraph_node is said before it runs, as far as its graph tells."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest
from langgraph.func import entrypoint
from langgraph.graph import END as GRAPH_END
from langgraph.graph import START as GRAPH_START
from langgraph.graph import StateGraph

from tests.foreign.graphs import RESEARCH, chain, plan, write
from workflow_engine import END, START, State, from_document, langgraph_node, to_document, verify, workflow
from workflow_engine.errors import DeclarationError


class Report(State):
    request: str
    count: int
    findings: str | None = None


def laws(node: Any) -> list[tuple[str, str]]:
    flow = workflow("report", state=Report, edges=[START >> node >> END])
    return [(each.code, each.what) for each in verify(flow)]


def node(graph: Any = RESEARCH, **more: Any) -> Any:
    given: dict[str, Any] = {"reads": {"question": "request"}, "writes": {"findings": "answer"}, **more}
    return langgraph_node(graph, name="research", **{name: each for name, each in given.items() if each is not None})


def test_a_graph_that_fits_breaks_no_law() -> None:
    assert laws(node()) == []
    assert laws(node(chain(plan=plan, write=write))) == []
    assert laws(node(lambda: RESEARCH)) == []
    assert laws(node(reads=None, into=lambda request: {"question": request})) == []
    assert laws(node(writes="findings", out=lambda output, request: request)) == []


def test_channels_must_be_there() -> None:
    ((code, what),) = laws(node(reads={"qestion": "request"}))
    assert (code, what) == ("W441", "names 'qestion', which is no channel of its graph's input")
    ((code, what),) = laws(node(writes={"findings": "anwser"}))
    assert (code, what) == ("W442", "names 'anwser', which is no channel of its graph's output")


def test_fields_must_be_there_and_fit_the_channels() -> None:
    assert [code for code, _ in laws(node(reads={"question": "requst"}))] == ["W401"]
    assert [code for code, _ in laws(node(reads={"question": "count"}))] == ["W403"]
    assert [code for code, _ in laws(node(writes={"count": "answer"}))] == ["W404"]
    assert [code for code, _ in laws(node(writes={"finding": "answer"}))] == ["W405"]


def test_what_out_returns_must_fit_its_fields() -> None:
    def counted(output: dict[str, Any]) -> int:
        return len(output)

    assert laws(node(writes="count", out=counted)) == []
    assert [code for code, _ in laws(node(writes="findings", out=counted))] == ["W404"]
    assert [code for code, _ in laws(node(writes=None, out=counted))] == ["W443"]


def test_a_graph_that_stops_and_asks_nothing_is_refused() -> None:
    ((code, what),) = laws(node(chain(plan=plan, write=write).compile(interrupt_before=["write"])))
    assert code == "W572"
    assert "interrupt_before=['write']" in what
    inner = chain(write=write).compile(interrupt_after=["write"])
    assert [code for code, _ in laws(node(chain(plan=plan, inner=inner)))] == ["W572"]


def test_a_graph_that_cannot_be_made_is_refused() -> None:
    def broken() -> Any:
        raise OSError("no such model")

    assert laws(node(broken))[0] == ("W571", "broken could not make the graph: OSError: no such model")
    assert [code for code, _ in laws(node(lambda: 7))] == ["W571"]
    assert [code for code, _ in laws(node(StateGraph(TypedDict("Empty", {}))))] == ["W571"]  # type: ignore[operator]


def test_a_functional_graph_has_no_channels_by_name() -> None:
    @entrypoint()
    async def work(question: str) -> str:
        return question

    assert [code for code, _ in laws(node(work))] == ["W441", "W442"]
    assert laws(node(work, reads=None, into=lambda request: request, writes="findings", out=lambda text: text)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"reads": None},
        {"into": lambda request: request},
        {"reads": 7},
        {"reads": None, "into": "request"},
        {"out": lambda output: output},
    ],
)
def test_a_declaration_without_meaning_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError):
        node(**wrong) if wrong.get("reads", 1) is not None or "into" in wrong else langgraph_node(RESEARCH, name="x")


def test_a_node_has_a_name() -> None:
    def research() -> Any:
        return RESEARCH

    assert langgraph_node(research, reads="question").name == "research"
    builder = StateGraph(Report)
    builder.add_node("plan", lambda state: {})
    builder.add_edge(GRAPH_START, "plan")
    builder.add_edge("plan", GRAPH_END)
    assert langgraph_node(builder.compile(name="digging"), reads="request").name == "digging"
    with pytest.raises(DeclarationError, match="has no name"):
        langgraph_node(RESEARCH, reads="question")


def test_the_same_graph_stands_at_a_second_place() -> None:
    again = node().named("again", writes={"request": "answer"})
    assert (again.writes, again.channels, again.name) == (("request",), ("answer",), "again")
    assert laws(again) == []
    assert node(writes="findings", out=lambda output: "x").named("other", writes="request").channels == ()


def test_a_changed_structure_is_an_edited_body_and_no_other_shape() -> None:
    def flow(graph: Any) -> Any:
        return workflow("report", state=Report, edges=[START >> node(graph) >> END])

    before, after = flow(chain(plan=plan, write=write)), flow(chain(plan=plan, search=plan, write=write))
    assert before.shape == after.shape
    assert before.bodies != after.bodies
    assert before.bodies == flow(chain(plan=write, write=plan)).bodies  # what its nodes do is not seen from here


def test_a_document_knows_the_node_without_its_graph() -> None:
    flow = workflow("report", state=Report, edges=[START >> node() >> END])
    read = from_document(to_document(flow))
    assert (read.nodes["research"].kind, read.shape) == ("graph", flow.shape)
    assert [each.name for each in read.nodes["research"].signature.parameters] == ["request"]
    assert verify(read) == ()
