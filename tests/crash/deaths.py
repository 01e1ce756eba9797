"""How a process dies: at one of its writes, at one of SQLite's statements, or whenever somebody else kills it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workflow_engine.ports.ledger import Ledger
from workflow_engine.stores.sqlite import open_ledger
from workflow_engine.testing import kill, kill_after
from workflow_engine.testing.crash import When

NEVER = 10**9


@dataclass(frozen=True)
class Death:
    """The `number`-th write or statement, and which side of it.

    One that lingers lets its other threads go on for a moment before it dies: what it does too early, it does then.
    """

    level: Literal["write", "statement"]
    number: int
    when: When = "before"
    lingers: bool = False

    def __str__(self) -> str:
        return f"{self.when} {self.level} {self.number}{', lingering' if self.lingers else ''}"


class Statements(sqlite3.Connection):
    """Counts what changes the file, over all connections of the process, and dies at one of them."""

    count = 0
    death = Death("statement", NEVER)

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return self._counted(sql, super().execute, values)

    def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return self._counted(sql, super().executemany, values)

    def executescript(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return self._counted(sql, super().executescript, values)

    def _counted(self, sql: str, act: Callable[..., sqlite3.Cursor], values: Any) -> sqlite3.Cursor:
        if not sql.lstrip().upper().startswith(_CHANGING):
            return act(sql, *values)
        Statements.count += 1
        death = Statements.death
        dies = Statements.count == death.number
        if dies and death.when == "before":
            self._die(death)
        made = act(sql, *values)
        if dies:
            self._die(death)
        return made

    @staticmethod
    def _die(death: Death) -> None:
        if death.lingers:
            time.sleep(0.03)
        kill()


_CHANGING = (
    "BEGIN IMMEDIATE",
    "INSERT",
    "UPDATE",
    "DELETE",
    "REPLACE",
    "COMMIT",
    "PRAGMA JOURNAL_MODE",
    "PRAGMA WAL_CH",
)


async def mortal(path: Path, death: Death | None) -> Ledger:
    """The store at a path, in a process that dies so."""
    if death is not None and death.level == "statement":
        Statements.death = death
    ledger: Any = await open_ledger(path, factory=Statements)
    at_write = death is not None and death.level == "write"
    return kill_after(ledger, death.number, when=death.when) if at_write and death else kill_after(ledger, NEVER)
