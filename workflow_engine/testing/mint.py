"""A mint whose ids and chances follow from its seed."""

from __future__ import annotations

from random import Random

from workflow_engine.record.ids import RunId

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


class SeededMint:
    """Implements ports.clock.Mint: the same seed gives the same ids and chances."""

    def __init__(self, seed: int = 0) -> None:
        self._random = Random(seed)
        self._made: set[str] = set()

    def run_id(self) -> RunId:
        while True:
            made = "".join(self._random.choices(_LETTERS, k=8))
            if made not in self._made:
                self._made.add(made)
                return RunId(made)

    def chance(self) -> float:
        return self._random.random()


__all__ = ["SeededMint"]
