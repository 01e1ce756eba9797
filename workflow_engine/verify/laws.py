"""`verify`: all laws on one workflow, every finding at once, whatever graph it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from workflow_engine.spec.nesting import nested
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify.agents import agents
from workflow_engine.verify.arms import Arms, arms
from workflow_engine.verify.budgets import budgets
from workflow_engine.verify.caching import caching
from workflow_engine.verify.chat import chat
from workflow_engine.verify.course import STATES, Course
from workflow_engine.verify.dataflow import dataflow, state_fields
from workflow_engine.verify.finding import Finding, broken
from workflow_engine.verify.foreign import foreign
from workflow_engine.verify.graph import Graph
from workflow_engine.verify.loops import bounds, ends, pitfalls
from workflow_engine.verify.migrations import migrations
from workflow_engine.verify.people import people
from workflow_engine.verify.policies import policies
from workflow_engine.verify.routes import routes
from workflow_engine.verify.shape import names, reach
from workflow_engine.verify.sharing import sharing
from workflow_engine.verify.signatures import signatures
from workflow_engine.verify.subflows import nesting, one_name, prefixed, subflows

# A workflow is a frozen value and the laws are pure: it is proved once, however many runs it has.
_PROVED: WeakKeyDictionary[Workflow[Any], tuple[int, tuple[Finding, ...]]] = WeakKeyDictionary()


def verify(workflow: Workflow[Any], *, states: int = STATES) -> tuple[Finding, ...]:
    """Every finding and warning, ordered by code and place. Pure, and never raises.

    A workflow of which nothing is `broken` is sound: every node can be reached, a run can always end and ends with no
    arm left behind, takes finitely many steps between two answers, and reads only what was written. `states` bounds how
    many states are counted where structure alone does not decide; beyond it a node behind a bound that can never be
    spent may pass as reached, and nothing else is missed.
    """
    given: Any = workflow  # annotations do not stop anybody at run time
    if not isinstance(given, Workflow):
        return _ordered(_findings(workflow, states))
    known = _PROVED.get(workflow)
    if known is None or known[0] != states:
        known = _PROVED[workflow] = (states, _ordered(_whole(workflow, states)))
    return known[1]


def _ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(set(findings), key=lambda each: (each.code, each.place, each.what)))


def _whole(workflow: Workflow[Any], states: int) -> Iterator[Finding]:
    """Its own findings, and those of the workflows within it."""
    yield from _findings(workflow, states)
    try:
        within = nested(workflow)
        yield from one_name(workflow)
    except Exception:  # what its nodes are is told above
        return
    for path, inner in within.items():
        yield from (prefixed(path, each) for each in _findings(inner, states))


def _findings(workflow: Workflow[Any], states: int) -> tuple[Finding, ...]:
    try:
        graph = Graph(workflow)
    except Exception as error:  # not even a workflow
        return (_unread(error, "this is no workflow", "workflow('name', state=..., edges=[...])"),)
    trial = _Trial(graph)
    for law in (names, routes, bounds):
        trial.hold(partial(law, graph))
    lie = trial.arms()
    course = Course(graph, sane=not broken(trial.findings), states=states)
    for rule in (reach, ends, pitfalls):
        trial.hold(partial(rule, course))
    trial.hold(partial(policies, graph))
    trial.hold(partial(budgets, graph))
    trial.hold(partial(sharing, graph))
    trial.hold(partial(caching, graph))
    trial.hold(partial(nesting, graph))
    trial.hold(partial(people, graph))
    if trial.state():
        trial.hold(partial(state_fields, graph))
        trial.hold(partial(signatures, graph))
        trial.hold(partial(subflows, graph))
        trial.hold(partial(foreign, graph))
        trial.hold(partial(agents, graph))
        trial.hold(partial(chat, graph))
        trial.hold(partial(dataflow, course, lie))
        if workflow.migrations:
            trial.hold(partial(migrations, graph))
    return tuple(trial.findings)


class _Trial:
    """Findings so far. What a workflow carries is the user's: any of it may raise when it is looked at."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.findings: list[Finding] = []

    def hold(self, law: Callable[[], Iterable[Finding]]) -> None:
        try:
            self.findings.extend(law())
        except Exception as error:
            self.findings.append(_unread(error, "a law could not be looked at", "mend the other findings first"))

    def arms(self) -> Arms:
        try:
            found = arms(self.graph)
        except Exception as error:
            self.findings.append(_unread(error, "its forks could not be looked at", "mend the other findings first"))
            return Arms({}, {})
        self.findings.extend(found.findings)
        return found

    def state(self) -> bool:
        """Whether the state's fields can be read at all."""
        workflow = self.graph.workflow
        cure = "name only types that are defined above it, and give defaults that can be made"
        try:
            if getattr(workflow.state, "__pydantic_complete__", True):
                return isinstance(workflow.fields, Mapping)
            what = f"the state {workflow.state.__name__} names a type that is not there"
            self.findings.append(self.graph.finding("W113", str(workflow.name), what, cure))
        except Exception as error:
            self.findings.append(_unread(error, "the fields of its state cannot be read", cure, "W113"))
        return False


def _unread(error: Exception, what: str, cure: str, code: str = "W190") -> Finding:
    said = " ".join(str(error).split())[:120]
    return Finding(code, "workflow", f"{what}: {type(error).__name__}{': ' + said if said else ''}", cure)
