"""Foreign graphs in an exported workflow: each is a graph within LangGraph's own, which keeps and resumes it."""

from __future__ import annotations

from typing import Any, cast
from weakref import WeakKeyDictionary

from langgraph.pregel import Pregel

from workflow_engine.langgraph.given import GivenGraph
from workflow_engine.ports.graphs import Ended, GraphTask


class NestedGraphs:
    """Implements ports.graphs.GraphRunner. An interrupt goes through to whoever invoked the exported graph."""

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[GivenGraph, Pregel[Any, Any, Any, Any]] = WeakKeyDictionary()

    async def run(self, task: GraphTask) -> Ended:
        """Take a graph on until it ends."""
        given = cast("GivenGraph", task.graph)
        if given not in self._made:
            # Its own checkpointer would keep it apart from the graph it is in.
            self._made[given] = given.graph.copy(update={"checkpointer": None})
        settings = task.settings
        config = {name: each for name, each in settings.items() if name == "recursion_limit"}
        more = {"context": settings["context"]} if "context" in settings else {}
        config = cast("Any", {**settings.get("config", {}), **config})
        return Ended(await self._made[given].ainvoke(await task.begin(), config, **more))
