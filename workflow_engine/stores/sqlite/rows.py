"""Rows of the store, sealed when they are made and checked when they are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from types import NoneType
from typing import Any, TypeVar

from workflow_engine.errors import StoreDamaged
from workflow_engine.making import quickly
from workflow_engine.ports.ledger import Listed
from workflow_engine.record.ids import RunId
from workflow_engine.record.run import Run
from workflow_engine.stores.sqlite.lending import MOST
from workflow_engine.stores.sqlite.seals import seal
from workflow_engine.stores.texts import run_of_text, run_text

T = TypeVar("T")
_quoted = lru_cache(maxsize=4096)(json.dumps)
Row = tuple[Any, ...]

_CURE = "nothing was loaded; restore the store from a backup, or leave this run alone: the others are readable"


def damaged(run: str, place: str, why: str) -> StoreDamaged:
    """The error for a row that fails its checks."""
    return StoreDamaged(f"run {run} is damaged: {place} {why}", _CURE)


def checked(kept: Any, text: Any, run: str, place: str, *parts: str | int | None) -> str:
    """The text, if its seal fits it at this place. Raises StoreDamaged."""
    if not isinstance(text, str) or kept != seal(text, *parts):
        raise damaged(run, place, "does not fit its seal")
    return text


def decoded(read: Callable[[str], T], text: str, run: str, place: str) -> T:
    """The value of a checked text. Raises StoreDamaged where it does not fit its type, as a forged one may not."""
    try:
        return read(text)
    except (ValueError, RecursionError) as error:
        raise damaged(run, place, f"is not what it should be ({str(error).splitlines()[0]})") from error


@quickly
@dataclass(frozen=True)
class RunRow:
    """A run's own row. `fields` maps each field to the number of its newest version."""

    id: RunId
    workflow: str
    status: str
    reason: str | None
    created: str
    updated: str
    steps: int
    target: str | None
    epoch: int
    seq: int
    document: str | None
    fields: Mapping[str, int]
    text: str
    key: int = 0

    @cached_property
    def due(self) -> int | None:
        """When the first of its questions or waits is over, in microseconds since 1970."""
        return micros(self.run.due)

    @cached_property
    def topics(self) -> str | None:
        """What it listens to, each topic between line ends."""
        return "\n".join(["", *sorted(self.run.topics), ""]) if self.run.topics else None

    @property
    def within(self) -> RunId | None:
        """The run that it lies within."""
        # Few runs do, and reading the others for it would take most of a list's time.
        read = "run" in self.__dict__ or '"within":{' in self.text
        around = self.run.within if read else None
        return None if around is None else around.run

    def stored(self) -> dict[str, Any]:
        """All columns: the sealed ones, and those by which the run is found and which its text says as well."""
        return {**self.sealed(), "due": self.due, "topics": self.topics, "within": self.within}

    def sealed(self) -> dict[str, Any]:
        """The columns as they are sealed."""
        fields = f"{{{','.join([f'{_quoted(name)}:{newest}' for name, newest in self.fields.items()])}}}"
        return {
            "key": self.key,
            "id": self.id,
            "workflow": self.workflow,
            "status": self.status,
            "reason": self.reason,
            "created": self.created,
            "updated": self.updated,
            "steps": self.steps,
            "target": self.target,
            "epoch": self.epoch,
            "seq": self.seq,
            "document": self.document,
            "seal": seal(self.text, *self._place(), fields),
            "fields": fields,
            "text": self.text,
        }

    def _place(self) -> tuple[str | int | None, ...]:
        return (
            self.id,
            self.workflow,
            self.status,
            self.reason,
            self.created,
            self.updated,
            self.steps,
            self.target,
            self.epoch,
            self.seq,
            self.document,
        )

    @cached_property
    def run(self) -> Run:
        """The run itself. Raises StoreDamaged."""
        run = decoded(run_of_text, self.text, self.id, "its own row")
        told = (run.id, run.workflow, run.status, run.steps, run.seq, run.target)
        if told != (self.id, self.workflow, self.status, self.steps, self.seq, self.target):
            raise damaged(self.id, "its own row", "says two things in its columns and its text")
        return run

    def _cost(self) -> float | None:
        """What its model calls cost. Only runs that made some are decoded: it would take most of a list's time."""
        if '"usage":' not in self.text:
            return 0.0
        return self.run.usage.cost if self.run.usage.requests else 0.0

    def listed(self, letters: bool) -> Listed:
        """The run in a list."""
        created, updated = (self._time(each) for each in (self.created, self.updated))
        # Few runs are forks, and reading all of them for their parents would take most of a list's time.
        parent = self.run.parent if '"parent":[' in self.text else None
        return Listed(
            self.id,
            self.workflow,
            self.status,
            self.reason,
            created,
            updated,
            self.steps,
            letters,
            self.target,
            parent,
            self.within,
            self._cost(),
        )

    def _time(self, text: str) -> datetime:
        return decoded(datetime.fromisoformat, text, self.id, "its own row")

    def taken_over(self) -> RunRow:
        """The row for its next owner."""
        taken = replace(self, epoch=self.epoch + 1)
        taken.__dict__["run"] = self.run  # read already
        return taken


def row_of(run: Run, epoch: int, document: str | None, fields: Mapping[str, int], key: int = 0) -> RunRow:
    """The row for a run as it stands. Raises StoreError if JSON cannot carry it."""
    row = RunRow(
        run.id,
        run.workflow,
        run.status,
        run.reason,
        run.created.isoformat(),
        run.updated.isoformat(),
        run.steps,
        run.target,
        epoch,
        run.seq,
        document,
        fields,
        run_text(run),
        key,
    )
    row.__dict__["run"] = run  # or it would be read from its text again
    return row


def micros(moment: datetime | None) -> int | None:
    """A moment as it is stored to be compared."""
    return None if moment is None else (moment - _EPOCH) // _MICRO


def moment_of(micros: int) -> datetime:
    """The moment of a stored number."""
    return _EPOCH + micros * _MICRO


def run_row(row: Row) -> RunRow:
    """A stored row (the columns of the query `run`). Raises StoreDamaged."""
    key, *place, kept, fields, text = row[:15]
    name = str(place[0])
    checked(kept, text, name, "its own row", *place, fields)
    counts = decoded(json.loads, fields, name, "its count of fields")
    # A seal is no signature: a row that was forged with a proper one may still be of other types than its columns'.
    if not (
        all(isinstance(each, _TYPES[at]) for at, each in enumerate(place))
        and all(0 <= each < MOST for each in (place[6], place[8], place[9]))
        and isinstance(counts, dict)
        and all(type(each) is int and 0 < each < MOST for each in counts.values())
        and _encodable("".join(counts))
    ):
        raise damaged(name, "its own row", "says what no run can say")
    rest: tuple[Any, ...] = (*place, counts, text, key)
    return RunRow(*rest)


def _encodable(text: str) -> bool:
    """Whether a text has no lone surrogate, which SQLite cannot be asked about."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_EPOCH = datetime.fromtimestamp(0, UTC)
_MICRO = timedelta(microseconds=1)
_MAYBE = (str, NoneType)
_TYPES = (str, str, str, _MAYBE, str, str, int, _MAYBE, int, int, _MAYBE)
"""The types of a run's id, workflow, status, reason, created, updated, steps, target, epoch, seq and document."""
