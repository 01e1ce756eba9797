"""What an agent has besides reads and writes: a prompt, an answer, and tools a model can be told of (W4)."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import TypeAdapter

from workflow_engine.spec.each import Each
from workflow_engine.spec.guardrail import Guardrail
from workflow_engine.spec.nodes import Agent, Signature, signature_of
from workflow_engine.spec.specialist import DEEPEST, Specialist, colleagues, handing_over, named_of
from workflow_engine.spec.step import Step
from workflow_engine.spec.tool import Tool, tool_of
from workflow_engine.spec.toolbox import Toolbox
from workflow_engine.verify.accepts import accepts
from workflow_engine.verify.finding import Finding, called, near
from workflow_engine.verify.graph import Graph, fields_written, is_count


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
    yield from _granted(graph, name, "", node.tools, node.handoffs)
    yield from _team(graph, name, node)
    yield from _checks(graph, name, node)
    if node.session is not None:
        yield from _session(graph, name, node)


def _session(graph: Graph, name: str, node: Agent[Any, Any]) -> Iterator[Finding]:
    """Whose conversation it is, and where it is kept."""
    if node.session not in {each.name for each in node.signature.parameters}:
        what = f"talks under the key '{node.session}', which its body does not read"
        yield graph.finding("W427", name, what, f"def {name}({node.session}: str, ...) -> str")
    if not any(each.__name__ == "Sessions" for each in graph.workflow.resources):
        what = "has a session, and the workflow says nowhere where it is kept"
        yield graph.finding("W427", name, what, "workflow(..., resources={Sessions: open_sessions()})")


def _checks(graph: Graph, name: str, node: Agent[Any, Any]) -> Iterator[Finding]:
    """Its guardrails, and whether a person may come to look at an answer."""
    guardrails: Any = node.guardrails
    seen: set[str] = set()
    for each in _listed(guardrails):
        if not isinstance(each, Guardrail):
            what = f"its guardrail {called(each)} is none"
            yield graph.finding("W426", name, what, '@guardrail(on="output") def name(answer) -> str | None')
            continue
        if each.name in seen:
            yield graph.finding("W426", name, f"has two guardrails called {each.name!r}", "give each a name of its own")
        seen.add(each.name)
        known = _tools_of(node)
        for unknown in [tool for tool in each.tools if known is not None and tool not in known]:
            what = f"guardrail {each.name!r} looks at {unknown!r}, which no agent of it may use"
            cure = f"it may use {', '.join(sorted(known or ())) or 'nothing'}"
            yield graph.finding("W426", name, what, f"{near(unknown, known or ())}{cure}")
        if isinstance(each.check, Specialist):
            yield from _specialist(graph, name, each.check)
    review: Any = node.review_if
    if review is not None and not callable(review):
        yield graph.finding("W426", name, f"review_if={review!r} is no function", "review_if=lambda answer: ...")
    if review is not None and isinstance(graph.nodes[name], Each):
        what = "may have a person look at an answer, and no item of an each can wait for one"
        yield graph.finding("W421", name, what, "let a subflow do the item")


def _tools_of(node: Agent[Any, Any]) -> set[str] | None:
    """What any agent of a node may use; None where only a server can tell."""
    found: set[str] = set()
    due: list[Any] = [node]
    seen: set[int] = set()
    while due:
        one = due.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        for each in _listed(one.tools):
            if isinstance(each, Toolbox):
                return None
            found.add(each.name if isinstance(each, Specialist) else tool_of(each).name if callable(each) else "")
        due += [each for each in (*_listed(one.tools), *_listed(one.handoffs)) if isinstance(each, Specialist)]
    return found


def _granted(graph: Graph, name: str, whose: str, tools: Any, handoffs: Any) -> Iterator[Finding]:
    """What one agent of a node may use; `whose` it is stands before each finding about a specialist's."""
    seen: set[str] = set()
    for tool in tools if isinstance(tools, tuple | list) else (tools,):
        if isinstance(tool, Specialist):
            called_as = tool.name
        elif isinstance(tool, Toolbox):
            twice = next((each for each in tool.names if each in seen), None)
            if twice is not None:
                what = f"{whose}has two tools called {twice!r}"
                yield graph.finding("W413", name, what, f"give the tools of {tool.name!r} a prefix")
            seen.update(tool.names)
            if tool.asks and isinstance(graph.nodes[name], Each):
                what = f"{whose}tools of {tool.name!r} may ask a person, and no item of an each can wait for one"
                yield graph.finding("W421", name, what, "let a subflow do the item, and its agent use the tools")
            continue
        elif not callable(tool):
            what = f"{whose}its tool {tool!r} is no function"
            yield graph.finding("W413", name, what, "list plain typed functions, and specialists")
            continue
        else:
            declared = tool_of(tool)
            called_as = declared.name
            yield from _tool(graph, name, called_as, declared.signature)
            yield from _beside(graph, name, declared)
            if isinstance(graph.nodes[name], Each):
                yield from _asks(graph, name, declared)
        if called_as in seen:
            what = f"{whose}has two tools called {called_as!r}"
            yield graph.finding("W413", name, what, "give each a name of its own")
        seen.add(called_as)
    for handoff in handoffs if isinstance(handoffs, tuple | list) else ():
        if isinstance(handoff, Specialist | str) and handing_over(named_of(handoff)) in seen:
            what = f"{whose}has a tool called {handing_over(named_of(handoff))!r}, as handing over to it is"
            yield graph.finding("W413", name, what, "call the tool otherwise")


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


