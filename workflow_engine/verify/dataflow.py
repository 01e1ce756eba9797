"""W4, data flow: every read was written on every path, with a type its reader takes, and no arm disturbs another."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Iterator, Mapping
from functools import cached_property

from workflow_engine.spec.edges import START_NAME, Edge
from workflow_engine.spec.state import Field
from workflow_engine.verify.accepts import accepts, holds
from workflow_engine.verify.arms import Arm, Arms
from workflow_engine.verify.carried import lost
from workflow_engine.verify.course import Course
from workflow_engine.verify.finding import Finding, called
from workflow_engine.verify.flow import Fields, Flow, certain_after, fields_of
from workflow_engine.verify.graph import Graph, has_types
from workflow_engine.verify.paths import shown
from workflow_engine.verify.signatures import Read, reads_of, writes_of


def state_fields(graph: Graph) -> Iterator[Finding]:
    """Whether each field can be stored, holds its own default, and is joined by what looks like its reducer."""
    workflow = graph.workflow
    if not has_types(workflow.state):
        return
    for name, field in sorted(workflow.fields.items()):
        info = workflow.state.model_fields[name]
        if why := lost(field.type, info.metadata):
            cure = "use a model, or pydantic.JsonValue for plain JSON of any shape"
            yield graph.finding("W410", name, f"the field is {called(field.type)}, and {why}", cure)
        elif not field.required and (what := _odd_default(field)):
            cure = f"declare it as {called(field.type)} | None, or give it a default of its type"
            yield graph.finding("W411", name, what, cure)
        # LangGraph takes any function there for a reducer: here it would do nothing, and writes replace what is there.
        for function in filter(inspect.isroutine, info.metadata):
            said = function.__name__
            cure = f"append, union or total; any pure function of old and new: Reducer({said!r}, {said})"
            yield graph.finding("W416", name, f"the field is annotated with {said}, which is no reducer", cure)


def _odd_default(field: Field) -> str | None:
    try:
        default = field.default
    except Exception as error:  # a factory is the user's function and may raise anything, as may a validator
        return f"its default cannot be made: {type(error).__name__}: {error}"
    try:
        field.adapter.validate_python(default, strict=True)
    except Exception:
        return f"its default {default!r} is no {called(field.type)}"
    return None


def dataflow(course: Course, lie: Arms) -> Iterator[Finding]:
    """Reads against the writes that reach them, and against those of other arms."""
    table = _Table(course, lie)
    for name, reads in table.reads.items():
        for read in reads:
            yield from _reached(table, name, read)
    yield from _unordered(table)


class _Table:
    """Who reads and writes what, and how far it flows."""

    def __init__(self, course: Course, lie: Arms) -> None:
        self.course = course
        self.graph: Graph = course.graph
        self.lie = lie
        workflow = self.graph.workflow
        self.fields = workflow.fields
        self.reads = {name: reads_of(workflow, node) for name, node in self.graph.nodes.items()}
        self.writes = {name: writes_of(workflow, node) for name, node in self.graph.nodes.items()}
        self.bits: Fields = fields_of(self.fields, self.writes)
        self.live = frozenset(course.arcs)

    @cached_property
    def flow(self) -> Flow:
        return Flow(self.graph, self.course.arcs, self.lie, self.bits, self._begin())

    @cached_property
    def sharper(self) -> Flow:
        """The same, knowing what a bound's loop has written before its `then` is taken. Worked out only for doubts."""
        spent = [edge for edge in self.graph.bounded if edge.key in self.course.spent]
        certain = certain_after(self.graph, self.course.arcs, self.lie, self.bits, spent)
        if not any(certain.values()):
            return self.flow
        return Flow(self.graph, self.course.arcs, self.lie, self.bits, self._begin(), certain)

    def _begin(self) -> Mapping[str, int]:
        return {START_NAME: sum(self.bits.begun.values())}

    def unwritten(self, flow: Flow, node: str, field: str) -> bool:
        return bool(flow.into.get(node, 0) & self.bits.begun[field])


