"""What an agent has besides reads and writes: a prompt, an answer, and tools a model can be told of (W4)."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from workflow_engine.spec.each import Each
from workflow_engine.spec.nodes import Agent, Signature
from workflow_engine.spec.step import Step
from workflow_engine.spec.tool import tool_of
from workflow_engine.verify.accepts import accepts
from workflow_engine.verify.finding import Finding, called
from workflow_engine.verify.graph import Graph, fields_written
from workflow_engine.verify.signatures import signature_of


def agents(graph: Graph) -> Iterator[Finding]:
    """The prompt, the answer and the tools of every agent."""
    for name, node in graph.nodes.items():
        one = node.one if isinstance(node, Each) else node
        if isinstance(one, Agent):
            yield from _agent(graph, name, one)


def _agent(graph: Graph, name: str, node: Agent[Any, Any]) -> Iterator[Finding]:
    if len(fields_written(node)) != 1:
        what = f"is an agent and writes {len(fields_written(node))} fields"
        yield graph.finding("W414", name, what, '@agent(writes="field"): one field, of a model with all of it')
    if not accepts(str, node.signature.returns):
        what = f"is an agent, and its body returns {called(node.signature.returns)}, not its prompt"
        yield graph.finding("W414", name, what, f"def {name}(...) -> str")
    if callable(node.finish) and not signature_of(node.finish).parameters:
        yield graph.finding("W414", name, "its finish takes no answer", "def finish(answer: Answer, ...) -> ...")
    seen: set[str] = set()
    tools: Any = node.tools
    for tool in tools if isinstance(tools, tuple | list) else (tools,):
        if not callable(tool):
            yield graph.finding("W413", name, f"its tool {tool!r} is no function", "list plain typed functions")
            continue
        declared = tool_of(tool)
        called_as = declared.name
        if called_as in seen:
            yield graph.finding("W413", name, f"has two tools called {called_as!r}", "give each a name of its own")
        seen.add(called_as)
        yield from _tool(graph, name, called_as, declared.signature)


def _tool(graph: Graph, name: str, tool: str, signature: Signature) -> Iterator[Finding]:
    if signature.problem is not None:
        what = f"tool {tool!r}: {' '.join(signature.problem.split())[:120]}"
        yield graph.finding("W413", name, what, "annotate every parameter with a type this file knows")
        return
    for parameter in signature.parameters:
        if parameter.type is Step or (isinstance(parameter.type, type) and parameter.type in graph.workflow.resources):
            continue
        if parameter.type is inspect.Parameter.empty:
            what = f"tool {tool!r}: parameter '{parameter.name}' has no type"
            yield graph.finding("W413", name, what, "annotate it: the model is told its type")
        elif not _can_be_asked_for(parameter.type):
            what = f"tool {tool!r}: no model can be asked for parameter '{parameter.name}', a {called(parameter.type)}"
            cure = "take plain data, or declare the resource in workflow(..., resources={...})"
            yield graph.finding("W413", name, what, cure)


def _can_be_asked_for(annotation: Any) -> bool:
    try:
        TypeAdapter(annotation).json_schema()
    except Exception:  # pydantic refuses a type in several ways
        return False
    return True
