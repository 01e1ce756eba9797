"""Limits: how much one run may hold, and how many steps it may take."""

from __future__ import annotations

from dataclasses import dataclass, fields

from workflow_engine.errors import UsageError


@dataclass(frozen=True)
class RunLimits:
    """What holds for every run of one engine. Sizes are bytes of typed JSON, as UTF-8.

    `write` is what one write to one field may hold, `state` what all fields may hold together, `steps` how many steps a
    run may finish or fail, loops included. What would pass one is refused before anything of it is stored, and the run
    can be resumed under higher limits.

    >>> RunLimits(steps=50)
    RunLimits(write=1000000, state=4000000, steps=50)
    """

    write: int = 1_000_000
    state: int = 4_000_000
    steps: int = 10_000

    def __post_init__(self) -> None:
        for each in fields(self):
            limit = getattr(self, each.name)
            if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
                raise UsageError(
                    f"the limit {each.name}={limit!r} is no whole number above 0", f"such as {each.default:_}"
                )
