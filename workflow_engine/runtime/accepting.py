"""What has to be accepted before a run goes on with changed code: it can, but not quite as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from workflow_engine.bodies.human import answer_schema
from workflow_engine.record.difference import differences
from workflow_engine.record.run import Run
from workflow_engine.record.values import Value, plain
from workflow_engine.record.waiting import words_of
from workflow_engine.runtime.known import Known
from workflow_engine.spec.comparison import Changed, changes
from workflow_engine.spec.document import document_of
from workflow_engine.spec.edges import Source
from workflow_engine.spec.names import Names
from workflow_engine.spec.nodes import EXPIRED, Function, Human
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify.finding import Finding, where_of

# Thousands of runs in flight are of few versions, and ask few questions.
_schema = lru_cache(64)(answer_schema)
_COMPARED: WeakKeyDictionary[Workflow[Any], dict[str, tuple[Changed, ...]]] = WeakKeyDictionary()


def compared(known: Known, called: Names, workflow: Workflow[Any]) -> tuple[Changed, ...]:
    """What changed between a run's version and this one; nothing where nobody knows its version."""
    if not known.document:
        return ()
    told = _COMPARED.setdefault(workflow, {})
    version = json.dumps(known.document, sort_keys=True)
    if version not in told:
        told[version] = changes(known.document, document_of(workflow), called)
    return told[version]


def doubtful(run: Run, workflow: Workflow[Any], edited: Sequence[str]) -> Iterator[Finding]:
    """Effects in doubt whose body was edited, and that would be done again unasked."""
    for name in run.doubts:
        node = workflow.nodes.get(name)
        if name in edited and isinstance(node, Function) and node.in_doubt != "ask" and run.question(name) is None:
            what = "it was begun as an effect with other code, and nobody is asked before it is done again"
            yield said(workflow, "W612", name, what, "see whether it happened")


def begun_otherwise(run: Run, workflow: Workflow[Any], known: Known, called: Names) -> Iterator[Finding]:
    """Steps in the middle of something, whose node was declared otherwise when they began it."""
    told = compared(known, called, workflow)
    declared = {each.name: [part for part in each.parts if part != "body"] for each in told if each.what == "node"}
    begun = {each.node: words_of(each) for each in run.waits}
    begun |= {node: f"has done {each.done} items" for node, each in run.items.items()}
    begun |= {node: f"entered run {child}" for node, child in run.entered.items()}
    for name, doing in begun.items():
        if parts := declared.get(name):
            told_so = f"waits {doing}" if run.wait(name) is not None else doing
            what = f"it {told_so} as it was declared then ({', '.join(parts)} changed since), and goes on with that"
            yield said(workflow, "W615", name, what, "keep its declaration until no run is in it")


def forgetting(workflow: Workflow[Any], lost: Sequence[str]) -> Iterator[Finding]:
    """Bounds that were counted and are gone."""
    for key in lost:
        what = "this bounded edge was counted and is gone, or has no bound: its count is forgotten"
        yield said(workflow, "W604", key, what, "keep the edge with a bound, if another one")


def read_otherwise(
    state: Mapping[str, Value], workflow: Workflow[Any], known: Known, called: Names
) -> Iterator[Finding]:
    """Fields whose type changed and takes what is held, but as something else; or whose writes join otherwise."""
    fields = known.shape.get("fields")
    then = {called.fields.get(name, name): each for name, each in fields.items()} if isinstance(fields, Mapping) else {}
    shape = document_of(workflow)["shape"]["fields"]
    for name, value in state.items():
        field_, was = workflow.fields.get(name), then.get(name)
        if field_ is None or not isinstance(was, Mapping) or was == shape[name]:
            continue
        if was.get("reducer") != shape[name]["reducer"]:
            old, new = was.get("reducer") or "no reducer", shape[name]["reducer"] or "no reducer"
            what = f"writes joined by {old} what it holds, and join by {new} now"
            yield said(workflow, "W614", name, what, "give the field with the other reducer a name of its own")
        try:
            held = value.json()
            read = plain(field_.adapter.dump_json(field_.adapter.validate_json(value.whole)).decode())
        except ValueError:
            continue  # W606 tells of it
        lost = [each for each in differences({name: held}, {name: read}) if each.kind != "added" and not _equal(each)]
        if lost:
            what = f"what the run holds would be read otherwise: {lost[0].place} is {lost[0].kind}"
            yield said(workflow, "W613", name, what, f'declare change_field("{name}", ...), which makes it anew')


def _equal(change: Any) -> bool:
    # JSON knows one kind of number: 1 and 1.0 are the same.
    numbers = (int, float)
    both = (change.before, change.after)
    return all(isinstance(each, numbers) and not isinstance(each, bool) for each in both) and both[0] == both[1]


def asked_otherwise(run: Run, workflow: Workflow[Any], known: Known) -> Iterator[tuple[Finding, Any]]:
    """Open questions that would be asked otherwise now. One whose answer waits already is left to its answer."""
    for each in run.open:
        node, asked = workflow.nodes.get(each.node), known.questions.get(each.id)
        if each.asks != "human" or not isinstance(node, Human) or asked is None or each.id in known.answered:
            continue
        if tuple(asked.choices) != node.outcomes:
            what = f"its question offers {_words(asked.choices)}, and would offer {_words(node.outcomes)} now"
        elif dict(asked.schema) != _schema(node):
            what = "its question takes an answer of another form than it would now"
        elif each.due is not None and asked.default is None and Source(node.name, EXPIRED) not in workflow.out:
            what = "its question expires, and no edge leaves by that now"
        else:
            continue
        yield said(workflow, "W611", each.node, f"{what}: it is asked anew", "keep its answers as they were"), each


def _words(choices: Sequence[str]) -> str:
    return ", ".join(choices) or "no choice"


def said(workflow: Workflow[Any], code: str, place: str, what: str, cure: str) -> Finding:
    """A finding at a place of this workflow: a warning, unless the run cannot go on at all."""
    severity: Any = "finding" if code in ("W617", "W618") else "warning"
    return Finding(code, place, what, cure, where_of(workflow, place), severity)
