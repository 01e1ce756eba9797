"""Limits: how much one run may hold, and how many steps it may take."""

from __future__ import annotations

from dataclasses import dataclass, fields

from workflow_engine.errors import UsageError


@dataclass(frozen=True)
class RunLimits:
    """What holds for every run of one engine. Sizes are bytes of typed JSON, as UTF-8.

    `write` is what one write to one field may hold, `state` what all fields may hold together, `steps` how many steps a
    run may finish or fail, loops included. What would pass one is refused before anything of it is stored, and the run
    can be resumed under higher limits. `log` is what is kept of what one attempt says: how it began, and its end; 0
    keeps nothing.

    >>> RunLimits(steps=50)
    RunLimits(write=1000000, state=4000000, steps=50, log=262144)
    """

    write: int = 1_000_000
    state: int = 4_000_000
    steps: int = 10_000
    log: int = 262_144

    def __post_init__(self) -> None:
        for each in fields(self):
            limit = getattr(self, each.name)
            least = 0 if each.name == "log" else 1
            if not isinstance(limit, int) or isinstance(limit, bool) or limit < least:
                what = f"no whole number {'from 0 on' if least == 0 else 'above 0'}"
                raise UsageError(f"the limit {each.name}={limit!r} is {what}", f"such as {each.default:_}")
