"""Carrying a run over to another version of its workflow: what would be recorded, what stands against it, or nothing.

A plan and no deed: `resume` records it, `workflow check --against` only shows it, and a fork begins with it. Everything
is one batch: the migrations with their writes, the code that is new, the questions that are asked anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from workflow_engine.bodies.human import answer_schema
from workflow_engine.errors import StoreDamaged, StoreError
from workflow_engine.ports.ledger import Ledger
from workflow_engine.record.difference import differences
from workflow_engine.record.events import CodeChanged, QuestionWithdrawn, RunMigrated
from workflow_engine.record.ids import QuestionId
from workflow_engine.record.inbox import QuestionRecord
from workflow_engine.record.run import Run, advance
from workflow_engine.record.values import Value, Write, plain
from workflow_engine.record.waiting import words_of
from workflow_engine.runtime.upgrade import upgraded
from workflow_engine.spec.comparison import Changed, changes
from workflow_engine.spec.document import document_of
from workflow_engine.spec.edges import Source
from workflow_engine.spec.limits import RunLimits
from workflow_engine.spec.migrations import pending
from workflow_engine.spec.names import Names, names
from workflow_engine.spec.nodes import EXPIRED, Function, Human
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.live import after
from workflow_engine.verify.change import fits, forgotten
from workflow_engine.verify.finding import Finding, where_of


@dataclass(frozen=True)
class Known:
    """What is known of a run besides where it stands: its version's document, and its questions."""

    document: Mapping[str, Any] = field(default_factory=dict)
    questions: Mapping[QuestionId, QuestionRecord] = field(default_factory=dict)
    answered: frozenset[QuestionId] = frozenset()

    @property
    def migrations(self) -> tuple[str, ...]:
        """The migrations its version declared, as they are written."""
        notes = self.document.get("notes")
        told = notes.get("migrations") if isinstance(notes, Mapping) else None
        return tuple(map(str, told)) if isinstance(told, list) else ()

    @property
    def shape(self) -> Mapping[str, Any]:
        """Nodes, edges and fields of its version; empty where nobody knows them."""
        shape = self.document.get("shape")
        return shape if isinstance(shape, Mapping) else {}

    def kinds(self, called: Names) -> dict[str, str]:
        """The kinds of its nodes then, under their names of now."""
        nodes = self.shape.get("nodes")
        if not isinstance(nodes, Mapping):
            return {}
        kinds = {name: each.get("kind") for name, each in nodes.items() if isinstance(each, Mapping)}
        return {called.nodes.get(name, name): kind for name, kind in kinds.items() if isinstance(kind, str)}


@dataclass(frozen=True)
class Carried:
    """How a run goes on under a version of its workflow, if it does.

    `events` and `writes` are to be recorded before it goes on, `run` and `state` what it is then. `findings` say why it
    cannot go on; `accept` what somebody has to accept first. `applied` are the migrations it takes up.
    """

    run: Run
    state: Mapping[str, Value]
    events: tuple[Any, ...] = ()
    writes: tuple[Write, ...] = ()
    findings: tuple[Finding, ...] = ()
    accept: tuple[Finding, ...] = ()
    changed: tuple[Changed, ...] = ()
    applied: tuple[str, ...] = ()
    reshaped: bool = False


async def known_of(ledger: Ledger, run: Run, workflow: Workflow[Any]) -> Known:
    """What the store knows of a run that this version may not fit; nothing is read for one of this very shape."""
    if run.shape == workflow.shape and not workflow.migrations:
        return Known()
    try:
        document = await ledger.document(run.id)
    except StoreDamaged:
        raise
    except StoreError:  # it was stored without one
        document = {}
    if not run.open:
        return Known(document)
    asked = {each.question.id: each.question for each in await ledger.questions(run.id)}
    letters = await ledger.letters(run.id)
    return Known(document, asked, frozenset(each.answer.question for each in letters if each.answer is not None))


def carried(
    run: Run, state: Mapping[str, Value], workflow: Workflow[Any], known: Known, now: datetime, limits: RunLimits
) -> Carried:
    """The plan of carrying a run over. Changes nothing; calls the functions of `change_field` and `add_field`."""
    declared = pending(workflow.migrations, known.migrations)
    called = names(known.shape, declared, workflow)
    clashes = tuple(_clashes(run, workflow, called))
    writes, problems = upgraded(state, known.shape, declared, workflow, limits)
    if clashes or problems:
        return Carried(run, state, findings=(*clashes, *problems), applied=tuple(map(str, declared)), reshaped=True)
    migrated = RunMigrated(
        now,
        tuple(map(str, declared)),
        called.nodes,
        called.edges,
        called.ways,
        fields=tuple(write.field for write in writes),
    )
    lost = forgotten(advance(run, migrated), workflow)
    if lost:
        back = {new: old for old, new in called.edges.items()}
        migrated = RunMigrated(**{**vars(migrated), "forgotten": tuple(back.get(each, each) for each in lost)})
    events: list[Any] = []
    at = run
    if declared or lost or any(key in called.edges for key in (*run.frontier.counts, *run.frontier.arrived)):
        events.append(migrated)
        at = advance(run, migrated)
    held = after(state, writes, at.seq)
    reshaped = run.shape != workflow.shape
    code, consequences, withdrawn = _new_code(at, held, workflow, known, called, lost, now)
    findings = fits(at, held, workflow, known.kinds(called)) if reshaped or events else ()
    for event in (*code, *withdrawn):
        at = advance(at, event)
    return Carried(
        at,
        held,
        (*events, *code, *withdrawn),
        writes,
        findings,
        consequences,
        _changes(known, called, workflow) if reshaped else (),
        migrated.applied,
        reshaped or bool(declared),
    )


