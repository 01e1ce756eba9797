"""The codec port: what keeps the texts of a store from whoever can read its file."""

from __future__ import annotations

from typing import Protocol


class Codec(Protocol):
    """Encrypts and decrypts values, one at a time, on any thread.

    The store calls it for everything people and programs brought to it, and for the checksums of that; not for what it
    looks rows up by. Each value is bound to its row by a checksum that is encrypted as well.
    """

    @property
    def name(self) -> str:
        """Which key encrypts now, in a word that gives nothing of it away: a store remembers every one it met."""
        ...

    def shut(self, data: bytes, place: bytes) -> bytes:
        """The data, encrypted and authenticated together with the place. Never the same twice."""
        ...

    def open(self, data: bytes, place: bytes) -> bytes:
        """What was shut at this place, under any of its keys. Raises ValueError for anything else."""
        ...
