"""Schedules in the ledger's file: one sealed row each. One that was deleted altogether leaves no trace."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Any

from workflow_engine.errors import ScheduleNotFound, ScheduleTaken, StoreDamaged
from workflow_engine.record.schedule import Schedule
from workflow_engine.stores.sqlite.queries import SQL
from workflow_engine.stores.sqlite.reader import Reader
from workflow_engine.stores.sqlite.reading import one
from workflow_engine.stores.sqlite.seals import seal
from workflow_engine.stores.sqlite.writer import Writer
from workflow_engine.stores.texts import schedule_of_text, schedule_text

_LOG = logging.getLogger("workflow_engine.stores")


class SqliteSchedules:
    """Implements ports.schedules.Schedules. Belongs to the event loop of its ledger."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader
        self._told: set[str] = set()

    async def every(self) -> Sequence[Schedule]:
        found, damaged = await self._reader.read(_every)
        for what in damaged - self._told:  # once, for a worker asks again and again
            _LOG.error("left out: %s", what)
        self._told = damaged
        return found

    async def get(self, name: str) -> Schedule:
        return await self._reader.read(partial(_get, name=name))

    async def add(self, schedule: Schedule) -> None:
        text = schedule_text(schedule)
        await self._do(partial(_add, name=schedule.name, text=text), partial(_holds, name=schedule.name, text=text))

    async def replace(self, before: Schedule, after: Schedule) -> bool:
        text = schedule_text(after)
        done: bool = await self._do(
            partial(_replace, before=before, text=text), partial(_replaced, name=after.name, text=text)
        )
        return done

    async def remove(self, name: str) -> None:
        await self._do(partial(_remove, name=name), partial(_gone, name=name))

    async def _do(self, work: Any, landed: Any) -> Any:
        return await asyncio.shield(self._writer.put(work, landed))


def sound(name: Any, mark: Any, text: Any) -> Schedule:
    """The schedule of a row. Raises StoreDamaged."""
    if isinstance(text, str) and isinstance(name, str) and mark == seal(text, name, "schedule"):
        try:
            schedule = schedule_of_text(text)
        except (ValueError, RecursionError):
            pass
        else:
            if schedule.name == name:
                return schedule
    cure = "nothing was loaded; remove it and add it anew: workflow schedule remove, add"
    raise StoreDamaged(f"schedule {name!r} is damaged: it does not fit its seal", cure)


def _every(db: sqlite3.Connection) -> tuple[list[Schedule], set[str]]:
    found: list[Schedule] = []
    damaged: set[str] = set()
    for row in db.execute(SQL["schedules"]):
        try:
            found.append(sound(*row))
        except StoreDamaged as error:
            damaged.add(error.what)
    return found, damaged


def _get(db: sqlite3.Connection, name: str) -> Schedule:
    found = one(db, "schedule", name)
    if found is None:
        raise ScheduleNotFound(f"no schedule {name!r}", "list them: workflow schedule list")
    return sound(*found)


def _add(db: sqlite3.Connection, name: str, text: str) -> None:
    if one(db, "schedule", name) is not None:
        raise ScheduleTaken(f"there is a schedule {name!r} already", "give it another name, or remove it")
    db.execute(SQL["insert_schedule"], (name, seal(text, name, "schedule"), text))


def _replace(db: sqlite3.Connection, before: Schedule, text: str) -> bool:
    found = one(db, "schedule", before.name)
    if found is None or sound(*found) != before:
        return False
    db.execute(SQL["update_schedule"], (seal(text, before.name, "schedule"), text, before.name))
    return True


def _remove(db: sqlite3.Connection, name: str) -> None:
    if one(db, "schedule", name) is None:
        raise ScheduleNotFound(f"no schedule {name!r}", "list them: workflow schedule list")
    db.execute(SQL["delete_schedule"], (name,))


# What each of them leaves behind, looked for when a COMMIT ended in doubt.


def _holds(db: sqlite3.Connection, _result: None, name: str, text: str) -> bool:
    found = one(db, "schedule", name)
    return found is not None and found[2] == text


def _replaced(db: sqlite3.Connection, result: bool, name: str, text: str) -> bool:
    return not result or _holds(db, None, name, text)


def _gone(db: sqlite3.Connection, _result: None, name: str) -> bool:
    return one(db, "schedule", name) is None
