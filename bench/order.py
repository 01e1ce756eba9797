"""An order: what the driver tells a child process to do, as one JSON argument."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.works import Work

PAGE = 50
"""Runs on the first page of a list."""
VICTIMS = 10
"""Runs that are left unfinished among many."""


@dataclass(frozen=True)
class Order:
    """`phase` is "measure", or what comes before: "prepare" a store and be killed, "die" as often as asked.

    An `audit` counts commits and is not timed, nor is what is looked at with a profiler.
    """

    module: str
    work: Work
    folder: str
    options: dict[str, Any] = field(default_factory=dict)
    phase: str = "measure"
    audit: bool = False
    turn: int = 0
    profile: bool = False

    @property
    def store(self) -> Path:
        return Path(self.folder) / "store.sqlite"

    @property
    def warm(self) -> Path:
        """Where a child warms up, so that the store it is measured on holds the work and nothing else."""
        return Path(self.folder) / "warm.sqlite"

    @property
    def payload(self) -> str:
        return "x" * self.work.payload

    def item(self, number: int) -> str:
        """What is appended in one step; each differs from the others."""
        return f"{number:08d}".ljust(self.work.item, "x")

    def text(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def of(text: str) -> Order:
        values = json.loads(text)
        work = values.pop("work")
        return Order(work=Work(**{**work, "subjects": tuple(work["subjects"])}), **values)
