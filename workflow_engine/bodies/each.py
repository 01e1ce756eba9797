"""Each nodes: the items as they stand in the state, and the body of the inner node run for one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from workflow_engine.bodies import agent, function
from workflow_engine.bodies.intent import Wrote
from workflow_engine.bodies.scene import Scene
from workflow_engine.errors import Failure, StepError
from workflow_engine.record.codec import encode
from workflow_engine.spec.each import Each, OnError, element_of, item_parameters, value_type
from workflow_engine.spec.nodes import Agent, Function
from workflow_engine.spec.subflow import Subflow


@dataclass(frozen=True)
class Spread:
    """The intent of an `each` node: do it for every item. `items` are plain JSON, so each try has a copy of its own."""

    items: tuple[Any, ...]
    given: str
    adapter: TypeAdapter[Any]
    value: TypeAdapter[Any] | None

    def whole(self, known: Mapping[int, str], failed: Mapping[int, Failure], on_error: OnError) -> str:
        """The JSON text of the list that is written: of what each item came to, by its place."""
        if on_error == "collect":
            texts = (_result(known.get(index, "null"), failed.get(index)) for index in range(len(self.items)))
        else:
            texts = (known[index] for index in range(len(self.items)) if index in known)
        return f"[{','.join(texts)}]"

    def encoded(self, value: Any, place: str) -> str:
        """The JSON text of one result. Raises errors.BadWrite for what does not fit the written list."""
        return "null" if self.value is None else encode(self.value, value, place)


_FAILURE: TypeAdapter[Failure] = TypeAdapter(Failure)


def _result(value: str, failure: Failure | None) -> str:
    # Without its trace, which the journal keeps: thousands of them would fill the state.
    kept = "null" if failure is None else _FAILURE.dump_json(replace(failure, trace="")).decode()
    return f'{{"value":{value},"failure":{kept}}}'


def spread(node: Each[Any, Any], scene: Scene) -> Spread:
    """What is to be done. Raises StepError if the field holds no list now."""
    field = scene.workflow.fields[node.items]
    held = scene.state.get(node.items)
    plain = held.json() if held is not None else field.adapter.dump_python(field.default, mode="json")
    if not isinstance(plain, list):
        raise StepError(
            f"field {node.items!r} holds {'nothing' if plain is None else 'no list'} now",
            f"let every path to {node.name} write a list to it",
            retryable=False,
        )
    return Spread(
        items=tuple(plain),
        given=item_parameters(node, scene.workflow)[0].name,
        adapter=TypeAdapter(element_of(field.type)),
        value=TypeAdapter(value_type(node, scene.workflow)) if node.writes else None,
    )


async def one(node: Each[Any, Any], work: Spread, index: int, scene: Scene) -> Wrote:
    """One attempt at one item. Whatever the body raises goes through."""
    scene = with_item(node, work, index, scene)
    assert not isinstance(node.one, Subflow), "a run within is driven by whoever drives the one around it"
    if not isinstance(node.one, Agent):
        return await function.run(node.one, scene)
    intent = await agent.run(node.one, scene)
    if isinstance(intent, Wrote):
        return intent
    raise StepError(
        f"{node.name} cannot ask people in the middle of an item: {intent.asks[0].question.title}",
        "let the item be a subflow whose agent asks, or give it tools that need nobody's word",
        retryable=False,
    )


async def probe(node: Each[Any, Any], work: Spread, index: int, scene: Scene) -> Wrote | None:
    """Whether the effect of one item is there already; None means that it is not."""
    assert isinstance(node.one, Function)
    return await function.probe(node.one, with_item(node, work, index, scene))


def with_item(node: Each[Any, Any], work: Spread, index: int, scene: Scene) -> Scene:
    """The scene with a fresh copy of one item in it."""
    try:
        item = work.adapter.validate_json(json.dumps(work.items[index]))
    except ValidationError as error:
        raise StepError(
            f"item {index} of {node.items!r} does not fit its type any more: "
            f"{error.errors(include_url=False)[0]['msg']}",
            "the state's class changed since this was written; resume with the class as it was",
            kind="validation",
            retryable=False,
        ) from error
    return scene.handing(work.given, item)
