"""A workflow's state as LangGraph channels: a TypedDict with reducers, and what the exported graph keeps for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, TypedDict

from workflow_engine.errors import Failure
from workflow_engine.record.codec import decode, encode
from workflow_engine.record.values import Value, set_to
from workflow_engine.spec.state import Field
from workflow_engine.spec.workflow import Workflow

# A field of a pydantic model never begins with an underscore, so these names are free.
VISITS, COUNTS, CAUGHT = "_visits", "_counts", "_caught"


def _later(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {**old, **new}


def schemas_of(workflow: Workflow[Any]) -> tuple[Any, Any]:
    """The whole schema, and the part of it that callers give and get."""
    fields = {name: _annotation(field) for name, field in workflow.fields.items()}
    kept = {
        VISITS: Annotated[dict[str, int], _later],
        COUNTS: Annotated[dict[str, int], _later],
        CAUGHT: Annotated[dict[str, Failure], _later],
    }
    made: Any = TypedDict
    name = workflow.state.__name__
    return made(f"{name}AndMore", {**fields, **kept}, total=False), made(name, fields, total=False)


def _annotation(field: Field) -> Any:
    return field.type if field.reducer is None else Annotated[field.type, _merging(field.reducer.merge)]


def _merging(merge: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    # LangGraph counts the parameters of a reducer, which not every callable shows.
    def merged(old: Any, new: Any) -> Any:
        return merge(old, new)

    return merged


def seeds_of(workflow: Workflow[Any], channels: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with a reducer whose channel does not begin at the field's default, and what it begins at instead."""
    found: dict[str, Any] = {}
    for name, field in workflow.fields.items():
        if field.reducer is not None and not field.required:
            first = channels[name].value
            if first != field.default:
                found[name] = first
    return found


class Values(Mapping[str, Value]):
    """The channels' values as bodies and routes read them: encoded when asked for, so that each read is a copy."""

    def __init__(self, workflow: Workflow[Any], state: Mapping[str, Any]) -> None:
        self._fields = workflow.fields
        self._state = {name: value for name, value in state.items() if name in self._fields}

    def __getitem__(self, name: str) -> Value:
        adapter = self._fields[name].adapter
        return set_to(adapter.dump_json(adapter.validate_python(self._state[name])).decode())

    def __iter__(self) -> Iterator[str]:
        return iter(self._state)

    def __len__(self) -> int:
        return len(self._state)

    def after(self, workflow: Workflow[Any], written: Mapping[str, Any]) -> Values:
        """The values once these were written."""
        state = dict(self._state)
        for name, value in written.items():
            field = self._fields[name]
            state[name] = value if field.reducer is None else field.reducer.merge(state.get(name, field.default), value)
        return Values(workflow, state)


def checked(workflow: Workflow[Any], node: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Copies of what a node wrote. Raises errors.BadWrite for what its fields cannot hold."""
    adapters = {name: workflow.fields[name].adapter for name in values}
    return {
        name: decode(adapters[name], encode(adapters[name], value, f"{node} wrote {name!r}"))
        for name, value in values.items()
    }
