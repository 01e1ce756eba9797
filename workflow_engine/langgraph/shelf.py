"""What is known of values that are stored already, so that storing the next ones costs only what is new in them.

A list that begins with the stored one is stored as what was added. Whether it does is seen from its items themselves
where nobody can change them (the same strings, numbers and bytes), and else from their encoding: an item that was
changed in place is found, however early it stands.
"""

from __future__ import annotations

import math
import operator
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from workflow_engine.ports.checkpoints import Chunks, Ground, Kept, Part, Piece, Placed, Scalar

ATOMS = frozenset({str, bytes, int, float, bool, type(None)})
SHORT = 100  # characters of a string that stands in its checkpoint as it is
_LINES = 4096
_BYTES = 64 << 20

Encode = Callable[[Any], tuple[str, bytes]]


@dataclass(frozen=True)
class Stored:
    """A value as it was stored: where, under which version, and what shows later whether another begins with it.

    `items` are those of a list of atoms, `data` the encoding of anything else, without the header if it is a list.
    """

    content: Scalar | Part | Piece
    version: Any = None
    value: Any = None
    items: Sequence[Any] | None = None
    data: bytes | None = None
    count: int = -1
    size: int = 0


@dataclass(frozen=True)
class Shelf:
    """What is known of one line: its newest checkpoint here, and the values of that."""

    ground: Ground
    checkpoint: str
    stored: Mapping[str, Stored]
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", 512 + sum(each.size for each in self.stored.values()))


class Shelves:
    """The shelves of the lines used last, as many as fit."""

    def __init__(self, lines: int = _LINES, size: int = _BYTES) -> None:
        self._lines, self._most = lines, size
        self._shelves: OrderedDict[tuple[str, str], Shelf] = OrderedDict()
        self.size = 0

    def get(self, line: tuple[str, str]) -> Shelf | None:
        return self._shelves.get(line)

    def keep(self, line: tuple[str, str], shelf: Shelf) -> None:
        self.drop(line)
        self._shelves[line] = shelf
        self.size += shelf.size
        while self._shelves and (len(self._shelves) > self._lines or self.size > self._most):
            self.size -= self._shelves.popitem(last=False)[1].size

    def drop(self, line: tuple[str, str]) -> None:
        if (gone := self._shelves.pop(line, None)) is not None:
            self.size -= gone.size


def scalar(value: Any) -> bool:
    """Whether a value may stand in a checkpoint's JSON as it is."""
    kind = type(value)
    if kind is str:
        return len(value) <= SHORT and (value.isascii() or _unicode(value))
    if kind is int:
        return bool(-(1 << 63) <= value < 1 << 63)
    if kind is float:
        return math.isfinite(value)  # neither infinite nor NaN
    return value is None or kind is bool


def _unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def stored(value: Any, version: Any, before: Stored | None, encode: Encode) -> Stored:
    """How to store a value that is no scalar, given what is stored."""
    if before is not None and isinstance(before.content, Piece):
        if type(value) in ATOMS and value is before.value:
            return replace(before, version=version)
        if type(value) is list:
            grown = _grown(value, version, before, before.content, encode)
            if grown is not None:
                return grown
    kind, data = encode(value)
    if before is not None and before.count < 0 and data == before.data and type(value) is type(before.value):
        return replace(before, version=version)
    return _whole(value, version, Part(kind, data))


def _whole(value: Any, version: Any, part: Part, size: int | None = None) -> Stored:
    size = len(part.data) if size is None else size
    if type(value) is not list:
        held = value if type(value) in ATOMS else None
        return Stored(part, version, held, None, None if held is not None else part.data, size=size)
    if ATOMS.issuperset(map(type, value)):
        return Stored(part, version, None, value.copy(), None, len(value), size)
    return Stored(part, version, None, None, body(part), len(value), size)


def _grown(value: list[Any], version: Any, before: Stored, piece: Piece, encode: Encode) -> Stored | None:
    """How to store a list that begins with the stored one; None if it does not, or if that cannot be told."""
    count = before.count
    if not 0 <= count <= len(value):
        return None
    if before.items is not None:
        if not all(map(operator.is_, before.items, value)):
            return None
        if count == len(value):
            return replace(before, version=version)
        added = value[count:]
        part = Part(*encode(added), after=piece.number)
        size = before.size + len(part.data)
        if ATOMS.issuperset(map(type, added)):
            return Stored(part, version, None, value.copy(), None, len(value), size)
        return Stored(part, version, None, None, body(Part(*encode(value))), len(value), size)
    if before.data is None:
        return None
    now = body(Part(*encode(value)))
    if now is None or not now.startswith(before.data):
        return None
    if count == len(value):
        return replace(before, version=version)
    data = header(len(value) - count) + now[len(before.data) :]
    return Stored(Part("msgpack", data, piece.number), version, None, None, now, len(value), len(now))


def placed(shelf: Mapping[str, Stored], at: Placed, checkpoint: str) -> Shelf:
    """The shelf once a checkpoint is stored."""
    numbers = at.numbers
    after = {
        name: replace(each, content=Piece(numbers[name]))
        if name in numbers and isinstance(each.content, Part)
        else each
        for name, each in shelf.items()
    }
    return Shelf(at.ground, checkpoint, after)


def read(kept: Kept, values: Mapping[str, Any], versions: Mapping[str, Any]) -> Shelf:
    """The shelf of a checkpoint that was read."""
    found: dict[str, Stored] = {}
    for name, content in kept.values.items():
        version = versions.get(name)
        if not isinstance(content, Chunks):
            found[name] = Stored(content, version)
            continue
        first = Part(content.kind, content.data[0])
        if content.number is None:
            found[name] = Stored(first, version)
            continue
        value, size = values[name], sum(map(len, content.data))
        known = _whole(value, version, first, size)
        if known.count >= 0 and known.items is None and len(content.data) > 1:
            bodies = [body(Part(content.kind, each)) for each in content.data]
            known = replace(known, data=b"".join(filter(None, bodies)) if None not in bodies else None)
        found[name] = replace(known, content=Piece(content.number))
    return Shelf(kept.ground, kept.id, found)


# ------------------------------------------------------------------------------------------------ msgpack arrays


def body(part: Part) -> bytes | None:
    """The items of a msgpack array one after another; None for anything else."""
    data = part.data
    if part.kind != "msgpack" or not data:
        return None
    if 0x90 <= data[0] <= 0x9F:
        return data[1:]
    return data[3:] if data[0] == 0xDC else data[5:] if data[0] == 0xDD else None


def header(count: int) -> bytes:
    """What stands before the items of a msgpack array.

    >>> header(2), header(16)
    (b'\\x92', b'\\xdc\\x00\\x10')
    """
    if count < 16:
        return bytes([0x90 | count])
    if count < 1 << 16:
        return b"\xdc" + count.to_bytes(2)
    return b"\xdd" + count.to_bytes(4)
