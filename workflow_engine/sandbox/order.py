"""The order for one command, checked: what a caller asks becomes what the prelude is told."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from workflow_engine import errors
from workflow_engine.sandbox.child import Order
from workflow_engine.sandbox.surroundings import environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def writable_folder(workspace: Path) -> Path:
    """The workspace without links on its way; raises UsageError if it is no folder one can write to."""
    folder = workspace.resolve()
    if not folder.is_dir():
        raise errors.UsageError(f"the workspace {workspace} is not a folder", "create it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise errors.UsageError(f"the workspace {workspace} cannot be written to")
    return folder


def order_for(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None,
    home: str,
    limits: Mapping[str, tuple[int, int]],
    cwd: str,
    user: int | None = None,
    shared: tuple[str, ...] = (),
) -> Order:
    if isinstance(argv, str) or not argv or not argv[0]:
        raise errors.UsageError(f"a command is a list of words, not {argv!r}", 'for example ["python", "-m", "pytest"]')
    words = environment(home, env)
    if any("\0" in word for word in (*argv, *words, *words.values())):
        raise errors.UsageError("a command and its environment cannot hold NUL characters")
    if any("=" in name or not name for name in words):
        raise errors.UsageError("the name of an environment variable cannot be empty or hold '='")
    return Order(tuple(argv), words, limits, cwd, user, shared)
