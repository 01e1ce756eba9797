"""Graphs of LangGraph's as people have them, which nobody wrote for this engine; and what they did, in order."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

DID: list[str] = []


class Research(TypedDict):
    question: str
    notes: Annotated[list[str], operator.add]
    answer: str


def did(word: str) -> str:
    DID.append(word)
    return word


async def plan(state: Research) -> dict[str, Any]:
    return {"notes": [did("plan") + " " + state["question"]]}


def search(state: Research) -> dict[str, Any]:
    return {"notes": [did("search")]}


async def write(state: Research) -> dict[str, Any]:
    did("write")
    return {"answer": " > ".join(state["notes"])}


def chain(**nodes: Any) -> StateGraph[Any, Any, Any, Any]:
    """Nodes one after another."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Research)
    last = START
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(last, name)
        last = name
    builder.add_edge(last, END)
    return builder


RESEARCH = chain(plan=plan, search=search, write=write).compile(checkpointer=InMemorySaver())


# ------------------------------------------------------------------------------------------------ that ask


async def legal(state: Research) -> dict[str, Any]:
    did("legal?")
    return {"notes": ["legal: " + did(str(interrupt("may we publish it?")))]}


async def price(state: Research) -> dict[str, Any]:
    did("price?")
    asked = {"title": "Price", "message": "what does it cost?", "draft": {"eur": 10}}
    return {"notes": ["price: " + did(str(interrupt(asked)))]}


def asking() -> Any:
    """Two interrupts at once, in two tasks of one superstep."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Research)
    for name, node in (("plan", plan), ("legal", legal), ("price", price), ("write", write)):
        builder.add_node(name, node)
    builder.add_edge(START, "plan")
    builder.add_edge("plan", "legal")
    builder.add_edge("plan", "price")
    builder.add_edge(["legal", "price"], "write")
    builder.add_edge("write", END)
    return builder.compile()


async def both(state: Research) -> dict[str, Any]:
    """Two interrupts one after another in one node."""
    did("both")
    first = interrupt("first?")
    did(f"first {first}")
    second = interrupt("second?")
    did(f"second {second}")
    return {"notes": [f"{first} then {second}"]}


TWICE = chain(plan=plan, both=both, write=write).compile()
NESTED = chain(plan=plan, inner=chain(both=both).compile(), write=write).compile()
