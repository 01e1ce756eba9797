"""The slots of one process: which named resources its attempts hold, whichever runs they belong to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

from workflow_engine.spec.slots import admitted


class Slots:
    """Lends slots, first come, first served. Not safe across event loops, as nothing of an engine is."""

    def __init__(self) -> None:
        self.held: Counter[str] = Counter()
        self._waiting: list[tuple[Mapping[str, int], asyncio.Future[None]]] = []

    def ask(self, wants: Mapping[str, int]) -> asyncio.Future[None]:
        """One slot of each name, of so many there are; done once they are held, at once where they are free."""
        coming: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((wants, coming))
        self._admit()
        return coming

    def give_back(self, wants: Mapping[str, int], coming: asyncio.Future[None]) -> None:
        """Let go of what was asked for, whether it came or not."""
        if coming.done() and not coming.cancelled():
            self.held.subtract(wants.keys())
            self.held = +self.held
        else:
            self._waiting = [each for each in self._waiting if each[1] is not coming]
            coming.cancel()
        self._admit()

    def _admit(self) -> None:
        if not self._waiting:
            return
        places = {*admitted([wants for wants, _ in self._waiting], self.held)}
        waiting, self._waiting = self._waiting, []
        for place, (wants, coming) in enumerate(waiting):
            if place in places:
                self.held.update(wants.keys())
                coming.set_result(None)
            else:
                self._waiting.append((wants, coming))
