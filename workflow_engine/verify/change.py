"""W6, change: whether a run's position and state still make sense under another version of its workflow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from workflow_engine.record.ids import node_of
from workflow_engine.record.inbox import MIDWAY
from workflow_engine.record.run import Run
from workflow_engine.record.values import Value
from workflow_engine.record.waiting import Waiting
from workflow_engine.spec.each import Each
from workflow_engine.spec.edges import Edge, Source, is_end
from workflow_engine.spec.nodes import Agent, Human, Node, Route
from workflow_engine.spec.waits import Wait
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify.accepts import holds
from workflow_engine.verify.arms import Arm, Arms, arms
from workflow_engine.verify.course import Course
from workflow_engine.verify.finding import Finding, called, near
from workflow_engine.verify.flow import Flow, fields_of
from workflow_engine.verify.graph import Graph
from workflow_engine.verify.signatures import reads_of, writes_of


def fits(
    run: Run, state: Mapping[str, Value], workflow: Workflow[Any], kinds: Mapping[str, str] | None = None
) -> tuple[Finding, ...]:
    """Why a run cannot go on under this workflow, of which nothing else is broken; empty where it can.

    It stands on nodes that exist, of a kind that can go on from there; the arms it stands in are all arms of their
    forks, so that every join completes; what is stored fits the fields' types, every input is there, and what it will
    read was written. `kinds` are what its nodes were when it came to them, where that is known. A bound that was
    counted and is gone stands in nobody's way: its count is `forgotten`.
    """
    graph = Graph(workflow)
    lie = arms(graph)
    found = {*_position(graph, run, kinds or {}), *_state(graph, state), *_leaving(graph, lie, run)}
    if not found:
        found = {*_brackets(graph, lie, run), *_ahead(graph, lie, run, state)}
    return tuple(sorted(found, key=lambda each: (each.code, each.place, each.what)))


# Where it stands


def forgotten(run: Run, workflow: Workflow[Any]) -> tuple[str, ...]:
    """The keys of bounded edges that the run counted and that are bounded no more, or gone."""
    bounded = {edge.key for edge in workflow.edges if edge.limit is not None}
    return tuple(sorted(key for key in run.frontier.counts if key not in bounded))


def _position(graph: Graph, run: Run, kinds: Mapping[str, str]) -> Iterator[Finding]:
    for name in run.frontier.due:
        node = graph.nodes.get(name)
        if node is None:
            cure = f"{near(name, graph.nodes)}keep it under this name"
            yield graph.finding("W601", name, "the run stands at it, and it is gone", cure)
        elif isinstance(node, Route):
            yield graph.finding("W601", name, "the run stands at it, and it is a route now", "keep it as a step")
        else:
            yield from _kind(graph, run, name, node, kinds.get(name))
    yield from _early(graph, run)
    joins = {edge.key for edge in graph.edges if edge.joins}
    for key in set(run.frontier.arrived) - joins:
        yield graph.finding("W603", key, "an arm arrived at this join, and it is gone", "keep the fork and its join")


def _kind(graph: Graph, run: Run, name: str, node: Node, was: str | None) -> Iterator[Finding]:
    question = run.question(name)
    if question is not None and question.asks == "human" and not isinstance(node, Human):
        what = f"a person was asked here, and it is a {node.kind} now"
        yield graph.finding("W602", name, what, "keep it a @human node")
    midway = (question is not None and question.asks in MIDWAY) or name in run.answered
    if midway and node.kind not in MIDWAY:
        what = f"it asked a person in the middle of its step, and is a {node.kind} now"
        yield graph.finding("W602", name, what, "keep the kind of node it was until the run is past it")
    if run.wait(name) is not None and was is not None and was != node.kind:
        what = f"it waits here as a {was}, and it is a {node.kind} now"
        yield graph.finding("W602", name, what, f"keep it a {was}")
    elif (waiting := run.wait(name)) is not None and waiting.on != "run":
        yield from _waiting(graph, name, node, waiting)
    one = node.one if isinstance(node, Each) else node
    if any(node_of(place) == name for place in run.doubts) and not (one.effect or isinstance(one, Agent)):
        what = "it was begun as an effect, and is none now: it would be repeated unasked"
        yield graph.finding("W602", name, what, "keep effect=True until the run is past it")


def _waiting(graph: Graph, name: str, node: Node, waiting: Waiting) -> Iterator[Finding]:
    if not isinstance(node, Wait):
        yield graph.finding("W602", name, f"the run waits here, and it is a {node.kind} now", "keep it a wait(...)")
    elif set(waiting.names) != set(node.names) or waiting.first != node.first:
        was = (" or " if waiting.first else " and ").join(waiting.names) or "a time"
        now = (" or " if node.first else " and ").join(node.names) or "a time"
        what = f"the run waits here for {was}, and now this is a wait for {now}"
        yield graph.finding("W602", name, what, "keep what is waited for until the run is past it")


def _early(graph: Graph, run: Run) -> Iterator[Finding]:
    """Signals that were kept for a node that would wait for them."""
    known = {each for node in graph.nodes.values() if isinstance(node, Wait) for each in node.names}
    for name in dict.fromkeys(each.name for each in run.early if each.name not in known):
        what = f"the run keeps a signal {name!r} that came early, and nothing waits for it any more"
        yield graph.finding("W610", graph.workflow.name, what, "keep a wait for it while runs have it")


def _brackets(graph: Graph, lie: Arms, run: Run) -> Iterator[Finding]:
    """A run stands at one place in each arm of each fork it is in, and at one place outside of all forks."""
    inside: dict[Arm | None, set[str]] = defaultdict(set)
    forks: dict[Edge, Arm | None] = {}
    for key in run.frontier.leaving:  # what still stands in one that was left is looked at by itself
        outer = next((each.outer for each in lie.of.values() if each is not None and each.fork.key == key), None)
        inside[outer].add(f"the fork {key}")
        for each in outer.lineage if outer is not None else ():
            inside[each.outer].add(f"the fork after {each.fork.sources[0]}")
            forks[each.fork] = each.outer
    for place, name in _standing(graph, run):
        arm = lie.of.get(name)
        if _is_left(arm, run):
            continue
        inside[arm].add(place)
        for each in arm.lineage if arm is not None else ():
            inside[each.outer].add(f"the fork after {each.fork.sources[0]}")
            forks[each.fork] = each.outer
    for places in inside.values():
        if len(places) > 1:
            what = f"the run stands at {' and '.join(sorted(places))} at once, and now these lie in one path"
            yield graph.finding("W608", min(places), what, "keep the fork as it was while runs are in it")
    occupied = {(arm.fork, arm.number) for arm in inside if arm is not None}
    for fork in forks:
        for number, target in enumerate(fork.targets):
            if (fork, number) not in occupied:
                what = f"the run is past the fork after {fork.sources[0]}, and nobody began its arm {target}"
                yield graph.finding("W608", target, what, "keep the fork as it was while runs are in it")


def _is_left(arm: Arm | None, run: Run) -> bool:
    return arm is not None and any(each.fork.key in run.frontier.leaving for each in arm.lineage)


def _leaving(graph: Graph, lie: Arms, run: Run) -> Iterator[Finding]:
    """A fork that was left is still there, with what is under way in it, and so is the place it was left for."""
    for key, there in run.frontier.leaving.items():
        within = [each for arm in lie.of.values() if arm is not None for each in arm.lineage if each.fork.key == key]
        if not within or not any(_is_left(lie.of.get(node), run) for node in run.frontier.due):
            what = "the run is leaving this fork, and waits for what is under way in it: it is gone"
            yield graph.finding("W619", key, what, "keep the fork as it was while runs are in it")
        elif not graph.exists(there[1]) or graph.is_route(there[1]) or _beyond(lie, there[1], within[0]):
            what = f"the run left the fork after {within[0].fork.sources[0]} for it, and it is not there any more"
            yield graph.finding("W619", there[1], what, "keep it where it was while runs are on their way to it")


def _beyond(lie: Arms, target: str, arm: Arm) -> bool:
    """Whether a place lies elsewhere than just outside of an arm."""
    return not is_end(target) and lie.of.get(target) is not arm.outer


def _standing(graph: Graph, run: Run) -> Iterator[tuple[str, str]]:
    for name in run.frontier.due:
        yield name, name
    for source in _arrived(graph, run):
        yield f"the join of {source}", source.node


def _arrived(graph: Graph, run: Run) -> Iterator[Source]:
    for edge in graph.edges:
        there = run.frontier.arrived.get(edge.key, ())
        yield from (source for source in edge.sources if str(source) in there)


# What it knows


def _state(graph: Graph, state: Mapping[str, Value]) -> Iterator[Finding]:
    fields = graph.workflow.fields
    for name, value in state.items():
        if name not in fields:
            cure = f"{near(name, fields)}keep the field"
            yield graph.finding("W605", name, "the run has a value for it, and the field is gone", cure)
            continue
        try:
            fields[name].adapter.validate_json(value.whole)
        except ValidationError as error:
            what = f"the run's value does not fit its new type: {error.errors(include_url=False)[0]['msg']}"
            yield graph.finding("W606", name, what, "let the type accept what was written before")
    for name, field in fields.items():
        if field.required and name not in state:
            what = "it became an input, and the run began without it"
            yield graph.finding("W607", name, what, "give it a default")


def _ahead(graph: Graph, lie: Arms, run: Run, state: Mapping[str, Value]) -> Iterator[Finding]:
    """What nodes ahead of the run read although neither it nor they will have written it."""
    workflow = graph.workflow
    bits = fields_of(workflow.fields, {name: writes_of(workflow, node) for name, node in graph.nodes.items()})
    unwritten = sum(bit for name, bit in bits.begun.items() if name not in state)
    course = Course(graph, sane=False)
    due = [name for name in run.frontier.due if not _is_left(lie.of.get(name), run)]
    due += [there[1] for there in run.frontier.leaving.values() if there[1] in graph.nodes]
    here = dict.fromkeys(due, unwritten)
    flow = Flow(graph, course.arcs, lie, bits, here, arrived=dict.fromkeys(_arrived(graph, run), unwritten))
    for name, reached in flow.into.items():
        for read in reads_of(workflow, graph.nodes[name]) if name in graph.nodes else ():
            if reached & bits.begun[read.field] and not holds(read.type, workflow.fields[read.field].default):
                what = f"reads '{read.field}', which this run has not written, and what writes it lies behind"
                cure = f"take `{read.field}: {called(read.type)} | None`, or fork the run before what writes it"
                yield graph.finding("W609", name, what, cure)
