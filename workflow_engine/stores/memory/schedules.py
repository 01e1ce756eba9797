"""Schedules in memory: texts, as a file would hold them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from workflow_engine.errors import ScheduleNotFound, ScheduleTaken
from workflow_engine.record.schedule import Schedule
from workflow_engine.stores.texts import schedule_of_text, schedule_text


class MemorySchedules:
    """Implements ports.schedules.Schedules; `changed` is told of every change."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._texts: dict[str, str] = {}
        self._changed = changed

    async def every(self) -> Sequence[Schedule]:
        return [schedule_of_text(text) for _, text in sorted(self._texts.items())]

    async def get(self, name: str) -> Schedule:
        if name not in self._texts:
            raise ScheduleNotFound(f"no schedule {name!r}", "list them: workflow schedule list")
        return schedule_of_text(self._texts[name])

    async def add(self, schedule: Schedule) -> None:
        text = schedule_text(schedule)
        if schedule.name in self._texts:
            raise ScheduleTaken(f"there is a schedule {schedule.name!r} already", "give it another name, or remove it")
        self._put(schedule.name, text)

    async def replace(self, before: Schedule, after: Schedule) -> bool:
        text = schedule_text(after)
        if self._texts.get(before.name) != schedule_text(before):
            return False
        self._put(after.name, text)
        return True

    async def remove(self, name: str) -> None:
        await self.get(name)
        del self._texts[name]
        self._changed()

    def _put(self, name: str, text: str) -> None:
        self._texts[name] = text
        self._changed()
