"""Measures in words: times, counts and money as short as a card needs them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from workflow_engine.record.usage import Usage


def time_taken(seconds: float) -> str:
    """A duration, to the precision a reader wants.

    >>> [time_taken(each) for each in (0.0004, 0.34, 1.0, 4.26, 9.97, 58.7, 192, 7500, 266400)]
    ['<1 ms', '340 ms', '1 s', '4.3 s', '10 s', '59 s', '3 m 12 s', '2 h 5 m', '3 d 2 h']
    """
    if not math.isfinite(seconds):  # no run took it: it was forged
        return "–"
    if seconds < 0.001:
        return "<1 ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0", "")
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    for size, unit, smaller, lesser in ((60, "m", 1, "s"), (3600, "h", 60, "m"), (86400, "d", 3600, "h")):
        if whole < size * (60 if unit != "h" else 24) or unit == "d":
            rest = whole % size // smaller
            return f"{whole // size} {unit} {rest} {lesser}" if rest else f"{whole // size} {unit}"
    raise AssertionError("the last unit takes every duration")


def moment(at: datetime) -> str:
    """A moment in UTC, so that a picture says the same wherever it is looked at.

    >>> moment(datetime(2026, 3, 7, 9, 5, tzinfo=UTC))
    '2026-03-07 09:05 UTC'
    """
    try:
        return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except OverflowError:  # the first or the last day of all: it was forged
        return f"{at:%Y-%m-%d}"


def tokens(count: int) -> str:
    """
    >>> [tokens(each) for each in (1, 812, 48_213, 3_100_000)]
    ['1 token', '812 tokens', '48.2k tokens', '3.1M tokens']
    """
    count = min(count, 10**15)  # what nobody can have used may be too large for a fraction
    if count == 1:
        return "1 token"
    if count < 1000:
        return f"{count} tokens"
    return f"{count / 1000:.1f}k tokens" if count < 999_950 else f"{count / 1_000_000:.1f}M tokens"


def money(dollars: float) -> str:
    """
    >>> [money(each) for each in (0.61, 0.0042, 12)]
    ['$0.61', '$0.0042', '$12.00']
    """
    return f"${dollars:.4f}" if 0 < dollars < 0.01 else f"${dollars:.2f}"


def several(count: int, what: str) -> str:
    """
    >>> several(1, "step"), several(9, "step")
    ('1 step', '9 steps')
    """
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def spent(usage: Usage) -> tuple[str, ...]:
    """Tokens and cost, as far as they are known; nothing where no model was asked."""
    used = usage.input_tokens + usage.output_tokens
    return (*((tokens(used),) if used else ()), *((money(usage.cost),) if usage.cost else ()))


def bounds(settings: Mapping[str, float]) -> str:
    """What a budget allows.

    >>> bounds({"steps": 20, "seconds": 600, "tokens": 50_000, "money": 2.5})
    'at most 20 steps, 10 m, 50.0k tokens, $2.50'
    """
    words = (_bound(name, most) for name, most in settings.items())
    return f"at most {', '.join(words)}"


def _bound(name: str, most: float) -> str:
    match name:
        case "seconds":
            return time_taken(most)
        case "tokens":
            return tokens(int(most))
        case "money":
            return money(most)
        case _:
            return several(int(most), "step")
