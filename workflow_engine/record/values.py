"""A field's value as it is kept: typed JSON, and what was appended since it was set."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from workflow_engine.errors import StoreDamaged
from workflow_engine.making import quickly


@quickly
@dataclass(frozen=True)
class Write:
    """One write to one field, encoded. An `append` holds a JSON list of the new items only.

    A `drop`, whose text is null, ends the field: the state has it no more, until it is set again.
    """

    field: str
    op: Literal["set", "append", "drop"]
    text: str


@quickly
@dataclass(frozen=True)
class Value:
    """A field's value. An append keeps the value before it, so a growing list costs only its growth."""

    text: str
    before: Value | None = None
    seq: int = 0
    size: int = field(init=False, compare=False, repr=False)
    """Bytes of its whole JSON, as UTF-8. Kept, not counted anew: the state's size is asked for at every step."""

    def __post_init__(self) -> None:
        size, before = bytes_of(self.text), self.before
        if before is not None:
            # Two lists in one pair of brackets, with a comma between the items of both.
            size += before.size - (1 if size > 2 and before.size > 2 else 2)
        object.__setattr__(self, "size", size)

    def then(self, write: Write, seq: int) -> Value:
        """The value after a write."""
        return Value(write.text, self if write.op == "append" else None, seq)

    @property
    def whole(self) -> str:
        """The complete JSON text."""
        if self.before is None:
            return self.text
        chunks = list(self._chunks())
        inner = [chunk.strip()[1:-1].strip() for chunk in reversed(chunks)]
        return "[" + ",".join(part for part in inner if part) + "]"

    def _chunks(self) -> Iterator[str]:
        value: Value | None = self
        while value is not None:
            yield value.text
            value = value.before

    def json(self) -> Any:
        """The value as plain JSON, without its type. Raises StoreDamaged where it is none, which no engine wrote."""
        try:
            return plain(self.whole)
        except (ValueError, RecursionError) as error:
            raise StoreDamaged(
                f"a stored value is damaged: it is no JSON ({str(error).splitlines()[0][:160]})",
                "see whose it is: workflow store check; and restore the store from a backup",
            ) from error


def plain(text: str) -> Any:
    """What a stored text says. Raises ValueError, RecursionError for what `codec.encode` writes never."""
    value = _decode(text)
    if _SURROGATE.search(text):
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _no_json(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


_decode = json.JSONDecoder(parse_constant=_no_json).decode
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def lent(value: Value, seq: int) -> Value:
    """A value as a fork has it: the same texts, all of them written when it began."""
    chain = [value]
    while (before := chain[-1].before) is not None:
        chain.append(before)
    made: Value | None = None
    while chain:
        made = Value(chain.pop().text, made, seq)
    assert made is not None
    return made


def bytes_of(text: str) -> int:
    """How many bytes a text takes as UTF-8."""
    # Most texts are plain ASCII, which Python knows of them without looking.
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def set_to(text: str, seq: int = 0) -> Value:
    """A value that was just set."""
    return Value(text, None, seq)
