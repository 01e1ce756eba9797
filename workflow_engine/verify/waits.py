"""W5, waits: what somebody can really end, and signals that mean one thing all over a workflow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from workflow_engine.spec.policies import ONCE
from workflow_engine.spec.state import required
from workflow_engine.spec.waits import SIGNAL, Wait
from workflow_engine.verify.accepts import accepts
from workflow_engine.verify.carried import lost
from workflow_engine.verify.finding import Finding, called, near
from workflow_engine.verify.graph import Graph, has_code, has_types


def wait(graph: Graph, name: str, node: Wait) -> Iterator[Finding]:
    """One wait, by itself."""
    yield from _ways(graph, name, node)
    yield from _names(graph, name, node)
    yield from _carried(graph, name, node)
    for setting, is_set in (("timeout", node.timeout is not None), ("retry", node.retry != ONCE)):
        if is_set:
            what = f"waits and has {setting}=, but it does nothing that could take long or fail"
            yield graph.finding("W524", name, what, "a wait has within=timedelta(days=2)")


def one_meaning(graph: Graph) -> Iterator[Finding]:
    """A signal is held against one type, whichever node will take it: it may come before any of them waits."""
    known: dict[str, tuple[str, Any]] = {}
    fields = graph.workflow.fields
    for name, node in graph.nodes.items():
        if not isinstance(node, Wait) or not has_code(node):
            continue
        for each in node.names:
            kind = node.payload(each, fields)
            other, before = known.setdefault(each, (name, kind))
            if kind != before:
                what = f"waits for signal {each!r} with {_kind(kind)}, and {other} waits for it with {_kind(before)}"
                yield graph.finding("W564", name, what, "give it one type everywhere, or another name")


def subscriptions(graph: Graph) -> Iterator[Finding]:
    """The topics that begin a run: what is published there must be able to."""
    workflow = graph.workflow
    for topic, into in workflow.starts_on.items():
        place = str(workflow.name)
        if not _is_word(topic):
            what = f"starts on the topic {topic!r:.60}, which is no word"
            yield graph.finding("W566", place, what, f"1 to {SIGNAL} characters on one line")
        inputs = {name for name, field in workflow.fields.items() if field.required}
        if into is not None and into not in workflow.fields:
            cure = near(into, workflow.fields) + f'starts_on={{"{topic}": "field"}} names a field of the state'
            yield graph.finding("W566", place, f"starts on {topic} with {into!r}, which is no field", cure)
        elif into is not None and (others := sorted(inputs - {into})):
            what = f"starts on {topic} with '{into}', and a run needs {', '.join(map(repr, others))} besides"
            yield graph.finding("W566", place, what, f'starts_on={{"{topic}": None}}: its fields are the inputs')


def _ways(graph: Graph, name: str, node: Wait) -> Iterator[Finding]:
    """That it waits for one thing, and that this can come."""
    ends = [bool(node.signals), node.until is not None, node.lasting is not None]
    if sum(ends) != 1:
        what = "waits for nothing" if not any(ends) else "waits for a signal and for a time"
        cure = 'wait("payment", Payment), wait(timedelta(days=3)) or wait(until="field")'
        yield graph.finding("W560", name, what, cure)
    for setting, length in (("within", node.within), ("its time", node.lasting)):
        if length is None:
            continue
        given: Any = length
        if not isinstance(given, timedelta):
            yield graph.finding("W522", name, f"{setting}={given!r} is no time", "timedelta(days=2)")
        elif given <= timedelta(0):
            yield graph.finding("W522", name, f"{setting}={given} is over before it begins", "timedelta(days=2)")
    if node.within is not None and not node.signals:
        what = "waits for a time and has within=: a time comes by itself"
        yield graph.finding("W524", name, what, "remove within=")
    field = graph.workflow.fields.get(node.until or "")
    if field is not None and has_types(graph.workflow.state) and not accepts(datetime, required(field.type)):
        what = f"waits until the time in '{node.until}', and the field holds {called(field.type)}"
        yield graph.finding("W565", name, what, "wait(until=...) names a field with a datetime")
    if node.topic is not None:
        if len(node.signals) != 1:
            what = f"listens to the topic {node.topic!r} for {len(node.signals)} signals, and what is published is one"
            yield graph.finding("W563", name, what, 'wait("paid", Payment, topic="payments")')
        elif not _is_word(node.topic):
            what = f"listens to the topic {node.topic!r:.60}, which is no word"
            yield graph.finding("W563", name, what, f"1 to {SIGNAL} characters on one line")


def _names(graph: Graph, name: str, node: Wait) -> Iterator[Finding]:
    for each in node.names:
        if not _is_word(each):
            yield graph.finding(
                "W561",
                name,
                f"waits for a signal {each!r:.60}, which is no word",
                f"1 to {SIGNAL} characters on a line",
            )
    doubled = dict.fromkeys(each for each in node.names if node.names.count(each) > 1)
    for each in doubled:
        yield graph.finding("W561", name, f"waits for signal {each!r} twice", "name each signal once")


def _carried(graph: Graph, name: str, node: Wait) -> Iterator[Finding]:
    typed = sum(each.payload is not None for each in node.signals)
    if node.writes and not node.signals:
        yield graph.finding("W562", name, "waits for a time and has writes=, but a time carries nothing", "remove it")
    elif typed and not node.writes:
        carries = next(each for each in node.signals if each.payload is not None)
        what = f"signal {carries.name!r} carries {called(carries.payload)}, which is written nowhere"
        yield graph.finding("W562", name, what, 'writes="field", or wait for the signal without a type')
    elif len(node.writes) not in (len(node.signals), typed):
        what = f"waits for {len(node.signals)} signals, {typed} of them typed, and writes {len(node.writes)} fields"
        yield graph.finding("W562", name, what, "writes= names one field for each signal that carries something")
    for each in node.signals if has_code(node) else ():
        if each.payload is not None and (why := _unfit(each.payload)):
            yield graph.finding("W410", name, f"signal {each.name!r} carries {called(each.payload)}, and {why}", _PLAIN)


_PLAIN = "let it carry plain data or a model of it"


def _unfit(kind: Any) -> str | None:
    if why := lost(kind):
        return why
    try:
        TypeAdapter(kind)
    except Exception as error:  # any expression may stand there
        return f"pydantic knows no such type ({str(error).splitlines()[0][:80]})"
    return None


def _is_word(text: Any) -> bool:
    return isinstance(text, str) and 0 < len(text) <= SIGNAL and text.isprintable() and text == text.strip()


def _kind(kind: Any) -> str:
    return "nothing" if kind is None else called(kind)


__all__ = ["one_meaning", "subscriptions", "wait"]
