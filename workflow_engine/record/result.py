"""A result that is kept so that the work need not be done again: what a node wrote for what it read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class KeptResult:
    """`key` says of what: a digest of the node's code and of what it read. `writes` is typed JSON by field name."""

    key: str
    node: str
    at: datetime
    until: datetime
    writes: Mapping[str, str]