def _clashes(run: Run, workflow: Workflow[Any], called: Names) -> Iterator[Finding]:
    for old, new in called.nodes.items():
        if {old, new} <= run.frontier.visits.keys() and new not in called.nodes:
            what = f"it is what {old} is called now, and the run was at a node of this name already"
            yield _finding(workflow, "W617", new, what, f"give {old} another new name in this version")


def _new_code(
    run: Run,
    state: Mapping[str, Value],
    workflow: Workflow[Any],
    known: Known,
    called: Names,
    lost: Sequence[str],
    now: datetime,
) -> tuple[list[CodeChanged], tuple[Finding, ...], list[QuestionWithdrawn]]:
    """The fact that the code is new, what somebody has to accept of that, and the questions that it asks anew."""
    bodies = {called.nodes.get(name, name): code for name, code in run.bodies.items()}
    edited = tuple(name for name, code in workflow.bodies.items() if bodies.get(name) != code)
    reshaped = run.shape != workflow.shape
    if not edited and not reshaped:
        return [], (), []
    accept = [*_doubtful(run, workflow, edited), *_forgetting(workflow, lost)]
    withdrawn: list[QuestionWithdrawn] = []
    if reshaped:
        accept += _read_otherwise(state, workflow, known, called)
        accept += _begun_otherwise(run, workflow, known, called)
        for finding, each in _asked_otherwise(run, workflow, known):
            accept.append(finding)
            withdrawn.append(QuestionWithdrawn(now, each.id, each.node, each.visit))
    how: tuple[str, ...] = ()
    if reshaped:
        told = _changes(known, called, workflow)
        how = tuple(str(each) for each in told if each.parts != ("body",))
    code = CodeChanged(
        now,
        workflow.bodies,
        edited,
        workflow.shape if reshaped else None,
        how[:_MOST_TOLD],
        tuple(f"{each.place}: {each.what}" for each in accept),
    )
    return [code], tuple(accept), withdrawn


_MOST_TOLD = 100
# Thousands of runs in flight are of few versions, and ask few questions.
_schema = lru_cache(64)(answer_schema)
_COMPARED: WeakKeyDictionary[Workflow[Any], dict[str, tuple[Changed, ...]]] = WeakKeyDictionary()


def _changes(known: Known, called: Names, workflow: Workflow[Any]) -> tuple[Changed, ...]:
    """What changed between a run's version and this one; nothing where nobody knows its version."""
    if not known.document:
        return ()
    compared = _COMPARED.setdefault(workflow, {})
    version = json.dumps(known.document, sort_keys=True)
    if version not in compared:
        compared[version] = changes(known.document, document_of(workflow), called)
    return compared[version]


def _doubtful(run: Run, workflow: Workflow[Any], edited: Sequence[str]) -> Iterator[Finding]:
    for name in run.doubts:
        node = workflow.nodes.get(name)
        if name in edited and isinstance(node, Function) and node.in_doubt != "ask" and run.question(name) is None:
            what = "it was begun as an effect with other code, and nobody is asked before it is done again"
            yield _finding(workflow, "W612", name, what, "see whether it happened")


def _begun_otherwise(run: Run, workflow: Workflow[Any], known: Known, called: Names) -> Iterator[Finding]:
    """Steps in the middle of something, whose node was declared otherwise when they began it."""
    told = _changes(known, called, workflow)
    declared = {each.name: [part for part in each.parts if part != "body"] for each in told if each.what == "node"}
    begun = {each.node: words_of(each) for each in run.waits}
    begun |= {node: f"has done {each.done} items" for node, each in run.items.items()}
    begun |= {node: f"entered run {child}" for node, child in run.entered.items()}
    for name, doing in begun.items():
        if parts := declared.get(name):
            told_so = f"waits {doing}" if run.wait(name) is not None else doing
            what = f"it {told_so} as it was declared then ({', '.join(parts)} changed since), and goes on with that"
            yield _finding(workflow, "W615", name, what, "keep its declaration until no run is in it")


def _forgetting(workflow: Workflow[Any], lost: Sequence[str]) -> Iterator[Finding]:
    for key in lost:
        what = "this bounded edge was counted and is gone, or has no bound: its count is forgotten"
        yield _finding(workflow, "W604", key, what, "keep the edge with a bound, if another one")


def _read_otherwise(
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
            yield _finding(workflow, "W614", name, what, "give the field with the other reducer a name of its own")
        try:
            held = value.json()
            read = plain(field_.adapter.dump_json(field_.adapter.validate_json(value.whole)).decode())
        except ValueError:
            continue  # W606 tells of it
        lost = [each for each in differences({name: held}, {name: read}) if each.kind != "added" and not _equal(each)]
        if lost:
            what = f"what the run holds would be read otherwise: {lost[0].place} is {lost[0].kind}"
            yield _finding(workflow, "W613", name, what, f'declare change_field("{name}", ...), which makes it anew')


def _equal(change: Any) -> bool:
    # JSON knows one kind of number: 1 and 1.0 are the same.
    numbers = (int, float)
    both = (change.before, change.after)
    return all(isinstance(each, numbers) and not isinstance(each, bool) for each in both) and both[0] == both[1]


def _asked_otherwise(run: Run, workflow: Workflow[Any], known: Known) -> Iterator[tuple[Finding, Any]]:
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
        yield _finding(workflow, "W611", each.node, f"{what}: it is asked anew", "keep its answers as they were"), each


def _words(choices: Sequence[str]) -> str:
    return ", ".join(choices) or "no choice"


def _finding(workflow: Workflow[Any], code: str, place: str, what: str, cure: str) -> Finding:
    severity: Any = "finding" if code in ("W617", "W618") else "warning"
    return Finding(code, place, what, cure, where_of(workflow, place), severity)
