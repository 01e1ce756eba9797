"""Inputs of a run, and edits of a fork: checked against the workflow's state, all mistakes at once."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from workflow_engine.errors import BadWrite, InputError, UsageError
from workflow_engine.record.codec import encode
from workflow_engine.record.values import Value, Write, set_to
from workflow_engine.spec.limits import RunLimits
from workflow_engine.spec.workflow import Workflow
from workflow_engine.steps.writing import within_state, within_write

LONGEST_NAME = 200


def checked(workflow: Workflow[Any], inputs: Mapping[str, Any], limits: RunLimits) -> tuple[Write, ...]:
    """The inputs as writes. Raises errors.InputError naming every unknown, missing, mistyped and too large field."""
    writes, problems = _written(workflow, inputs, {}, limits)
    problems += [f"{name}: missing" for name, field in workflow.fields.items() if field.required and name not in inputs]
    if problems:
        fields = ", ".join(f"{name}: {_type(field.type)}" for name, field in workflow.fields.items() if field.required)
        raise InputError(
            f"the inputs do not fit {workflow.name}:\n    " + "\n    ".join(problems),
            f"it takes {fields or 'no input'}",
        )
    return tuple(writes)


def edited(
    workflow: Workflow[Any], edits: Mapping[str, Any], state: Mapping[str, Value], limits: RunLimits
) -> tuple[Write, ...]:
    """The edits of a state as writes. Raises errors.InputError naming every unknown, mistyped and too large field."""
    writes, problems = _written(workflow, edits, state, limits)
    if problems:
        fields = ", ".join(f"{name}: {_type(field.type)}" for name, field in workflow.fields.items())
        raise InputError(
            f"the edits do not fit {workflow.name}:\n    " + "\n    ".join(problems), f"its state has {fields}"
        )
    return tuple(writes)


def _written(
    workflow: Workflow[Any], given: Mapping[str, Any], state: Mapping[str, Value], limits: RunLimits
) -> tuple[list[Write], list[str]]:
    problems: list[str] = []
    writes: list[Write] = []
    for name, value in given.items():
        field = workflow.fields.get(name)
        if field is None:
            near = get_close_matches(name, workflow.fields, 1)
            problems.append(f"{name}: no such field{f'; did you mean {near[0]!r}?' if near else ''}")
            continue
        try:
            writes.append(Write(name, "set", encode(field.adapter, field.adapter.validate_python(value), name)))
            within_write(writes[-1], name, limits)
        except ValidationError as error:
            problems.extend(
                f"{'.'.join(map(str, (name, *each['loc'])))}: {each['msg']}" for each in error.errors(include_url=False)
            )
        except BadWrite as error:
            problems.append(error.what)
    try:
        changed = {**state, **{write.field: set_to(write.text) for write in writes}}
        within_state(state, changed, "together", limits)
    except BadWrite as error:
        problems.append(error.what)
    return writes, problems


def signed(by: Any) -> str:
    """Who does something, as it is recorded: one line. Raises errors.UsageError for what is no name."""
    if not isinstance(by, str):
        raise UsageError(f"by= is of type {type(by).__name__}, and a name is text", 'by="ana"')
    name = " ".join(by.encode("utf-8", "replace").decode().split())
    if len(name) > LONGEST_NAME:
        raise UsageError(f"the name given as by= has {len(name):,} characters", f"use at most {LONGEST_NAME}")
    return name


def _type(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
