"""A circuit breaker: whether a resource that failed again and again is asked once more. It decides; others act."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from workflow_engine.spec.policies import Wait

Meanwhile = Literal["wait", "fail"]


@dataclass(frozen=True, init=False)
class Breaker:
    """Opens after `failures` attempts that failed with errors `on`: in a row, or `within` a time where that is set.

    An open one lets nobody through for `rest`; then one attempt, the probe, which closes it or opens it again. Steps
    that meet an open one `wait` as for a retry, or `fail` with kind "unavailable". (Michael Nygard, "Release It!".)
    """

    failures: int
    on: tuple[type[BaseException], ...]
    within: timedelta | None
    rest: timedelta
    meanwhile: Meanwhile

    def __init__(
        self,
        failures: int = 5,
        *,
        on: type[BaseException] | tuple[type[BaseException], ...] = Exception,
        within: timedelta | None = None,
        rest: timedelta = timedelta(seconds=30),
        meanwhile: Meanwhile = "wait",
    ) -> None:
        put = object.__setattr__
        put(self, "failures", failures)
        put(self, "on", on if isinstance(on, tuple) else (on,))
        put(self, "within", within)
        put(self, "rest", rest)
        put(self, "meanwhile", meanwhile)


@dataclass(frozen=True)
class Circuit:
    """Where a breaker stands: its last failures, since when it is open, and whether its probe is under way."""

    failures: tuple[datetime, ...] = ()
    opened: datetime | None = None
    probing: bool = False

    def wait(self, breaker: Breaker, now: datetime) -> Wait | None:
        """How long nobody may pass; None if one may now. While a probe is under way, until it is told of at least."""
        if self.opened is None:
            return None
        if self.probing:
            return Wait(breaker.rest)
        left = breaker.rest - max(now - self.opened, timedelta(0))
        return Wait(left) if left > timedelta(0) else None

    def passed(self) -> Circuit:
        """After somebody went through: past an open one, that is the probe."""
        return self if self.opened is None else replace(self, probing=True)

    def told(self, breaker: Breaker, now: datetime, failed: bool | None, *, probe: bool) -> Circuit:
        """After an attempt ended: it failed of what counts, or did not; None if it was stopped, which tells nothing.

        What began before it opened and ends now tells nothing either.
        """
        if probe:
            return replace(self, probing=False) if failed is None else Circuit((), now) if failed else Circuit()
        if self.opened is not None or failed is None:
            return self
        if not failed:
            return Circuit() if breaker.within is None else self
        recent = (*(each for each in self.failures if breaker.within is None or now - each < breaker.within), now)
        return Circuit((), now) if len(recent) >= breaker.failures else Circuit(recent)