def _reached(table: _Table, name: str, read: Read) -> Iterator[Finding]:
    field = table.fields[read.field]
    bits = table.flow.into.get(name)
    if bits is None:
        return
    if field.reducer is not None or field.required:
        holders = {"the field": field.type}
    else:
        holders = {}
        if table.unwritten(table.flow, name, read.field) and not holds(read.type, field.default):
            yield from _too_early(table, name, read)
    if field.reducer is None:
        for writer, bit in _writers(table, read.field):
            if bits & bit:
                holders[writer] = table.writes[writer][read.field]
        if field.required and not table.unwritten(table.flow, name, read.field):
            del holders["the field"]
    for holder, kind in sorted(holders.items()):
        if not accepts(read.type, kind):
            who = "the field holds" if holder == "the field" else f"{holder} writes"
            what = f"reads '{read.field}' as {called(read.type)}, and {who} {called(kind)}"
            cure = f"take `{read.field}: {called(kind)}`, or write what it takes"
            yield table.graph.finding("W403", name, what, cure)


def _writers(table: _Table, field: str) -> Iterator[tuple[str, int]]:
    for writer, written in table.bits.written.items():
        if field in written:
            yield writer, written[field]


def _too_early(table: _Table, name: str, read: Read) -> Iterator[Finding]:
    flow = table.sharper
    if not table.unwritten(flow, name, read.field):
        return
    path = _path_without(table, flow, read.field, name)
    what = f"reads '{read.field}' before every path has written it ({shown(path)})"
    default = table.fields[read.field].default
    if read.type is inspect.Parameter.empty:
        cure = f"give the parameter its type: `{read.field}: {called(table.fields[read.field].type)}`"
        yield table.graph.finding("W402", name, what, cure)
        return
    takes = f"`{read.field}: {called(read.type)} | None`" if default is None else f"a type its default {default!r} fits"
    yield table.graph.finding("W402", name, what, f"write it earlier, or take {takes}")


def _path_without(table: _Table, flow: Flow, field: str, goal: str) -> list[str]:
    """The shortest way from START to a node along which nobody writes a field."""
    before: dict[str, str] = {}
    ahead = deque([START_NAME])
    while ahead:
        place = ahead.popleft()
        if place == goal and before:
            break
        for arc in sorted(table.graph.arcs_from.get(place, ()), key=lambda arc: arc.head):
            if arc.head not in before and arc in table.live and (flow.along(arc) or 0) & table.bits.begun[field]:
                before[arc.head] = place
                ahead.append(arc.head)
    path = [goal]
    while path[-1] in before and before[path[-1]] not in path:
        path.append(before[path[-1]])
    return path[::-1]


# What lies in different arms


def _unordered(table: _Table) -> Iterator[Finding]:
    """Two writes, or a write and a read, of one field in two arms of one fork: nobody says which comes first."""
    readers = _by_arm(table.lie, {name: {read.field for read in reads} for name, reads in table.reads.items()})
    writers = _by_arm(table.lie, {name: set(writes) for name, writes in table.writes.items()})
    for siblings in _forks({*readers, *writers}):
        for at, arm in enumerate(siblings):
            for field, writing in sorted(writers.get(arm, {}).items()):
                for other in siblings[at + 1 :]:
                    if table.fields[field].reducer is None and (rival := writers.get(other, {}).get(field)):
                        yield _both_write(table, arm.fork, field, writing[0], rival[0])
                for other in siblings:
                    if other is not arm and (reading := readers.get(other, {}).get(field)):
                        yield _reads_along(table, arm.fork, field, reading[0], writing[0])


def _by_arm(lie: Arms, touched: Mapping[str, set[str]]) -> dict[Arm, dict[str, list[str]]]:
    found: dict[Arm, dict[str, list[str]]] = {}
    for name, fields in touched.items():
        arm = lie.of.get(name)
        for each in arm.lineage if arm is not None else ():
            for field in fields:
                found.setdefault(each, {}).setdefault(field, []).append(name)
    return found


def _forks(arms: set[Arm]) -> list[list[Arm]]:
    found: dict[tuple[Edge, int], list[Arm]] = {}
    for arm in arms:
        found.setdefault((arm.fork, id(arm.outer)), []).append(arm)
    return [sorted(siblings, key=lambda arm: arm.number) for siblings in found.values()]


def _both_write(table: _Table, fork: Edge, field: str, one: str, other: str) -> Finding:
    what = f"{one} and {other} both write '{field}', in arms of the fork after {fork.sources[0]}"
    cure = "write two fields, or give the field a reducer: Annotated[list[...], append]"
    return table.graph.finding("W408", one, what, cure)


def _reads_along(table: _Table, fork: Edge, field: str, reader: str, writer: str) -> Finding:
    what = f"reads '{field}' while {writer} writes it, in another arm of the fork after {fork.sources[0]}"
    return table.graph.finding("W409", reader, what, "read it before the fork or after the join")
