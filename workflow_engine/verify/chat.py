"""W5, chat: what somebody says has a field to go to, and what they are answered one to come from."""

from __future__ import annotations

from collections.abc import Iterator

from workflow_engine.verify.finding import Finding
from workflow_engine.verify.graph import Graph

_CURE = 'chat=Chat("question", reply="answer")'


def chat(graph: Graph) -> Iterator[Finding]:
    """The fields of a chat, and that nothing else is needed for a run to begin."""
    workflow = graph.workflow
    chat = workflow.chat
    if chat is None:
        return
    place, fields = str(workflow.name), workflow.fields
    for word, name in (("message", chat.message), ("reply", chat.reply), ("session", chat.session)):
        if name is None:
            continue
        if name not in fields:
            what = f"the {word} of its chat is {name!r}, which is no field of its state"
            yield graph.finding("W539", place, what, f"{_CURE}; its fields are {', '.join(fields) or 'none'}")
        elif word != "reply" and not _takes_text(graph, name):
            what = f"the {word} of its chat is {name!r}, which takes no text"
            yield graph.finding("W539", place, what, f"{name}: str")
    if chat.reply in chat.inputs:
        what = f"its chat answers with {chat.reply!r}, which is what was said"
        yield graph.finding("W539", place, what, _CURE)
    elif chat.reply in fields and not any(chat.reply in node.writes for node in graph.nodes.values()):
        yield graph.finding("W539", place, f"its chat answers with {chat.reply!r}, which no node writes", _CURE)
    more = [name for name, field in fields.items() if field.required and name not in chat.inputs]
    if more:
        what = f"cannot begin with a message alone: {', '.join(more)} must be given, too"
        yield graph.finding("W539", place, what, f"give {more[0]} a default")


def _takes_text(graph: Graph, name: str) -> bool:
    try:
        return bool(graph.workflow.fields[name].adapter.validate_python("hello") == "hello")
    except ValueError:
        return False
