"""Schedules as verbs: add, list, look, remove, pause, resume. What is due is begun by workers (firing.py)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from workflow_engine.errors import InputError, UsageError
from workflow_engine.ports import schedules as port
from workflow_engine.ports.schedules import KeepsSchedules
from workflow_engine.record.schedule import Schedule
from workflow_engine.runtime.calendar import LEAST, expression, first_after, zone
from workflow_engine.runtime.code import proved
from workflow_engine.runtime.inputs import checked
from workflow_engine.runtime.workshop import Workshop
from workflow_engine.spec.workflow import Workflow

_NAME = re.compile(r"[^\W_][\w.@-]{0,99}")


class Schedules:
    """The schedules of an engine's store: `engine.schedules`."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop

    async def add(
        self,
        workflow: Workflow[Any],
        cron: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        every: timedelta | None = None,
        timezone: str = "UTC",
        name: str | None = None,
        due_as: str | None = None,
        catch_up: bool = False,
        label: str | None = None,
    ) -> Schedule:
        """Begin a run at each due time from now on: by a cron expression, or every so long.

        The name is the workflow's where none is given. `due_as` names a field that is given the due time. With
        `catch_up`, every due time is started that passed while no worker ran, else the last of them. Raises
        errors.UsageError for no such time or zone, errors.InputError, errors.ScheduleTaken.
        """
        proved(self._shop, workflow)
        now = self._shop.around.clock.now().astimezone(UTC).replace(microsecond=0)
        if (cron is None) == (every is None):
            raise UsageError("a schedule has a cron expression or an interval", 'cron="0 6 * * *" or every=timedelta()')
        if every is not None and every < LEAST:
            raise UsageError(f"every {every.total_seconds():g} s is too often", "a second is the least")
        zone(timezone)
        name = workflow.name if name is None else name
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name of a schedule", "use letters, digits, - and _, at most 100")
        schedule = Schedule(
            name,
            workflow.name,
            now,
            now,
            None if cron is None else expression(cron),
            None if every is None else every.total_seconds(),
            timezone,
            {},
            due_as,
            label,
            catch_up,
        )
        due = first_after(schedule, now)
        if due is None:
            raise UsageError(f"{cron!r} never comes", "look at its day and month")
        given = dict(inputs or {})
        if due_as is not None and due_as in given:
            raise InputError(f"{due_as} is given each due time, and a value as well", "give one of them")
        written = checked(workflow, {**given, **due_input(workflow, schedule, due)}, self._shop.around.limits)
        plain = {each.field: json.loads(each.text) for each in written if each.field != due_as}
        schedule = replace(schedule, inputs=plain)
        await kept(self._shop).add(schedule)
        self._shop.ring()
        return schedule

    async def list(self) -> list[Schedule]:
        """All schedules, by name."""
        return [*await kept(self._shop).every()]

    async def get(self, name: str) -> Schedule:
        """One schedule. Raises errors.ScheduleNotFound."""
        return await kept(self._shop).get(name)

    def next(self, schedule: Schedule) -> datetime | None:
        """When it is due next; None while it is paused."""
        return None if schedule.paused else first_after(schedule, schedule.settled)

    async def remove(self, name: str) -> None:
        """Forget a schedule; the runs that it began go on. Raises errors.ScheduleNotFound."""
        await kept(self._shop).remove(name)

    async def pause(self, name: str) -> Schedule:
        """Begin nothing until it is resumed: what is due meanwhile is passed over."""
        return await self._changed(name, paused=True)

    async def resume(self, name: str) -> Schedule:
        """Begin again at the next due time after now."""
        now = self._shop.around.clock.now().astimezone(UTC)
        return await self._changed(name, paused=False, settled=now, trouble="")

    async def _changed(self, name: str, *, paused: bool, **changes: Any) -> Schedule:
        while True:
            before = await self.get(name)
            if before.paused == paused:
                return before
            after = replace(before, paused=paused, **changes)
            if await kept(self._shop).replace(before, after):
                self._shop.ring()
                return after


def kept(shop: Workshop) -> port.Schedules:
    """Where the schedules are. Raises UsageError for a store that keeps none."""
    if not isinstance(shop.ledger, KeepsSchedules):
        raise UsageError(f"{type(shop.ledger).__name__} keeps no schedules", "open the engine on a file")
    return shop.ledger.schedules


def typed_inputs(workflow: Workflow[Any], schedule: Schedule, due: datetime) -> dict[str, Any]:
    """What a run of a schedule begins with. Raises errors.InputError where the workflow's fields have changed."""
    found: dict[str, Any] = {}
    for name, value in schedule.inputs.items():
        field = workflow.fields.get(name)
        try:
            found[name] = value if field is None else field.adapter.validate_json(json.dumps(value))
        except ValidationError as error:
            why = error.errors(include_url=False)[0]["msg"]
            raise InputError(f"{name}: {why}", "remove the schedule and add it anew") from error
    return {**found, **due_input(workflow, schedule, due)}


def due_input(workflow: Workflow[Any], schedule: Schedule, due: datetime) -> dict[str, Any]:
    """The due time as its field takes it: with its zone, as a day, or as text. Raises errors.InputError."""
    name = schedule.due_as
    if name is None:
        return {}
    field = workflow.fields.get(name)
    local = due.astimezone(zone(schedule.timezone))
    if field is None:
        return {name: local}  # told with all else that is wrong
    for text in (local.isoformat(), local.date().isoformat()):
        try:
            return {name: field.adapter.validate_json(json.dumps(text))}
        except ValidationError:
            continue
    raise InputError(f"{name} takes no due time", "give it a field of type datetime, date or str")


__all__ = ["Schedules", "due_input", "kept", "typed_inputs"]
