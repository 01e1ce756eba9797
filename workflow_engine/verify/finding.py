"""A finding: one thing wrong with a workflow, where it is, and one line of cure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from workflow_engine.spec.nodes import Node
from workflow_engine.spec.workflow import Workflow

Severity = Literal["finding", "warning"]


@dataclass(frozen=True, order=True)
class Finding:
    """What breaks a law. A workflow with a finding does not run; a warning is only shown.

    `code` is W and three digits, the first of them the law's. `place` is a node, a field, an edge's beginning or the
    workflow. `where` is "file:line", beneath the working directory if it lies there.
    """

    code: str
    place: str
    what: str
    cure: str
    where: str | None = None
    severity: Severity = "finding"

    def __str__(self) -> str:
        first = f"  {self.code}  {self.place:<10} {self.what}"
        if self.where:
            first = f"{first:<78} {self.where}"
        return f"{first}\n        {'':<10} {self.cure}"


def broken(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings that keep a workflow from running: all but the warnings."""
    return tuple(each for each in findings if each.severity == "finding")


def where_of(workflow: Workflow[Any], place: str) -> str | None:
    """`file:line` of a node's body, else of the workflow's declaration."""
    node = workflow.nodes.get(place)
    found = None
    if isinstance(node, Node):
        try:
            found = node.where
        except (ValueError, AttributeError):  # a body whose __wrapped__ leads in a circle
            found = None
    return _beneath_here(found or workflow.where)


def _beneath_here(where: str | None) -> str | None:
    if not isinstance(where, str) or where.startswith("<"):
        return None
    try:
        return str(Path(where).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return where


def near(word: str, known: Iterable[str]) -> str:
    """`did you mean 'passed'? ` for the nearest known name, or nothing where none is near."""
    offers = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f"did you mean {offers[0]!r}? " if offers else ""


def called(annotation: Any) -> str:
    """A type as its user would write it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is None or annotation is type(None):
        return "None"
    if origin in (Union, UnionType):
        return " | ".join(called(each) for each in arguments)
    if origin is Annotated:
        return called(arguments[0])
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if isinstance(annotation, list):
        return f"[{', '.join(called(each) for each in annotation)}]"
    if origin is not None and arguments:
        return f"{called(origin)}[{', '.join('...' if each is ... else called(each) for each in arguments)}]"
    named = getattr(annotation, "__qualname__", None) or getattr(annotation, "__name__", None)
    return named.rpartition("<locals>.")[2] if isinstance(named, str) else repr(annotation).replace("typing.", "")
