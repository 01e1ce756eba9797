"""From values to writes: checked against the field's type, joined by its reducer, encoded as typed JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_engine.bodies.scene import read
from workflow_engine.errors import BadWrite
from workflow_engine.record.codec import encode
from workflow_engine.record.values import Value, Write
from workflow_engine.spec.workflow import Workflow

LARGEST = 1_000_000
"""Characters of JSON one write may hold."""


def writes_of(workflow: Workflow[Any], node: str, values: Mapping[str, Any]) -> tuple[Write, ...]:
    """Each value encoded on its own, before any reducer. Raises errors.BadWrite, naming the node and the field."""
    made: list[Write] = []
    for name, value in values.items():
        text = encode(workflow.fields[name].adapter, value, f"{node} wrote {name!r}")
        if len(text) > LARGEST:
            raise BadWrite(
                f"{node} wrote {name!r}: {len(text):,} characters, and one write holds at most {LARGEST:,}",
                "keep large artefacts in files and their place in the state",
            )
        made.append(Write(name, "set", text))
    return tuple(made)


def reduced(
    workflow: Workflow[Any], node: str, state: Mapping[str, Value], writes: tuple[Write, ...]
) -> tuple[Write, ...]:
    """The same writes joined with what the fields hold now. Must be followed by the commit without an `await`."""
    return tuple(_reduced(workflow, node, state, write) for write in writes)


def _reduced(workflow: Workflow[Any], node: str, state: Mapping[str, Value], write: Write) -> Write:
    field = workflow.fields[write.field]
    if field.reducer is None:
        return write
    if field.reducer.appends and write.field in state:
        return Write(write.field, "append", write.text)
    new = field.adapter.validate_json(write.text)
    try:
        merged = field.reducer.merge(read(workflow, state, write.field), new)
    except Exception as error:  # a reducer is the user's function
        raise BadWrite(f"{node} wrote {write.field!r}: reducer {field.reducer.name!r} raised {error!r}") from error
    return Write(write.field, "set", encode(field.adapter, merged, f"{node} wrote {write.field!r}, reduced"))
