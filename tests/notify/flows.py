"""Workflows that ask and that fail."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from workflow_engine import END, FAIL, START, Question, State, function, human, workflow


class Change(State):
    n: int = 0
    ruling: Literal["yes", "no"] | None = None


@human(writes="ruling", to="ana", within=timedelta(days=2), remind=[timedelta(hours=4)])
def review(n: int) -> Question[Literal["yes", "no"]]:
    return Question("It is\x1b[31m late.\r\nBcc: everybody@example.org", title=f"Go on with {n}?\r\nBcc: them")


asking = workflow(
    "asking",
    state=Change,
    edges=[
        START >> review,
        review["yes"] >> END,
        review["no"] >> FAIL("refused"),
        review.expired >> FAIL("nobody answered"),
    ],
)


@function(writes="n")
def explode(n: int) -> int:
    raise ValueError("the boiler is too hot")


failing = workflow("failing", state=Change, edges=[START >> explode >> END])
