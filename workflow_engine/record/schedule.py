"""A schedule: when runs of a workflow are begun by themselves. It is data, and outlives the process that made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from workflow_engine.record.ids import RunId, derived_id


@dataclass(frozen=True)
class Schedule:
    """When, by a `cron` expression in a `timezone` or `every` so many seconds since `created`, and of what.

    `inputs` are plain JSON; the field named by `due_as` is given each due time. Every due time up to `settled` was
    started or passed over. With `catch_up`, each one that was missed is started, else only the last of them. `last` is
    the run that was started last, and `trouble` why the last due time started none.
    """

    name: str
    workflow: str
    created: datetime
    settled: datetime
    cron: str | None = None
    every: float | None = None
    timezone: str = "UTC"
    inputs: Mapping[str, Any] = field(default_factory=dict)
    due_as: str | None = None
    target: str | None = None
    catch_up: bool = False
    paused: bool = False
    last: RunId | None = None
    trouble: str = ""

    def run(self, due: datetime) -> RunId:
        """The run of a due time: the same for whoever starts it, so that it is started once."""
        return derived_id("schedule", self.name, self.created.isoformat(), due.isoformat())
