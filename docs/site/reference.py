"""The reference: which names are public, on which page each stands; their docstrings are read at build time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import get_origin

ENGINE = "workflow_engine"


@dataclass(frozen=True)
class Chapter:
    """One page of the reference: a title, what to say first, and names by the room that exports them."""

    title: str
    opening: str
    names: Mapping[str, tuple[str, ...]]


def exported(room: str) -> tuple[str, ...]:
    """What a room exports: its `__all__`, and where it has none every public class it defines."""
    module = import_module(room)
    if (names := getattr(module, "__all__", None)) is not None:
        return tuple(names)
    return tuple(name for name, each in vars(module).items() if getattr(each, "__module__", None) == room)


def _of(*names: str) -> Mapping[str, tuple[str, ...]]:
    return {ENGINE: names}


def _all_of(*rooms: str) -> Mapping[str, tuple[str, ...]]:
    return {f"{ENGINE}.{room}": exported(f"{ENGINE}.{room}") for room in rooms}


def chapters() -> dict[str, Chapter]:
    """Every page of the reference by its name."""
    return {
        "declaring": Chapter(
            "Declaring a workflow",
            "The workflow, its state and its edges. The [guide](../guide.md) shows them at work.",
            _of(
                *(
                    "workflow",
                    "Workflow",
                    "State",
                    "Reducer",
                    "append",
                    "total",
                    "union",
                    "File",
                    "Chat",
                    "START",
                    "END",
                    "FAIL",
                ),
                *("Edge", "at_most", "leaving", "from_document", "to_document"),
            ),
        ),
        "nodes": Chapter(
            "Nodes",
            "The kinds of nodes, and what their bodies are given and give.",
            _of(
                *("function", "Step", "StepError", "Failure", "route", "human", "Question", "agent", "tool", "Tool"),
                *("specialist", "Specialist", "guardrail", "Guardrail", "each", "Result", "subflow", "wait", "signal"),
                *("all_of", "any_of", "langgraph_node", "Sandbox", "Limits", "Completed"),
            ),
        ),
        "policies": Chapter(
            "Policies and change",
            "What a step may take, and what a workflow that changed says of its runs: see [Policies](../policies.md) "
            "and [Change](../change.md).",
            _of(
                *("Retry", "Budget", "Breaker", "RunLimits", "add_field", "change_field", "drop_field", "rename_field"),
                *("rename_node", "rename_outcome"),
            ),
        ),
        "engine": Chapter(
            "Running",
            "The engine and its verbs, what they give, and the store. See [Running](../running.md).",
            {
                ENGINE: (
                    *("run_sync", "Engine", "RunView", "Principal", "Store", "open_saver", "to_langgraph", "verify"),
                    *("ceiling", "InvalidWorkflow", "WorkflowError"),
                ),
                f"{ENGINE}.verify": ("Finding", "Ceiling", "fits", "broken"),
                f"{ENGINE}.saver": ("OpenSaver",),
            },
        ),
        "errors": Chapter(
            "Errors",
            "Every error the engine raises on purpose is a `WorkflowError`: what is wrong, and one line of cure.",
            _all_of("errors"),
        ),
        "events": Chapter(
            "The journal",
            "The events a run is the fold of: what `Engine.journal`, `Engine.watch`, listeners and "
            "`workflow watch --jsonl` tell.",
            _all_of("record.events"),
        ),
        "agents": Chapter(
            "Agents and models",
            "Choosing a model, and runners in place of the one that is used. See [Agents](../agents.md) and "
            "[Models](../models.md).",
            _all_of("agents"),
        ),
        "tools": Chapter(
            "Ready-made tools",
            "See [Tools](../tools.md).",
            _all_of("tools"),
        ),
        "testing": Chapter(
            "Testing",
            "The public kit for tests. See [Testing](../testing.md).",
            _all_of("testing"),
        ),
        "stores": Chapter(
            "Stores and surroundings",
            "Where runs are kept, how a store is encrypted, and where code nobody vouches for runs.",
            _all_of("stores.sqlite", "stores.memory", "stores.encryption", "sandbox"),
        ),
        "notify": Chapter(
            "Notifications",
            "Questions and failures told to people.",
            _all_of("notify"),
        ),
        "notebook": Chapter(
            "Notebooks",
            "What shows workflows and runs in a cell, and a run that is watched from one.",
            _all_of("notebook"),
        ),
        "draw": Chapter(
            "Pictures",
            "Diagrams of workflows and runs as plain values, and their pictures.",
            _all_of("draw"),
        ),
    }


INDEX = """\
# Reference

From the docstrings of what is exported; nothing else is public. Names that begin the list are imported from
`workflow_engine` itself, the others from the room that is named.

"""


def pages() -> dict[str, str]:
    """Every page of the reference, as its tool reads it."""
    index = [INDEX]
    made: dict[str, str] = {}
    for short, chapter in chapters().items():
        place = f"reference/{short}.md"
        parts = [f"# {chapter.title}", chapter.opening]
        listed: list[str] = []
        for room, names in chapter.names.items():
            if room != ENGINE:
                parts.append(f"`from {room} import ...`")
            for name in names:
                parts.append(f"::: {room}.{name}{_options(room, name)}")
                listed.append(f"[`{name}`]({short}.md#{room}.{name})")
        made[place] = "\n\n".join(parts) + "\n"
        index.append(f"**[{chapter.title}]({short}.md)**: {', '.join(listed)}\n\n")
    index.append("**[The command line](command-line.md)**: every command, its options and its exit codes\n")
    return {"reference/index.md": "".join(index), **made}


def _options(room: str, name: str) -> str:
    if name == "Engine":  # its verbs are inherited from the service, where no reader looks for them
        return "\n    options:\n      inherited_members: true"
    if is_alias(room, name):
        return "\n    options:\n      show_if_no_docstring: true"
    return ""


def is_alias(room: str, name: str) -> bool:
    """Whether a name stands for a type that is written out, or for a value: it has no docstring of its own."""
    each = getattr(import_module(room), name)
    return not callable(each) or get_origin(each) is not None
