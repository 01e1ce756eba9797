"""Plain LangGraph graphs that tests run on our saver, and a store looked at from beneath."""

from __future__ import annotations

import operator
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Required, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, empty_checkpoint
from langgraph.graph import END, START, StateGraph

Config = RunnableConfig


class Loop(TypedDict, total=False):
    n: Required[int]
    until: Required[int]
    big: str
    log: Annotated[list[Any], operator.add]


def looping(saver: Any, item: Any = None, **changes: Any) -> Any:
    """A graph that counts `n` up to `until`, adding `item(n)` to its log at each step."""

    async def step(state: Loop) -> dict[str, Any]:
        made: dict[str, Any] = {"n": state["n"] + 1, **changes}
        return made if item is None else {**made, "log": [item(state["n"])]}

    async def onward(state: Loop) -> str:
        return "step" if state["n"] < state["until"] else END

    graph = StateGraph(Loop)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", onward, ["step", END])
    return graph.compile(checkpointer=saver)


def on(thread: str, checkpoint: str | None = None, namespace: str = "") -> Config:
    """The config of a thread."""
    named: dict[str, Any] = {"thread_id": thread, "checkpoint_ns": namespace}
    return {
        "configurable": named if checkpoint is None else {**named, "checkpoint_id": checkpoint},
        "recursion_limit": 5000,
    }


def checkpoint(values: dict[str, Any], version: int = 1) -> Checkpoint:
    """A checkpoint in which every channel has the same version."""
    made = empty_checkpoint()
    made["channel_values"] = values
    made["channel_versions"] = dict.fromkeys(values, version)
    return made


def beneath(path: Path, statement: str, *values: Any) -> list[Any]:
    """Run a statement on the file, behind the saver's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        return db.execute(statement, values).fetchall()
