"""Rates: how often somebody may ask, and how many streams may be open, before they are told to come later."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from workflow_engine.http.problems import Refused
from workflow_engine.http.sessions import Caller

_REMEMBERED = 10_000


@dataclass(frozen=True)
class Limits:
    """What is borne. `body` in bytes; `reads`, `writes` and `entries` (of tokens) in a second and for one caller, who
    may save up ten seconds of them; `streams` at once, in all; `patience` in seconds for a request's body.
    """

    body: int = 4 * 2**20
    reads: float = 100.0
    writes: float = 20.0
    entries: float = 5.0
    streams: int = 512
    connections: int = 2_000
    patience: float = 30.0


@dataclass
class _Bucket:
    left: float
    at: float


@dataclass(eq=False)
class Rates:
    """Counts who did what. Callers are told apart by their names, those without one by their addresses."""

    limits: Limits = Limits()
    now: Callable[[], float] = monotonic
    streams: int = 0
    _buckets: OrderedDict[tuple[str, str], _Bucket] = field(default_factory=OrderedDict)

    def must_be_slower(self, caller: Caller, *, reading: bool) -> None:
        """Raises Refused (429) for somebody who asks too often."""
        if reading:
            self._take("reads", caller.principal.name, self.limits.reads)
        else:
            self._take("writes", caller.principal.name, self.limits.writes)

    def must_enter_slower(self, address: str) -> None:
        """Raises Refused (429) where tokens are tried too often from an address."""
        self._take("entries", address, self.limits.entries)

    def _take(self, what: str, whose: str, rate: float) -> None:
        now = self.now()
        bucket = self._buckets.pop((what, whose), None) or _Bucket(rate * 10, now)
        bucket.left = min(rate * 10, bucket.left + (now - bucket.at) * rate)
        bucket.at = now
        self._buckets[what, whose] = bucket
        while len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        if bucket.left < 1:
            raise _later(f"more than {rate:g} {what} a second", math.ceil((1 - bucket.left) / rate))
        bucket.left -= 1

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """One of the streams that may be open. Raises Refused (429)."""
        if self.streams >= self.limits.streams:
            raise _later(f"{self.limits.streams} streams are open already", 5)
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1


def _later(what: str, seconds: int) -> Refused:
    return Refused(429, "too-often", what, f"ask again in {seconds} s", {"Retry-After": str(seconds)})
