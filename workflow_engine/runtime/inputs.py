"""Inputs of a run: checked against the workflow's state, all mistakes at once."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from workflow_engine.errors import BadWrite, InputError
from workflow_engine.record.codec import encode
from workflow_engine.record.values import Write
from workflow_engine.spec.workflow import Workflow


def checked(workflow: Workflow[Any], inputs: Mapping[str, Any]) -> tuple[Write, ...]:
    """The inputs as writes. Raises errors.InputError naming every unknown, missing and mistyped field."""
    problems: list[str] = []
    writes: list[Write] = []
    for name, value in inputs.items():
        field = workflow.fields.get(name)
        if field is None:
            near = get_close_matches(name, workflow.fields, 1)
            problems.append(f"{name}: no such field{f'; did you mean {near[0]!r}?' if near else ''}")
            continue
        try:
            writes.append(Write(name, "set", encode(field.adapter, field.adapter.validate_python(value), name)))
        except ValidationError as error:
            problems.extend(
                f"{'.'.join(map(str, (name, *each['loc'])))}: {each['msg']}" for each in error.errors(include_url=False)
            )
        except BadWrite as error:
            problems.append(error.what)
    problems += [f"{name}: missing" for name, field in workflow.fields.items() if field.required and name not in inputs]
    if problems:
        fields = ", ".join(f"{name}: {_type(field.type)}" for name, field in workflow.fields.items() if field.required)
        raise InputError(
            f"the inputs do not fit {workflow.name}:\n    " + "\n    ".join(problems),
            f"it takes {fields or 'no input'}",
        )
    return tuple(writes)


def _type(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
