"""Rows of foreign checkpoints: made and sealed here, checked and taken apart here.

In their texts a value is a scalar as it is, `[number]` for a piece, or `[kind, base64]` for bytes too few to be one.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from workflow_engine.errors import StoreDamaged, StoreError
from workflow_engine.ports.checkpoints import Given, Part, Piece, Scalar, Write
from workflow_engine.stores.sqlite.seals import seal

SMALL = 48  # bytes of a value that stand in its checkpoint: a piece of its own would cost more
SHIFT = 32

Row = tuple[Any, ...]
Ref = Any  # a value as it stands in a text

_CURE = "nothing of it was loaded; restore the store from a backup, or delete this one: the others are readable"


def damaged(series: str, place: str, why: str) -> StoreDamaged:
    """The error for a row that fails its checks."""
    return StoreDamaged(f"the checkpoints of {series!r} are damaged: {place} {why}", _CURE)


def text_of(value: Any, series: str) -> str:
    """JSON. Raises StoreError for what it cannot carry."""
    try:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(
            f"a checkpoint of {series!r} has something JSON cannot carry outside its values: {error}",
            "leave it out of the metadata",
        ) from error
    return text


def parsed(text: str, series: str, place: str) -> Any:
    """The value of a checked text. Raises StoreDamaged."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(series, place, "is not what it should be") from error


# ------------------------------------------------------------------------------------------------ lines


@dataclass(frozen=True)
class Line:
    """The row of one scope of a series."""

    key: int
    series: int
    scope: str
    era: int
    number: int
    count: int
    newest: str
    updated: str

    def sealed(self) -> bytes:
        return seal(self.scope, self.series, self.era, self.number, self.count, self.newest, self.updated)

    def columns(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "era": self.era,
            "number": self.number,
            "count": self.count,
            "newest": self.newest,
            "updated": self.updated,
            "seal": self.sealed(),
        }

    def with_checkpoint(self, given: Given, number: int, fresh: bool) -> Line:
        updated = given.record.get("ts")
        return replace(
            self,
            number=number,
            count=self.count + fresh,
            newest=max(self.newest, given.id),
            updated=max(self.updated, updated) if isinstance(updated, str) else self.updated,
        )

    @property
    def pieces(self) -> tuple[int, int]:
        """The first and last key its pieces may have; none may where its own was forged, which can still be deleted."""
        if not 0 < self.key < 1 << (62 - SHIFT):
            return 1, 0
        return self.key << SHIFT, (self.key << SHIFT) + (1 << SHIFT) - 1

    def piece(self, number: int) -> int:
        return (self.key << SHIFT) + number


def line_of(row: Row, series: str) -> Line:
    """A stored row. Raises StoreDamaged."""
    line = Line(*row[:8])
    if row[8] != line.sealed():
        raise damaged(series, f"the row of scope {line.scope!r}", "does not fit its seal")
    # A seal is no signature: a row that was forged with a proper one may be of other types than its columns'.
    numbers: tuple[Any, ...] = (line.key, line.series, line.era, line.number, line.count)
    texts: tuple[Any, ...] = (line.scope, line.newest, line.updated)
    if not (
        all(isinstance(each, int) and 0 <= each < 1 << 62 for each in numbers)
        and all(isinstance(each, str) for each in texts)
        and line.key < 1 << (62 - SHIFT)
        and line.number < 1 << SHIFT
    ):
        raise damaged(series, f"the row of scope {line.scope!r}", "says what no scope can say")
    return line


# ------------------------------------------------------------------------------------------------ checkpoints


@dataclass(frozen=True)
class Text:
    """What a checkpoint's text says."""

    record: Mapping[str, Any]
    metadata: Mapping[str, Any]
    values: Mapping[str, Ref]
    rests: Sequence[str] = field(default_factory=list)

    @property
    def numbers(self) -> set[int]:
        return {ref[0] for ref in self.values.values() if is_piece(ref)}


