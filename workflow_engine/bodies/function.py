"""Function nodes: call the body, match its value to the fields it writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_engine.bodies.calling import call
from workflow_engine.bodies.child import call_in_child
from workflow_engine.bodies.intent import Wrote
from workflow_engine.bodies.scene import Scene, arguments, parameters_of
from workflow_engine.errors import BadWrite
from workflow_engine.spec.nodes import Function, Node


async def run(node: Function[Any, Any], scene: Scene) -> Wrote:
    """One attempt. Whatever the body raises goes through."""
    given = await arguments(scene, node.signature.parameters)
    value = await (call_in_child(node, given) if node.process else call(node.body, given))
    return Wrote(matched(node, value))


async def probe(node: Function[Any, Any], scene: Scene) -> Wrote | None:
    """Look whether the effect is there already: its value, or None if it is not."""
    assert callable(node.in_doubt)
    value = await call(node.in_doubt, await arguments(scene, parameters_of(node.in_doubt)))
    return None if value is None else Wrote(matched(node, value) if node.writes else {})


def matched(node: Node, value: Any) -> Mapping[str, Any]:
    """The value under the names it is written to. Raises errors.BadWrite if the numbers differ."""
    if not node.writes:
        if value is not None:
            raise BadWrite(
                f"{node.name} returned a {type(value).__name__} and writes no field",
                "@function(writes=...) or return None",
            )
        return {}
    if len(node.writes) == 1:
        return {node.writes[0]: value}
    if not isinstance(value, tuple) or len(value) != len(node.writes):
        what = f"a tuple of {len(value)}" if isinstance(value, tuple) else f"a {type(value).__name__}"
        raise BadWrite(
            f"{node.name} returned {what}", f"return a tuple of {len(node.writes)}: {', '.join(node.writes)}"
        )
    return dict(zip(node.writes, value, strict=True))
