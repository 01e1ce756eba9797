"""A field's value as it is kept: typed JSON, and what was appended since it was set."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Write:
    """One write to one field, encoded. An `append` holds a JSON list of the new items only."""

    field: str
    op: Literal["set", "append"]
    text: str


@dataclass(frozen=True)
class Value:
    """A field's value. An append keeps the value before it, so a growing list costs only its growth."""

    text: str
    before: Value | None = None
    seq: int = 0

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

    @property
    def size(self) -> int:
        """Characters of JSON held."""
        return sum(len(chunk) for chunk in self._chunks())

    def _chunks(self) -> Iterator[str]:
        value: Value | None = self
        while value is not None:
            yield value.text
            value = value.before

    def json(self) -> Any:
        """The value as plain JSON, without its type."""
        return json.loads(self.whole)


def set_to(text: str, seq: int = 0) -> Value:
    """A value that was just set."""
    return Value(text, None, seq)
