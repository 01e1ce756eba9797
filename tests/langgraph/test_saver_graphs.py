"""Real LangGraph graphs on LedgerSaver: they do what they do on LangGraph's own savers."""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Required, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Send, interrupt

from tests.langgraph.graphs import looping, on
from workflow_engine import open_saver
from workflow_engine.langgraph.moving import copy_threads
from workflow_engine.langgraph.saver import LedgerSaver


@pytest.fixture
async def saver(tmp_path: Path) -> AsyncIterator[LedgerSaver]:
    async with open_saver(tmp_path / "runs.sqlite") as saver:
        yield saver


class Asked(TypedDict, total=False):
    word: Required[str]
    answer: str
    parts: Annotated[list[str], operator.add]


def asking(saver: Any) -> Any:
    async def ask(state: Asked) -> dict[str, Any]:
        return {"answer": interrupt({"about": state["word"]})}

    inner = StateGraph(Asked)
    inner.add_node("ask", ask)
    inner.add_edge(START, "ask")
    outer = StateGraph(Asked)
    outer.add_node("inside", inner.compile())
    outer.add_edge(START, "inside")
    return outer.compile(checkpointer=saver)


async def test_a_question_in_a_subgraph_is_answered_by_another_process_life(tmp_path: Path) -> None:
    async with open_saver(tmp_path / "runs.sqlite") as saver:
        stopped = await asking(saver).ainvoke({"word": "x"}, on("t"))
        assert stopped["__interrupt__"][0].value == {"about": "x"}
    async with open_saver(tmp_path / "runs.sqlite") as saver:
        state = await asking(saver).aget_state(on("t"), subgraphs=True)
        assert state.next == ("inside",)
        assert state.tasks[0].state.next == ("ask",)
        assert (await asking(saver).ainvoke(Command(resume="yes"), on("t")))["answer"] == "yes"
        (listed,) = await saver.athreads()
        assert listed.scopes == 2


async def test_a_thread_is_taken_back_in_time_and_goes_another_way(saver: LedgerSaver) -> None:
    graph = looping(saver, lambda n: f"{n}" * 200)
    await graph.ainvoke({"n": 0, "until": 4}, on("t"))
    history = [each async for each in graph.aget_state_history(on("t"))]
    middle = next(each for each in history if each.values.get("n") == 2)
    forked = await graph.aupdate_state(middle.config, {"until": 3, "log": ["edited"]})
    ended = await graph.ainvoke(None, forked)
    assert (ended["n"], ended["log"]) == (3, ["0" * 200, "1" * 200, "edited", "2" * 200])
    # What had happened before stands where it stood.
    again = [each async for each in graph.aget_state_history(on("t"))]
    assert [each.values for each in again][-len(history) :] == [each.values for each in history]


async def test_tasks_sent_out_come_back(saver: LedgerSaver) -> None:
    async def part(state: Any) -> dict[str, Any]:
        return {"parts": [state["word"]]}

    graph = StateGraph(Asked)
    graph.add_node("part", part)
    graph.add_conditional_edges(START, lambda state: [Send("part", {"word": each}) for each in state["word"]], ["part"])
    ended = await graph.compile(checkpointer=saver).ainvoke({"word": "abc"}, on("t"))
    assert ended["parts"] == ["a", "b", "c"]


async def test_a_failed_step_is_tried_again_and_its_finished_sibling_is_not(saver: LedgerSaver) -> None:
    ran: list[str] = []

    async def good(state: Asked) -> dict[str, Any]:
        ran.append("good")
        return {"parts": ["good"]}

    async def bad(state: Asked) -> dict[str, Any]:
        ran.append("bad")
        if ran.count("bad") == 1:
            raise RuntimeError("no")
        return {"parts": ["bad"]}

    graph = StateGraph(Asked)
    for name, node in (("good", good), ("bad", bad)):
        graph.add_node(name, node)
        graph.add_edge(START, name)
    compiled = graph.compile(checkpointer=saver)
    with pytest.raises(RuntimeError, match="no"):
        await compiled.ainvoke({"word": ""}, on("t"))
    assert sorted((await compiled.ainvoke(None, on("t")))["parts"]) == ["bad", "good"]
    assert ran.count("good") == 1


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_every_durability_of_langgraph_ends_in_the_same_state(saver: LedgerSaver, durability: Any) -> None:
    graph = looping(saver, lambda n: {"n": n, "pair": (n, n)})
    await graph.ainvoke({"n": 0, "until": 5}, on("t"), durability=durability)
    state = await graph.aget_state(on("t"))
    assert state.values["log"] == [{"n": n, "pair": (n, n)} for n in range(5)]  # a tuple stays one


