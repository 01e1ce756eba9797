"""The circuit breakers of one process, by the names of what they protect: all its runs see the same."""

from __future__ import annotations

import asyncio
from datetime import datetime

from workflow_engine.spec.breaker import Breaker, Circuit


class Circuits:
    """Where each breaker stands. `changed` is set, and replaced, when one of them closed or may be tried again."""

    def __init__(self) -> None:
        self._standing: dict[str, Circuit] = {}
        self.changed = asyncio.Event()

    def standing(self, name: str) -> Circuit:
        """Where the breaker of a resource stands; closed where nobody asked yet."""
        return self._standing.get(name) or Circuit()

    def passed(self, name: str) -> bool:
        """Somebody goes through; whether that is the probe of an open one."""
        now = self._standing[name] = self.standing(name).passed()
        return now.probing

    def told(self, name: str, breaker: Breaker, now: datetime, failed: bool | None, *, probe: bool) -> None:
        """An attempt that went through has ended."""
        self._standing[name] = self.standing(name).told(breaker, now, failed, probe=probe)
        if probe:
            self.changed.set()
            self.changed = asyncio.Event()
