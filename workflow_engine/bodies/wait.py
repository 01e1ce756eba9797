"""Wait nodes: no body; only the time in a field is read, where one is waited for."""

from __future__ import annotations

from datetime import UTC, datetime

from workflow_engine.bodies.intent import Await
from workflow_engine.bodies.scene import Scene, read
from workflow_engine.errors import StepError
from workflow_engine.spec.waits import Wait


async def run(node: Wait, scene: Scene) -> Await:
    """What is waited for. Raises StepError for a field that holds no time with a time zone."""
    if node.until is None:
        return Await()
    until = read(scene.workflow, scene.state, node.until)
    if not isinstance(until, datetime):
        raise StepError(
            f"{node.name} waits until {node.until!r}, which holds {'nothing' if until is None else repr(until)[:60]}",
            "write a datetime to it before",
            kind="validation",
            retryable=False,
        )
    if until.tzinfo is None:
        raise StepError(
            f"{node.name} waits until {until:%Y-%m-%d %H:%M}, and {node.until!r} does not say in which time zone",
            "write an aware time: datetime.now(UTC) + ..., and declare the field as pydantic.AwareDatetime",
            kind="validation",
            retryable=False,
        )
    return Await(until.astimezone(UTC))
