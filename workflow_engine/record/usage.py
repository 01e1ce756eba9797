"""What model calls add up to, and what a budget counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """Counts of one step or run. `cost` is in US dollars; None is unknown, never 0."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None

    def __add__(self, other: Usage) -> Usage:
        if not self.requests:
            return other
        if not other.requests:
            return self
        known = self.cost is not None and other.cost is not None
        return Usage(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            (self.cost or 0.0) + (other.cost or 0.0) if known else None,
        )

    def __sub__(self, other: Usage) -> Usage:
        if not other.requests:
            return self
        known = self.cost is not None and other.cost is not None
        return Usage(
            self.requests - other.requests,
            self.input_tokens - other.input_tokens,
            self.output_tokens - other.output_tokens,
            max(0.0, (self.cost or 0.0) - (other.cost or 0.0)) if known else None,
        )


@dataclass(frozen=True)
class Spent:
    """What counts against a budget. `seconds` are those of attempts; `money` is in US dollars, None if unknown."""

    steps: int = 0
    seconds: float = 0.0
    tokens: int = 0
    money: float | None = 0.0

    def __add__(self, other: Spent) -> Spent:
        known = self.money is not None and other.money is not None
        return Spent(
            self.steps + other.steps,
            self.seconds + other.seconds,
            self.tokens + other.tokens,
            (self.money or 0.0) + (other.money or 0.0) if known else None,
        )

    def __bool__(self) -> bool:
        return self != NOTHING

    @classmethod
    def of(cls, usage: Usage | None, seconds: float = 0.0) -> Spent:
        """What one attempt used. One that asked no model has cost nothing."""
        if usage is None or not usage.requests:
            return cls(0, seconds)
        return cls(0, seconds, usage.input_tokens + usage.output_tokens, usage.cost)


NOTHING = Spent()
