"""Failover: which model of a chain is asked next, and which one failed so often that it is left alone for a while.

A question goes to the first model of its chain that may be asked, from the front every time: so a model that was left
alone is asked again as soon as its breaker lets a probe pass, and the chain fails back by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from workflow_engine import errors
from workflow_engine.agents.models import Endpoint
from workflow_engine.spec.breaker import Breaker
from workflow_engine.steps.circuits import Circuits

Now = Callable[[], datetime]


def utc_now() -> datetime:
    """What a clock on the wall says."""
    return datetime.now(UTC)


class Standing:
    """Where the models of one process stand: their breakers, and until when they asked to be left alone."""

    def __init__(self, breaker: Breaker, now: Now = utc_now) -> None:
        self._breaker, self._now = breaker, now
        self._circuits = Circuits()
        self._until: dict[str, datetime] = {}

    def wait(self, name: str) -> timedelta | None:
        """How long a model should not be asked; None if it may be now."""
        now = self._now()
        found = self._circuits.standing(name).wait(self._breaker, now)
        asked = max(self._until.get(name, now) - now, timedelta(0))
        return max(asked, found.time if found else timedelta(0)) or None

    def passed(self, name: str) -> bool:
        """It is about to be asked; whether that is the probe of an open breaker."""
        return self._circuits.passed(name)

    def told(self, name: str, failed: bool | None, retry_after: float | None, *, probe: bool) -> None:
        """It answered, or failed; None where it was stopped, which tells nothing."""
        now = self._now()
        self._circuits.told(name, self._breaker, now, failed, probe=probe)
        if failed and retry_after:
            self._until[name] = now + timedelta(seconds=min(retry_after, 86_400.0))
        elif failed is False:
            self._until.pop(name, None)


class Line:
    """The models that one question may still be asked of, and what became of those it was asked of."""

    def __init__(self, links: Sequence[Endpoint], standing: Standing) -> None:
        self._left = list(enumerate(links))
        self._all, self._standing = tuple(links), standing
        self._failed: list[errors.AgentFailed] = []
        self._probe = False

    def next(self) -> tuple[int, Endpoint]:
        """The first that may be asked, with its place. Raises AgentFailed where all are left alone for a while."""
        waits: list[timedelta] = []
        while self._left:
            place, link = self._left.pop(0)
            # Alone, a model is asked whenever the step is tried: there is nobody to ask in its place.
            wait = self._standing.wait(_name(link)) if len(self._all) > 1 else None
            if wait is None:
                self._probe = self._standing.passed(_name(link))
                return place, link
            waits.append(wait)
        resting = errors.AgentFailed(
            f"no model of the chain may be asked now: {', '.join(each.label for each in self._all)} failed too often",
            kind="infrastructure",
        )
        resting.asked, resting.cost = False, 0.0
        resting.retry_after = min(waits).total_seconds() if waits else None
        raise resting

    def answered(self, link: Endpoint) -> None:
        """It did."""
        self._standing.told(_name(link), False, None, probe=self._probe)

    def stopped(self, link: Endpoint) -> None:
        """Nobody waits for its answer any more."""
        self._standing.told(_name(link), None, None, probe=self._probe)

    def failed(self, link: Endpoint, error: Exception) -> Exception:
        """The error to raise. It says `elsewhere` if another model is to be asked; the last tells of all."""
        if not isinstance(error, errors.AgentFailed) or not error.theirs:
            self._standing.told(_name(link), False, None, probe=self._probe)
            return error
        self._standing.told(_name(link), True, error.retry_after, probe=self._probe)
        error.elsewhere = any(self._standing.wait(_name(each)) is None for _, each in self._left)
        if not error.elsewhere and self._failed:
            _tell_of_all(error, self._failed)
        self._failed.append(error)
        return error


def _name(link: Endpoint) -> str:
    return f"{link.model}@{link.base_url}"


def _tell_of_all(last: errors.AgentFailed, before: Sequence[errors.AgentFailed]) -> None:
    """The last failure of a chain is that of the chain: a later try differs if it does for one of them."""
    every = [*before, last]
    last.what = f"no model of the chain answered: {'; '.join(each.what for each in every)}"
    last.args = (last.what,)
    worth = [each for each in every if each.retryable]
    if worth:
        last.retryable = True
        last.kind = worth[0].kind
        waits = [each.retry_after for each in worth]
        last.retry_after = (
            min((each for each in waits if each is not None), default=None) if None not in waits else None
        )
