"""The calendar: which moments a schedule is due at. Pure; told the time, never asking for it.

Cron expressions are read by cronsim, which does as Debian's cron does where clocks are put forward or back: what is set
for an hour of the day comes once on such a day, in the minute after the gap where its own was skipped, and at the first
of two equal times; what comes every so many minutes or hours (its field begins with a star) follows elapsed time. Every
moment is told in UTC, so that one due time is one moment whoever computes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from workflow_engine.errors import UsageError
from workflow_engine.record.schedule import Schedule

LEAST = timedelta(seconds=1)
_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_PARTS = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|m|s)", re.I)
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_ZONE = re.compile(r"[A-Za-z][\w+-]*(/[A-Za-z][\w+-]*)*", re.ASCII)
_CRON = 'write five fields (minute hour day month weekday), as in "0 6 * * MON-FRI"'


def interval(text: str) -> timedelta:
    """The duration of a text. Raises UsageError for what is none.

    >>> interval("15m"), interval("1h30m"), interval("1.5d")
    (datetime.timedelta(seconds=900), datetime.timedelta(seconds=5400), datetime.timedelta(days=1, seconds=43200))
    """
    given = text.strip()
    if not given or _PARTS.sub("", given).strip():
        raise UsageError(f"{text!r} is no duration", "write 90s, 15m, 1h30m or 2d")
    try:
        return timedelta(seconds=sum(float(number) * _SECONDS[unit.lower()] for number, unit in _PARTS.findall(given)))
    except OverflowError:
        raise UsageError(f"{text!r} is longer than time goes on", "write 90s, 15m, 1h30m or 2d") from None


def expression(cron: str) -> str:
    """A cron expression as it is kept. Raises UsageError for what is none, and for one that never comes."""
    from cronsim import CronSim, CronSimError

    given = _ALIASES.get(cron.strip().lower(), " ".join(cron.split()))
    try:
        next(CronSim(given, datetime(2000, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise UsageError(f"{cron!r} is no cron expression: {str(error).lower()}", _CRON) from None
    except StopIteration:
        raise UsageError(f"{cron!r} never comes", _CRON) from None
    except Exception:  # what the library did not expect to be given
        raise UsageError(f"{cron!r} is no cron expression", _CRON) from None
    return given


def zone(name: str) -> ZoneInfo:
    """The time zone of a name. Raises UsageError."""
    try:
        if not _ZONE.fullmatch(name):  # of others no file and no package is looked for, whoever forged it
            raise ValueError(name)
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise UsageError(f"there is no time zone {name!r}", "name one as in Europe/Berlin, or UTC") from None


def first_after(schedule: Schedule, moment: datetime) -> datetime | None:
    """The first due time after a moment; None where there is none in fifty years."""
    return next(_after(schedule, moment), None)


def last_until(schedule: Schedule, after: datetime, until: datetime) -> datetime | None:
    """The last due time after one moment and not after another, found without counting all those between them."""
    if schedule.every is not None:
        apart = _apart(schedule.every)
        number = (until - schedule.created) // apart
        last = schedule.created + number * apart
        return last if number > 0 and last > after else None
    back = timedelta(minutes=2)
    while True:
        start = max(after, until - back)
        found: datetime | None = None
        for due in _after(schedule, start):
            if due > until:
                break
            found = due
        if found is not None or start == after:
            return found
        back *= 8


def _after(schedule: Schedule, moment: datetime) -> Iterator[datetime]:
    """The due times after a moment, in order."""
    if schedule.every is not None:
        apart = _apart(schedule.every)
        number = max((moment - schedule.created) // apart, 0)
        while True:
            number += 1
            yield schedule.created + number * apart
    from cronsim import CronSim

    last = moment
    for local in CronSim(schedule.cron or "", moment.astimezone(zone(schedule.timezone))):
        due = local.astimezone(UTC)
        # Around a clock that is put back, the library begins with the first of two equal times.
        if due > last:
            yield due
            last = due


def _apart(seconds: float) -> timedelta:
    if seconds < LEAST.total_seconds():  # `add` refuses it, so somebody forged it
        raise ValueError(f"every {seconds:g} s is too often")
    return timedelta(seconds=seconds)
