"""Policies as values: how often a step is tried again and how long one try may take. They decide; others act."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

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

    A node may have several, as a tuple: the first that names an error's class decides about it, and counts the tries
    that failed with errors of its own. `within` is a deadline over all attempts, counted from the step's beginning.

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
    within: timedelta | None

    def __init__(
        self,
        attempts: int = 3,
        *,
        on: type[BaseException] | tuple[type[BaseException], ...] = Exception,
        first: timedelta = timedelta(seconds=0.5),
        factor: float = 2.0,
        most: timedelta = timedelta(seconds=60),
        jitter: bool = True,
        within: timedelta | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "attempts", attempts)
        put(self, "on", on if isinstance(on, tuple) else (on,))
        put(self, "first", first)
        put(self, "factor", factor)
        put(self, "most", most)
        put(self, "jitter", jitter)
        put(self, "within", within)

    def after(
        self, attempt: int, error: BaseException, chance: float, spent: timedelta = timedelta(0)
    ) -> Wait | GiveUp:
        """Decide after the `attempt`-th try (from 1) failed; `chance` is a random number in [0, 1).

        `spent` is the time since the step began: what would begin after `within` is given up at once.
        """
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
        wait = max(wait, _asked_for(error))
        if self.within is not None and spent + wait >= self.within:
            return GiveUp("the time for all attempts is spent")
        return Wait(wait)


def _asked_for(error: BaseException) -> timedelta:
    """How long the error asks to wait; nothing where it asks in words that only its own library understands."""
    try:
        asked: Any = getattr(error, "retry_after", None)
        return asked if isinstance(asked, timedelta) else timedelta(seconds=float(asked or 0))
    except (TypeError, ValueError, OverflowError):
        return timedelta(0)


ONCE = Retry(1)
Retries: TypeAlias = Retry | tuple[Retry, ...]


def rules_of(retry: Retries) -> tuple[Retry, ...]:
    """The rules of a node, in the order in which they are asked."""
    return retry if isinstance(retry, tuple) else (retry,)


def attempts_of(retry: Retries) -> int:
    """The most tries a step can take: each rule may add its own to the first.

    >>> attempts_of(Retry(3)), attempts_of((Retry(5, on=ConnectionError), Retry(2, on=KeyError)))
    (3, 6)
    """
    return 1 + sum(rule.attempts - 1 for rule in rules_of(retry))


def within_of(retry: Retries) -> timedelta | None:
    """The time all attempts together may take: the longest of its rules'; None if one of them sets none."""
    limits = [rule.within for rule in rules_of(retry)]
    return max((each for each in limits if each is not None), default=None) if None not in limits else None


def rule_for(retry: Retries, error: BaseException) -> Retry | None:
    """The rule that decides about an error: the first that names its class. None: it is not retried."""
    return next((rule for rule in rules_of(retry) if isinstance(error, rule.on)), None)
