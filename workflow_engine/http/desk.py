"""The desk: what one process serves, and to whom."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workflow_engine.engine import Engine
from workflow_engine.http.rates import Rates
from workflow_engine.http.sessions import Sessions
from workflow_engine.http.tail import Tails
from workflow_engine.spec.workflow import Workflow

log = logging.getLogger("workflow_engine")


@dataclass(frozen=True)
class Desk:
    """An open engine and what is told of it. `workflows` are those whose runs can be begun here, `labels` where their
    code was found; `drives` says that this process goes on with their runs. `hosts` are the names it answers to, each
    with its port; `cookie` is what its cookie is called, for cookies know no ports.
    """

    engine: Engine
    sessions: Sessions
    tails: Tails
    workflows: Mapping[str, Workflow[Any]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    drives: bool = False
    read_only: bool = False
    hosts: frozenset[str] = frozenset()
    cookie: str = "workflow"
    rates: Rates = field(default_factory=Rates)
    driving: set[asyncio.Task[Any]] = field(default_factory=set)

    def drove(self, task: asyncio.Task[Any]) -> None:
        """A run that was set going by a request rests; what went wrong its journal tells, or else the log."""
        self.driving.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("a run that was set going here broke off: %s", error)
