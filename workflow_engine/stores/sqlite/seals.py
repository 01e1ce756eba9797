"""Seals: a short digest of a row's text and place, made on writing and compared on reading.

SQLite notices few kinds of damage: most damaged pages give rows that are simply wrong. A seal is the first 64 bits of
BLAKE2b over the text and over what says where it belongs (run, number, field …). It finds damage, a text that was
edited, and a row that was copied to another place. It is no signature: whoever recomputes it can forge a row. What is
missing altogether is found by the counts that a run's own row keeps (its last event, the versions of each field), and a
store that was replaced as a whole by an older copy of itself is not found at all.
"""

from __future__ import annotations

from hashlib import blake2b

BYTES = 8


def seal(text: str | bytes, *place: str | int | None) -> bytes:
    """The seal of a text at its place.

    >>> seal("1", "run", 1) == seal("1", "run", 2)
    False
    """
    made = blake2b(repr(place).encode("utf-8", "surrogatepass"), digest_size=BYTES)
    made.update(text.encode() if isinstance(text, str) else text)
    return made.digest()


def digest(text: str) -> str:
    """The name of a text that is stored by its content."""
    return blake2b(text.encode(), digest_size=16).hexdigest()
