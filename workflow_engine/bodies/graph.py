"""Graph nodes: a foreign graph fed from the state, run behind its port, and its output taken apart again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from workflow_engine.bodies.calling import call
from workflow_engine.bodies.function import matched
from workflow_engine.bodies.intent import Later, Midway, Wrote
from workflow_engine.bodies.interrupt import asking
from workflow_engine.bodies.scene import Scene, argument, arguments, parameters_of
from workflow_engine.errors import BadWrite, StepError
from workflow_engine.ports.graphs import Ended, GraphTask, Left, Paused
from workflow_engine.spec.foreign import Foreign
from workflow_engine.spec.nodes import Parameter


async def run(node: Foreign, scene: Scene) -> Wrote | Midway | Later:
    """One attempt, or what remains of one. Raises what the graph's nodes raise.

    What a failed attempt used is told by `so_far` of what it raises, as far as that can be told.
    """
    if node.graph is None:
        raise StepError(f"the graph of {node.name} is not here", "give it: langgraph_node(graph, ...)", retryable=False)

    async def begin() -> Any:
        if node.reads is None:
            return await call(node.body, await arguments(scene, node.signature.parameters))
        return {channel: await argument(scene, Parameter(name, Any, False)) for channel, name in node.reads}

    task = GraphTask(
        node=node.name,
        graph=node.graph,
        series=scene.step.key,
        begin=begin,
        replies=scene.replies,
        settings=node.settings,
        tell=scene.step.progress,
        leaving=scene.leaving,
    )
    outcome = await scene.graphs().run(task)
    match outcome:
        case Ended():
            return Wrote(await _written(node, scene, outcome.output), outcome.usage, outcome.answered_by)
        case Paused():
            return Midway(tuple(asking(node.name, each) for each in outcome.pending), "graph")
        case Left():
            return Later()
        case _:
            assert_never(outcome)


async def _written(node: Foreign, scene: Scene, output: Any) -> Mapping[str, Any]:
    """The values of the fields it writes."""
    if node.out is not None:
        first, *rest = parameters_of(node.out)
        value = await call(node.out, {first.name: output, **await arguments(scene, rest)})
        return matched(node, value)
    if not node.writes:
        return {}
    missing = [each for each in node.channels if not isinstance(output, Mapping) or each not in output]
    if missing:
        raise BadWrite(
            f"the graph of {node.name} ended without {', '.join(map(repr, missing))}",
            "write the channel on every path through the graph, or make the value: out=lambda output: ...",
        )
    return {name: output[channel] for name, channel in zip(node.writes, node.channels, strict=True)}