def checkpoint_text(given: Given, refs: Mapping[str, Ref], series: str) -> str:
    """Raises StoreError for what JSON cannot carry."""
    return text_of([given.record, given.metadata, refs, list(given.rests)], series)


def checkpoint_row(line: Line, given: Given, text: str) -> Row:
    """The row of a checkpoint with this text."""
    return line.key, given.id, given.parent, given.label, checkpoint_seal(line, given, text), text


def checkpoint_seal(line: Line, given: Given, text: str) -> bytes:
    """The seal of that row."""
    return seal(text, "checkpoint", line.key, given.id, given.parent, given.label)


def checkpoint_of(row: Row, line: Line, series: str) -> tuple[str, str | None, Text]:
    """The id, the parent and the text of a stored row. Raises StoreDamaged."""
    id, parent, label, mark, text = row
    place = f"checkpoint {id}"
    if not isinstance(text, str) or mark != seal(text, "checkpoint", line.key, id, parent, label):
        raise damaged(series, place, "does not fit its seal")
    parts = parsed(text, series, place)
    if not (isinstance(parts, list) and [type(part) for part in parts] == [dict, dict, dict, list]):
        raise damaged(series, place, "is not what it should be")
    return id, parent, Text(*parts)


# ------------------------------------------------------------------------------------------------ values


def is_piece(ref: Ref) -> bool:
    return isinstance(ref, list) and len(ref) == 1 and isinstance(ref[0], int)


def ref_of(value: Scalar | Part | Piece) -> Ref | None:
    """How a value stands in a text; None for a part that must become a piece."""
    if isinstance(value, Part):
        if value.after is None and len(value.data) <= SMALL:
            return [value.kind, b64encode(value.data).decode("ascii")]
        return None
    return [value.number] if isinstance(value, Piece) else value


def small_of(ref: Ref, series: str, place: str) -> tuple[str, bytes]:
    """The kind and the bytes of a value that stands in a text. Raises StoreDamaged."""
    try:
        kind, data = ref
        return str(kind), b64decode(data, validate=True)
    except (TypeError, ValueError) as error:
        raise damaged(series, place, "has a value that is none") from error


def piece_seal(line: Line, number: int, after: int | None, source: int | None, kind: str, data: bytes) -> bytes:
    return seal(data, "piece", line.key, number, after, source, kind)


# ------------------------------------------------------------------------------------------------ pending


def pending_text(path: str, writes: Sequence[Row], series: str) -> str:
    """Raises StoreError for what JSON cannot carry."""
    return text_of([path, writes], series)


def pending_row(line: Line, checkpoint: str, task: str, slot: int, text: str) -> Row:
    """The row of a task's writes with this text."""
    return line.key, checkpoint, task, slot, pending_seal(line, checkpoint, task, slot, text), text


def pending_seal(line: Line, checkpoint: str, task: str, slot: int, text: str) -> bytes:
    """The seal of that row."""
    return seal(text, "pending", line.key, checkpoint, task, slot)


def pending_of(row: Row, line: Line, series: str) -> tuple[str, str, int, str, list[tuple[int, str, Ref]]]:
    """Checkpoint, task, slot, path and (slot, field, value) of each write of a stored row. Raises StoreDamaged."""
    checkpoint, task, slot, mark, text = row
    place = f"what task {task} left on checkpoint {checkpoint}"
    if not isinstance(text, str) or mark != pending_seal(line, checkpoint, task, slot, text):
        raise damaged(series, place, "does not fit its seal")
    try:
        path, writes = parsed(text, series, place)
        found = [(int(at), str(name), ref) for at, name, ref in writes]
    except (TypeError, ValueError) as error:
        raise damaged(series, place, "is not what it should be") from error
    return checkpoint, task, slot, str(path), found


def group(write: Write) -> int:
    """The slot of the row that holds a write."""
    return min(write.slot, 0)
