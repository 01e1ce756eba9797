"""What model calls add up to."""

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
