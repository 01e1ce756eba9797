"""The arguments that several commands share, each spelt and explained once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ExecutorName(StrEnum):
    """Who drives a run: both end in the same state."""

    NATIVE = "native"
    LANGGRAPH = "langgraph"


Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="graphs/ship.py, graphs/ship.py:ship or graphs.ship:ship")
]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="a run's id, its beginning, or @last")]
Store = Annotated[
    Path | None,
    # Whether it can be read is the store's word (exit 8), not a matter of usage.
    typer.Option(
        "--store", metavar="PATH", readable=False, help="where runs live (WORKFLOW_STORE; checkpoints/runs.sqlite)"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="one JSON document on stdout")]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="'offline' for the playbook, or a model: NAME or NAME@ENDPOINT; repeated, or with commas, a chain",
    ),
]
Executor = Annotated[ExecutorName, typer.Option("--executor", help="who drives the run")]
AllowUnsandboxed = Annotated[
    bool, typer.Option("--allow-unsandboxed", help="let a live model's code run without a sandbox")
]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="who does this (your login name)")]


def chain(models: list[str] | None) -> str | None:
    """What `--model` says, however often it was given, as one text."""
    return ",".join(models) if models else None


def who(by: str | None) -> str:
    """The name an act is recorded under."""
    if by:
        return by
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may run under a number that has no name
        return "unknown"