def _team(graph: Graph, name: str, node: Agent[Any, Any]) -> Iterator[Finding]:
    """The specialists of a node: told apart by names, within one another to a bounded depth, and able to answer."""
    named: dict[str, Specialist | None] = {name: None}
    talks: list[tuple[tuple[str, Any, Any], tuple[Specialist, ...]]] = [((name, node.tools, node.handoffs), ())]
    seen: set[tuple[int, int]] = set()
    while talks:
        first, above = talks.pop(0)
        others = tuple(colleagues(_listed(first[2])))
        yield from _changes_hands(graph, name, (first, *((each.name, each.tools, each.handoffs) for each in others)))
        within = [each for owner in (first[1], *(each.tools for each in others)) for each in _listed(owner)]
        inner = [each for each in within if isinstance(each, Specialist)]
        for one in (*others, *inner):
            if named.setdefault(one.name, one) is not one:
                yield graph.finding(
                    "W425", name, f"has two agents called {one.name!r}", "give each specialist a name of its own"
                )
            elif (id(one), -1) not in seen:
                seen.add((id(one), -1))
                yield from _specialist(graph, name, one)
        for one in inner:
            if one in above:
                way = " > ".join(each.name for each in (*above[above.index(one) :], one))
                yield graph.finding("W425", name, f"agents are tools of one another: {way}", "take one of them out")
            elif len(above) >= DEEPEST:
                what = f"specialist {one.name!r} is a tool more than {DEEPEST} deep"
                yield graph.finding("W425", name, what, "make what is within a subflow of its own")
            elif (id(one), len(above)) not in seen:
                seen.add((id(one), len(above)))
                talks.append(((one.name, one.tools, one.handoffs), (*above, one)))


def _listed(given: Any) -> Sequence[Any]:
    return given if isinstance(given, tuple | list) else ()


def _changes_hands(graph: Graph, name: str, agents: Sequence[tuple[str, Any, Any]]) -> Iterator[Finding]:
    """Whom each agent of one talk hands over to."""
    known = {who for who, _, _ in agents}
    for who, _, handoffs in agents:
        for each in _listed(handoffs):
            if not isinstance(each, Specialist | str):
                what = f"{who} hands over to {called(each)}, which is no specialist"
                yield graph.finding("W425", name, what, "handoffs=[specialist(name=..., instructions=...)]")
            elif named_of(each) == who:
                yield graph.finding("W425", name, f"{who} hands over to itself", "take it out of its handoffs=")
            elif named_of(each) not in known:
                what = f"{who} hands over to {each!r}, whom this talk does not come to"
                yield graph.finding("W425", name, what, f"it comes to {', '.join(sorted(known - {who})) or 'nobody'}")


def _specialist(graph: Graph, name: str, one: Specialist) -> Iterator[Finding]:
    yield from _granted(graph, name, f"specialist {one.name!r}: ", one.tools, one.handoffs)
    if not _can_be_asked_for(one.output):
        what = f"specialist {one.name!r}: no model can be asked for a {called(one.output)}"
        yield graph.finding("W425", name, what, "take a type pydantic has a JSON schema for")
    if not is_count(one.turns):
        yield graph.finding(
            "W425", name, f"specialist {one.name!r} may take {one.turns!r} turns", "turns=20; at least 1"
        )


def _handoffs(graph: Graph, name: str, who: str, handoffs: Any) -> Iterator[Finding]:
    for handoff in handoffs if isinstance(handoffs, tuple | list) else (handoffs,):
        if not isinstance(handoff, Specialist | str):
            what = f"{who} hands over to {handoff!r}, which is no specialist"
            yield graph.finding("W425", name, what, "handoffs=[specialist(name=..., instructions=...)]")


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
