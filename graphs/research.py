"""Answer a question with sources: a LangGraph graph taken as it is, while an arm of our own goes on beside it."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from langgraph.graph import END as DONE
from langgraph.graph import START as BEGIN
from langgraph.graph import StateGraph
from langgraph.types import interrupt

from workflow_engine import END, START, State, function, langgraph_node, workflow

# ------------------------------------------------------------------------------------------------ plain LangGraph

LIBRARY = {
    "hive.txt": "A hive of bees keeps its brood at 35 degrees.",
    "dance.txt": "Bees dance to tell each other where flowers are.",
    "wasp.txt": "Wasps build with paper.",
}


class Search(TypedDict):
    question: str
    found: Annotated[list[str], operator.add]
    answer: str


async def look(state: Search) -> dict[str, Any]:
    words = [word.strip("?").lower() for word in state["question"].split()]
    return {"found": [name for name, text in LIBRARY.items() if any(word in text.lower() for word in words)]}


async def approve(state: Search) -> dict[str, Any]:
    kept = interrupt(
        {
            "title": "Sources",
            "message": "Which of these may be quoted?",
            "evidence": state["found"],
            "schema": {"type": "array", "items": {"enum": state["found"]}},
        }
    )
    return {"answer": " ".join(LIBRARY[name] for name in kept)}


builder = StateGraph(Search)
builder.add_sequence([look, approve])
builder.add_edge(BEGIN, "look")
builder.add_edge("approve", DONE)
search = builder.compile()

# ------------------------------------------------------------------------------------------------ the workflow


class Report(State):
    request: str
    title: str = ""
    findings: str | None = None
    page: str | None = None


research = langgraph_node(search, name="research", reads={"question": "request"}, writes={"findings": "answer"})


@function(writes="title")
def headline(request: str) -> str:
    return request.rstrip("?").capitalize()


@function(writes="page")
def typeset(title: str, findings: str) -> str:
    return f"# {title}\n\n{findings}"


flow = workflow("research", state=Report, edges=[START >> (research, headline) >> typeset >> END])