def test_a_graph_is_invoked_without_an_event_loop(tmp_path: Path) -> None:
    graph = StateGraph(Asked)

    def say(state: Asked) -> dict[str, Any]:
        return {"answer": state["word"] * 2}

    graph.add_node("say", say)
    graph.add_edge(START, "say")
    with open_saver(tmp_path / "runs.sqlite") as saver:
        compiled = graph.compile(checkpointer=saver)
        assert compiled.invoke({"word": "x"}, on("t"))["answer"] == "xx"
        assert [each.values.get("answer") for each in compiled.get_state_history(on("t"))] == ["xx", None, None]


async def test_threads_move_over_from_langgraphs_own_saver(tmp_path: Path, saver: LedgerSaver) -> None:
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "theirs.sqlite")) as theirs:
        await looping(theirs, lambda n: f"{n}" * 200).ainvoke({"n": 0, "until": 5}, on("one"))
        await asking(theirs).ainvoke({"word": "x"}, on("two"))
        assert await copy_threads(theirs, saver) == 2
        before = [each async for each in looping(theirs).aget_state_history(on("one"))]
    assert [(await looping(saver).aget_state(each.config)).values for each in before] == [
        each.values for each in before
    ]
    ended = await looping(saver, lambda n: f"{n}" * 200).ainvoke({"until": 7, "n": 5}, on("one"))
    assert len(ended["log"]) == 7
    assert (await asking(saver).ainvoke(Command(resume="yes"), on("two")))["answer"] == "yes"


# ------------------------------------------------------------------------------------------------ the same as in memory

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
_ids = st.sampled_from(["1", "2", "3", "4"])
_messages = st.one_of(
    st.builds(lambda text, id: HumanMessage(text, id=id), _texts, _ids),
    st.builds(
        lambda text, id: AIMessage(text, id=id, tool_calls=[{"name": "f", "args": {"text": text}, "id": id}]),
        _texts,
        _ids,
    ),
    st.builds(lambda id: ("remove", id), _ids),
)
_turns = st.lists(st.lists(_messages, max_size=3), min_size=1, max_size=5)


@settings(max_examples=40)
@given(turns=_turns)
async def test_messages_are_what_they_are_on_the_saver_in_memory(
    turns: list[list[Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    def chatting(saver: Any) -> Any:
        async def answer(state: MessagesState) -> dict[str, Any]:
            return {"messages": [AIMessage(f"{len(state['messages'])}" * 100, id=f"answer-{len(state['messages'])}")]}

        graph = StateGraph(MessagesState)
        graph.add_node("answer", answer)
        graph.add_edge(START, "answer")
        graph.add_edge("answer", END)
        return graph.compile(checkpointer=saver)

    async def told(graph: Any) -> list[Any]:
        for turn in turns:
            there = {each.id for each in (await graph.aget_state(on("t"))).values.get("messages", [])}
            given = [
                RemoveMessage(id=each[1]) if isinstance(each, tuple) else each
                for each in turn
                if not isinstance(each, tuple) or each[1] in there
            ]
            removed = [each.id for each in given if isinstance(each, RemoveMessage)]
            if len(set(removed)) == len(removed):
                await graph.ainvoke({"messages": given}, on("t"))
        return [(each.values, each.next, each.metadata) async for each in graph.aget_state_history(on("t"))]

    path = tmp_path_factory.mktemp("chat") / "runs.sqlite"
    wanted = await told(chatting(InMemorySaver()))
    async with open_saver(path) as ours:
        first = await told(chatting(ours))
    async with open_saver(path) as ours:  # and with nothing remembered
        assert [
            (each.values, each.next, each.metadata) async for each in chatting(ours).aget_state_history(on("t"))
        ] == first
    assert first == wanted
