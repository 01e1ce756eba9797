"""The step as its body sees it: which run, visit and attempt this is, where to work, whom to tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from workflow_engine.making import quickly


def _nowhere() -> Path:
    raise RuntimeError("this Step was made without a workspace; pass Step(workspace_at=lambda: path)")


@quickly
@dataclass(frozen=True)
class Step:
    """Handed to a parameter annotated `Step`. In a unit test `Step()` will do.

    `key` is the same for every attempt of this visit: send it along as idempotency key. In an `each` node `item` is the
    place of the item in its list (from 0), and the key is that item's own.
    """

    run: str = "run"
    node: str = "node"
    visit: int = 1
    attempt: int = 1
    key: str = "run/node/1"
    item: int | None = None
    log: Callable[[str], None] = field(default=lambda _: None, repr=False)
    progress: Callable[[str], None] = field(default=lambda _: None, repr=False)
    workspace_at: Callable[[], Path] = field(default=_nowhere, repr=False)
    is_cancelled: Callable[[], bool] = field(default=lambda: False, repr=False)

    @property
    def workspace(self) -> Path:
        """An empty folder of this attempt alone, gone after the step: rebuild from the state what you need in it."""
        return self.workspace_at()

    @property
    def cancelled(self) -> bool:
        """Whether somebody wants this step to stop; a plain function has to look for itself."""
        return self.is_cancelled()
