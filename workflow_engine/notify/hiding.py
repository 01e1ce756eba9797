"""Hiding: the clients that send for us log the addresses they send to, and an address holds what is secret."""

from __future__ import annotations

import logging
import re

_SPEAKING = ("httpx2", "urllib3.connectionpool", "apprise")
_LEAST = 6
"""Letters of a word that may be a key; a shorter one is found in too much that is none."""


class _Hiding(logging.Filter):
    """Leaves out what quotes one of its words."""

    def __init__(self) -> None:
        super().__init__()
        self.words: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        return not any(word in said for word in self.words)


_HIDING = _Hiding()


def hide(address: str) -> None:
    """Have nobody log an address's path, its query, or who is named before its host."""
    _, _, rest = address.partition("://")
    place, slash, path = rest.partition("/")
    who, at, _ = place.rpartition("@")
    named = re.split(r"[/?&=:@]", path if slash else "") + (re.split(r":", who) if at else [])
    _HIDING.words |= {word for word in named if len(word) >= _LEAST}
    for name in _SPEAKING:
        logging.getLogger(name).addFilter(_HIDING)  # adding it again changes nothing
