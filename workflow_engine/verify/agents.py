"""What an agent has besides reads and writes: a prompt, an answer, and tools a model can be told of (W4)."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from workflow_engine.spec.each import Each
from workflow_engine.spec.nodes import Agent, Signature, signature_of
from workflow_engine.spec.step import Step
from workflow_engine.spec.tool import Tool, tool_of
from workflow_engine.verify.accepts import accepts
from workflow_engine.verify.finding import Finding, called, near
from workflow_engine.verify.graph import Graph, fields_written


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
        yield from _beside(graph, name, declared)
        if isinstance(graph.nodes[name], Each):
            yield from _asks(graph, name, declared)


def _beside(graph: Graph, name: str, tool: Tool[..., Any]) -> Iterator[Finding]:
    """What decides about a tool's use: its probe and its condition, and its time limit."""
    given = {each.name for each in tool.signature.parameters}
    for setting, function in (("in_doubt", tool.in_doubt), ("approval", tool.approval)):
        for parameter in signature_of(function).parameters if callable(function) else ():
            if parameter.name in given or parameter.has_default or graph.workflow.hands_in(parameter.type):
                continue
            what = f"tool {tool.name!r}: its {setting} takes '{parameter.name}', which the tool is not given"
            yield graph.finding("W420", name, what, f"{near(parameter.name, given)}take arguments of the tool")
    if tool.timeout is not None and not inspect.iscoroutinefunction(inspect.unwrap(tool.body)):
        what = f"tool {tool.name!r} has a timeout and a plain body, whose thread cannot be stopped"
        yield graph.finding("W420", name, what, f"async def {tool.name}(...), or no timeout")


def _asks(graph: Graph, name: str, tool: Tool[..., Any]) -> Iterator[Finding]:
    """A tool that may come to ask a person, in the middle of one item of many."""
    why = (
        f"approval={tool.approval!r}"
        if tool.approval == "always"
        else "its approval may ask a person"
        if callable(tool.approval)
        else "in_doubt='ask'"
        if tool.effect and tool.in_doubt == "ask"
        else None
    )
    if why is not None:
        what = f"tool {tool.name!r} may ask a person ({why}), and no item of an each can wait for one"
        yield graph.finding("W421", name, what, "let a subflow do the item, and its agent use the tool")


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
