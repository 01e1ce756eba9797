"""The shelf: all that the ledger in memory holds, as texts, and the numbers by which others see that it changed."""

from __future__ import annotations

from workflow_engine.errors import RunNotFound
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.stores.memory.box import Box, Question


class Shelf:
    """A box for each run, in the order they were begun; the questions of all; letters by their ids."""

    def __init__(self) -> None:
        self._boxes: dict[RunId, Box] = {}
        self._questions: dict[QuestionId, Question] = {}
        self._sent: dict[str, str] = {}
        self._answered: dict[QuestionId, str] = {}
        self._changes = 1
        self._stirred: dict[RunId, int] = {}
        self._places = 0

    def _box(self, run: RunId) -> Box:
        try:
            return self._boxes[run]
        except KeyError:
            raise RunNotFound(f"no run {run}", "list them: workflow runs") from None

    def _change(self) -> None:
        self._changes += 1

    def _stir(self, run: RunId) -> None:
        self._places += 1
        self._stirred[run] = self._places


__all__ = ["Shelf"]
