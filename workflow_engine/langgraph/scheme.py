"""A workflow as LangGraph schedules it: a StateGraph for each region, with one router everywhere.

Arms are subgraphs, joined by static edges to a node that only follows: it does nothing but ask what is due next. The
graphs have no channels of their own: fields in channels would be a second truth, which arms would write back whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypedDict
from weakref import WeakKeyDictionary

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from workflow_engine.langgraph.regions import Place, Region, Regions, regions_of
from workflow_engine.langgraph.session import Session
from workflow_engine.spec.workflow import Workflow


class Nothing(TypedDict):
    """The schema of every region: no channel at all."""


Graph: TypeAlias = CompiledStateGraph[Nothing, Session, Nothing, Nothing]


class Scheme:
    """The compiled graph of one workflow. It holds names only, so that it does not keep the workflow alive."""

    def __init__(self, workflow: Workflow[Any]) -> None:
        self.regions: Regions = regions_of(workflow)
        self.graph: Graph = self._compiled((), workflow.name)

    def _compiled(self, place: Place, name: str) -> Graph:
        region = self.regions.all[place]
        labels = _Labels()
        graph = StateGraph(Nothing, Session)
        # A region's ways on by the name of what is due: a step leads to itself, a fork to all of its arms.
        ways: dict[str, tuple[str, ...]] = {name: (labels(name),) for name in region.steps}
        for fork, arms in region.forks.items():
            ways[fork] = tuple(labels(f"{fork} ({number})") for number in range(len(arms)))
        route = _router(region, ways)
        ends = (*(label for way in ways.values() for label in way), END)
        for step in region.steps:
            graph.add_node(ways[step][0], _take(step, route), destinations=ends)
        for fork, arms in region.forks.items():
            for label, arm in zip(ways[fork], arms, strict=True):
                graph.add_node(label, self._compiled(arm, label))
            join = labels(f"{fork} joined")
            graph.add_node(join, _follow(route), destinations=ends)
            graph.add_edge(list(ways[fork]), join)
        graph.add_conditional_edges(START, _enter(route), list(ends))
        return graph.compile(checkpointer=False, name=name)


Router: TypeAlias = Callable[[Session], list[str]]


def _router(region: Region, ways: Mapping[str, tuple[str, ...]]) -> Router:
    return lambda session: [label for due in session.due(region) for label in ways[due]]


def _enter(route: Router) -> Any:
    async def enter(_state: Nothing, runtime: Runtime[Session]) -> list[str]:
        return route(runtime.context)

    return enter


def _take(step: str, route: Router) -> Any:
    async def take(_state: Nothing, runtime: Runtime[Session]) -> Command[str]:
        await runtime.context.take(step)
        return Command(goto=route(runtime.context))

    return take


def _follow(route: Router) -> Any:
    async def follow(_state: Nothing, runtime: Runtime[Session]) -> Command[str]:
        return Command(goto=route(runtime.context))

    return follow


class _Labels:
    """Names as LangGraph takes them: its two reserved characters replaced, and none given twice."""

    def __init__(self) -> None:
        self._given = {START, END}

    def __call__(self, name: str) -> str:
        label = name.replace("|", "/").replace(":", "/")
        while label in self._given:
            label += "'"
        self._given.add(label)
        return label


_SCHEMES: WeakKeyDictionary[Workflow[Any], Scheme] = WeakKeyDictionary()


def scheme_of(workflow: Workflow[Any]) -> Scheme:
    """The scheme of a workflow, compiled when it is first driven."""
    scheme = _SCHEMES.get(workflow)
    if scheme is None:
        scheme = _SCHEMES[workflow] = Scheme(workflow)
    return scheme
