"""Nesting: the workflows within a workflow, by the nodes that are made of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workflow_engine.errors import DeclarationError
from workflow_engine.spec.each import Each
from workflow_engine.spec.nodes import Agent, Node
from workflow_engine.spec.subflow import Subflow
from workflow_engine.spec.workflow import Workflow


def subflow_of(node: Node) -> Subflow | None:
    """The subflow that a node is, or that it does for each item."""
    one = node.one if isinstance(node, Each) else node
    return one if isinstance(one, Subflow) else None


def subflows_of(workflow: Workflow[Any]) -> Iterator[Subflow]:
    """Its nodes that are workflows, for each item of a list too, in order of name."""
    for _, node in sorted(workflow.nodes.items(), key=lambda each: str(each[0])):
        one = subflow_of(node)
        if one is not None:
            yield one


def agents_within(workflow: Workflow[Any]) -> tuple[Agent[Any, Any], ...]:
    """Its agents, and those of every workflow within it."""
    return tuple(each for one in (workflow, *nested(workflow).values()) for each in one.agents)


def nested(workflow: Workflow[Any]) -> Mapping[str, Workflow[Any]]:
    """Every workflow within this one, at whatever depth, each once: by the first path of nodes that leads to it.

    The workflow itself is none of them, even where it contains itself. One that is not there is left out.
    """
    found: dict[str, Workflow[Any]] = {}
    seen = {id(workflow)}
    ahead = [("", workflow)]
    while ahead:
        path, around = ahead.pop(0)
        for node in subflows_of(around):
            try:
                inner = node.workflow
            except DeclarationError:
                continue
            if id(inner) not in seen:
                seen.add(id(inner))
                place = f"{path}/{node.name}" if path else node.name
                found[place] = inner
                ahead.append((place, inner))
    return found
