"""Notices in memory: texts, as a file would hold them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from workflow_engine.record.ids import RunId
from workflow_engine.record.notice import Notice
from workflow_engine.stores.texts import notice_of_text, notice_text

Place = tuple[RunId, int, str]


class MemoryNotices:
    """Implements ports.notices.Notices; `changed` is told of every change."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._texts: dict[Place, str] = {}
        self._changed = changed

    async def due(self, now: datetime, most: int = 50) -> Sequence[Notice]:
        return [each for due, each in self._times() if due <= now][:most]

    async def next_due(self) -> datetime | None:
        return next((due for due, _ in self._times()), None)

    async def newest(self, most: int = 50) -> Sequence[Notice]:
        return [notice_of_text(text) for text in list(reversed(self._texts.values()))[:most]]

    async def replace(self, before: Notice, after: Notice) -> bool:
        if self._texts.get(_place(before)) != notice_text(before):
            return False
        self._texts[_place(before)] = notice_text(after)
        self._changed()
        return True

    def add(self, notices: Sequence[Notice]) -> None:
        """Those of a batch that is kept."""
        for each in notices:
            self._texts[_place(each)] = notice_text(each)

    def _times(self) -> list[tuple[datetime, Notice]]:
        every = [notice_of_text(text) for text in self._texts.values()]
        return sorted(((each.due, each) for each in every if each.due is not None), key=lambda pair: pair[0])


def _place(notice: Notice) -> Place:
    return notice.run, notice.seq, notice.happened
