"""Human nodes: the pure body makes the question; its answer's type makes the schema and the choices."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from workflow_engine.bodies.calling import call
from workflow_engine.bodies.intent import Ask
from workflow_engine.bodies.scene import Scene, arguments
from workflow_engine.errors import StepError
from workflow_engine.spec.nodes import Human
from workflow_engine.spec.question import Question


async def run(node: Human[Any, Any], scene: Scene) -> Ask:
    """One attempt. Raises StepError if the body returns no question."""
    question = await call(node.body, await arguments(scene, node.signature.parameters))
    if not isinstance(question, Question):
        raise StepError(
            f"{node.name} returned a {type(question).__name__}, not a Question",
            "return Question('...') from a @human node",
            retryable=False,
        )
    return Ask(question, answer_schema(node), node.outcomes)


def answer_schema(node: Human[Any, Any]) -> dict[str, Any]:
    """The JSON Schema an answer must fit; anything goes where the annotation does not say."""
    if node.answer is None:
        return {}
    schema = TypeAdapter(node.answer).json_schema()
    if "properties" in schema:
        # pydantic would drop a field it does not know; a person who misspelt one must be told.
        schema.setdefault("additionalProperties", False)
    return schema
