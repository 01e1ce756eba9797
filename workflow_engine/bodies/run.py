"""One door for every kind: run a node's body in its scene and return its intent."""

from __future__ import annotations

from workflow_engine.bodies import agent, function, graph, human, wait
from workflow_engine.bodies.intent import Intent
from workflow_engine.bodies.scene import Scene
from workflow_engine.errors import DeclarationError
from workflow_engine.spec.foreign import Foreign
from workflow_engine.spec.nodes import Agent, Function, Human, Node
from workflow_engine.spec.waits import Wait


async def run(node: Node, scene: Scene) -> Intent:
    """One attempt of a node of any kind but `route`, which is no step."""
    match node:
        case Function():
            return await function.run(node, scene)
        case Agent():
            return await agent.run(node, scene)
        case Human():
            return await human.run(node, scene)
        case Foreign():
            return await graph.run(node, scene)
        case Wait():
            return await wait.run(node, scene)
        case _:
            raise DeclarationError(f"a {node.kind} node is no step")
