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

from workflow_engine.langgraph.session import Session
from workflow_engine.spec.regions import Place, Region, Regions
from workflow_engine.spec.workflow import Workflow


class Nothing(TypedDict):
    """The schema of every region: no channel at all."""


Graph: TypeAlias = CompiledStateGraph[Nothing, Session, Nothing, Nothing]


class Scheme:
    """The compiled graph of one workflow. It holds names only, so that it does not keep the workflow alive."""

    def __init__(self, workflow: Workflow[Any]) -> None:
        self.regions: Regions = workflow.regions
        self.graph: Graph = self._compiled((), workflow.name)

    def _compiled(self, place: Place, name: str) -> Graph:
        region = self.regions.all[place]
        graph = StateGraph(Nothing, Session)
        # Where the router leads by the name of what is due: a step to itself, a fork to all of its arms. No node's name
        # has a space in it (W103), and no two forks lead to one node (W5).
        ways: dict[str, tuple[str, ...]] = {name: (name,) for name in region.steps}
        ways |= {fork: tuple(f"arm {head}" for head in arms) for fork, arms in region.forks.items()}
        route = _router(region, ways)
        ends = (*(label for way in ways.values() for label in way), END)
        for step in region.steps:
            graph.add_node(step, _take(step, route), destinations=ends)
        for fork, arms in region.forks.items():
            for label, arm in zip(ways[fork], arms.values(), strict=True):
                graph.add_node(label, self._compiled(arm, label))
            join = f"join of {', '.join(arms)}"
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


_SCHEMES: WeakKeyDictionary[Workflow[Any], Scheme] = WeakKeyDictionary()


def scheme_of(workflow: Workflow[Any]) -> Scheme:
    """The scheme of a workflow, compiled when it is first driven."""
    scheme = _SCHEMES.get(workflow)
    if scheme is None:
        scheme = _SCHEMES[workflow] = Scheme(workflow)
    return scheme
