"""A budget: how much a run, a node or a loop may use. It decides whether anything is left; others act."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What may be used in all: steps, seconds of work, tokens, money in US dollars. None sets no bound.

    Waiting costs nothing: neither people, nor signals, nor the time between two attempts. A budget stops what comes
    next; it never throws away what was paid for, so the last step may go beyond one of steps or seconds. Tokens and
    money are reserved before an agent's call, and never passed.

    >>> Budget(tokens=50_000).spent(steps=3, seconds=9.5, tokens=50_200, money=0.2)
    '50,200 of 50,000 tokens'
    """

    steps: int | None = None
    seconds: float | None = None
    tokens: int | None = None
    money: float | None = None

    @property
    def settings(self) -> dict[str, int | float]:
        """The bounds that are set, by name."""
        return {each.name: limit for each in fields(self) if (limit := getattr(self, each.name)) is not None}

    def spent(self, *, steps: int, seconds: float, tokens: int, money: float | None, thinks: bool = True) -> str | None:
        """Which bound leaves nothing to begin another step with, in words; None if all leave something.

        `money` is None where a price is unknown, and then nothing tells how much is left. What does not `think` uses
        neither tokens nor money, and is stopped by neither.
        """
        if self.steps is not None and steps >= self.steps:
            return f"{steps:,} of {self.steps:,} steps"
        if self.seconds is not None and seconds >= self.seconds:
            return f"{seconds:,.1f} of {self.seconds:g} seconds"
        if not thinks:
            return None
        if self.tokens is not None and tokens >= self.tokens:
            return f"{tokens:,} of {self.tokens:,} tokens"
        if self.money is not None and money is None:
            return f"what was used has no known price, and ${self.money:g} is all there is"
        if self.money is not None and money is not None and money >= self.money:
            return f"${money:.4f} of ${self.money:g}"
        return None
