"""From values to writes: checked against the field's type, joined by its reducer, encoded as typed JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from workflow_engine.bodies.scene import read
from workflow_engine.errors import BadWrite, LimitExceeded
from workflow_engine.record.codec import encode
from workflow_engine.record.values import Value, Write, bytes_of
from workflow_engine.spec.limits import RunLimits
from workflow_engine.spec.workflow import Workflow


def writes_of(workflow: Workflow[Any], node: str, values: Mapping[str, Any], limits: RunLimits) -> tuple[Write, ...]:
    """Each value encoded on its own, before any reducer. Raises errors.BadWrite, naming the node and the field."""
    made: list[Write] = []
    for name, value in values.items():
        made.append(Write(name, "set", encode(workflow.fields[name].adapter, value, f"{node} wrote {name!r}")))
        within_write(made[-1], f"{node} wrote {name!r}", limits)
    return tuple(made)


def decoded(workflow: Workflow[Any], values: Mapping[str, Any], limits: RunLimits) -> tuple[Write, ...]:
    """An answer's values, which are plain JSON, as writes. Raises what the fields' types raise, and errors.BadWrite."""
    typed = {name: workflow.fields[name].adapter.validate_json(json.dumps(value)) for name, value in values.items()}
    return writes_of(workflow, "the answer", typed, limits)


def within_write(write: Write, place: str, limits: RunLimits) -> None:
    """Raises errors.LimitExceeded, naming the place, if one write is too large."""
    size = bytes_of(write.text)
    if size > limits.write:
        raise LimitExceeded(
            f"{place}: {size:,} bytes of JSON, and one write holds at most {limits.write:,}",
            f"{_ELSEWHERE}, or raise the limit: RunLimits(write=...), WORKFLOW_LIMIT_WRITE",
        )


def within_state(before: Mapping[str, Value], state: Mapping[str, Value], place: str, limits: RunLimits) -> None:
    """Raises errors.LimitExceeded, naming the place, if the state grows too large. What makes it no larger may be."""
    size = sum(value.size for value in state.values())
    if size <= limits.state or size <= sum(value.size for value in before.values()):
        return
    name, largest = max(state.items(), key=lambda each: each[1].size)
    raise LimitExceeded(
        f"{place}: the state would hold {size:,} bytes of JSON ({name!r} alone {largest.size:,}), and it holds at most "
        f"{limits.state:,}",
        f"{_ELSEWHERE}, or raise the limit: RunLimits(state=...), WORKFLOW_LIMIT_STATE",
    )


_ELSEWHERE = "keep large artefacts in files and their place in the state"


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
