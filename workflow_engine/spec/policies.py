"""Policies as values: how often a step is tried again and how long one try may take. They decide; others act."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from workflow_engine.errors import StepError


@dataclass(frozen=True)
class Wait:
    """Try again after this time."""

    time: timedelta


@dataclass(frozen=True)
class GiveUp:
    """Do not try again."""

    why: str


@dataclass(frozen=True, init=False)
class Retry:
    """Up to `attempts` tries in all, on the given exceptions, with exponential backoff and full jitter.

    The n-th wait is drawn from [0, first * factor**(n-1)], never above `most` (exponential backoff with full jitter, as
    in Marc Brooker's "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). An error that says it is not
    retryable is not retried; one that names a `retry_after` is waited for at least that long.
    """

    attempts: int
    on: tuple[type[BaseException], ...]
    first: timedelta
    factor: float
    most: timedelta
    jitter: bool

    def __init__(
        self,
        attempts: int = 3,
        *,
        on: type[BaseException] | tuple[type[BaseException], ...] = Exception,
        first: timedelta = timedelta(seconds=0.5),
        factor: float = 2.0,
        most: timedelta = timedelta(seconds=60),
        jitter: bool = True,
    ) -> None:
        put = object.__setattr__
        put(self, "attempts", attempts)
        put(self, "on", on if isinstance(on, tuple) else (on,))
        put(self, "first", first)
        put(self, "factor", factor)
        put(self, "most", most)
        put(self, "jitter", jitter)

    def after(self, attempt: int, error: BaseException, chance: float) -> Wait | GiveUp:
        """Decide after the `attempt`-th try (from 1) failed; `chance` is a random number in [0, 1)."""
        if isinstance(error, StepError) and not error.retryable:
            return GiveUp("the error says a later try will not differ")
        if not isinstance(error, self.on):
            return GiveUp(f"{type(error).__name__} is not retried")
        if attempt >= self.attempts:
            return GiveUp("attempts are spent")
        # 2.0**1000 is a float still; beyond that the exponent would raise long after `most` decided.
        wait = min(self.first * min(self.factor ** min(attempt - 1, 512), 1e9), self.most)
        if self.jitter:
            wait = wait * chance
        return Wait(max(wait, _asked_for(error)))


def _asked_for(error: BaseException) -> timedelta:
    """How long the error asks to wait; nothing where it asks in words that only its own library understands."""
    try:
        asked: Any = getattr(error, "retry_after", None)
        return asked if isinstance(asked, timedelta) else timedelta(seconds=float(asked or 0))
    except (TypeError, ValueError, OverflowError):
        return timedelta(0)


ONCE = Retry(1)
