"""Where a foreign graph stands: its scopes at their newest checkpoints, and the places in them that ask.

LangGraph takes the id of a task's first interrupt for any later one of its (as older versions had no other), and where
a graph within a graph has used an answer, the outer one may still show the question: after a crash a used answer would
answer the next question. So what tells is the innermost scope that asks: has its task been answered more often than
when it asked?

A task that failed after it wrote something is taken for finished by LangGraph, and what should follow it is skipped:
the failing condition of an edge would end the graph in silence. So what a failed task wrote is not kept. Where a later
attempt of it succeeds, that it had failed is taken back with what it wrote, or it would run once more after a crash.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME
from langgraph.types import Interrupt

from workflow_engine.langgraph.saver import LedgerSaver
from workflow_engine.ports.checkpoints import Checkpoints
from workflow_engine.record.usage import Usage

_CAUGHT = "__error_source_node__"
_CONTROL = frozenset({ERROR, INTERRUPT, RESUME, _CAUGHT})


class GraphSaver(LedgerSaver):
    """Our store as the graph's checkpointer; of a task that failed it keeps only that it did, and what it was told."""

    def __init__(self, checkpoints: Checkpoints, *, types: Iterable[type | tuple[str, ...]] = ()) -> None:
        super().__init__(checkpoints, types=types)
        self._failed: set[str] = set()

    async def _put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str
    ) -> None:
        channels = {channel for channel, _ in writes}
        if ERROR in channels and _CAUGHT not in channels:
            # Its slots stay free for what it writes when it succeeds: they are written once.
            writes = [each for each in writes if each[0] in _CONTROL]
            self._failed.add(task_id)
        elif task_id in self._failed:
            writes = [*writes, (ERROR, None)]
            self._failed.discard(task_id)
        await super()._put_writes(config, writes, task_id, task_path)

    async def _get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        found = await super()._get_tuple(config)
        if found is None or not found.pending_writes:
            return found
        writes = [each for each in found.pending_writes if each[1] != ERROR or each[2] is not None]
        caught = {task for task, channel, _ in writes if channel == _CAUGHT}
        failed = {task for task, channel, _ in writes if channel == ERROR} - caught
        self._failed |= failed
        return found._replace(
            pending_writes=[each for each in writes if each[0] not in failed or each[1] in (RESUME, INTERRUPT)]
        )


@dataclass(frozen=True)
class Place:
    """Where an interrupt was raised: in which scope, on which checkpoint, by which task, after how many answers."""

    interrupt: str
    scope: str
    checkpoint: str
    task: str
    answers: int


@dataclass(frozen=True)
class Ref:
    """What a question of a graph is found by again, and what the graph had used until it asked."""

    place: Place
    usage: Usage
    models: tuple[str, ...]

    @property
    def text(self) -> str:
        used = [self.usage.requests, self.usage.input_tokens, self.usage.output_tokens]
        return json.dumps([list(vars(self.place).values()), used, self.models])

    @classmethod
    def of(cls, text: str) -> Ref:
        place, used, models = json.loads(text)
        return cls(Place(*place), Usage(*used), tuple(models))


@dataclass(frozen=True)
class Standing:
    """A scope at its newest checkpoint: what is pending there, by task."""

    scope: str
    newest: CheckpointTuple
    tasks: Mapping[str, list[tuple[str, Any]]]

    @property
    def checkpoint(self) -> str:
        return self.newest.checkpoint["id"]

    def asking(self) -> dict[str, tuple[Interrupt[Any], ...]]:
        """The interrupts of the tasks that are not finished."""
        found: dict[str, tuple[Interrupt[Any], ...]] = {}
        for task, writes in self.tasks.items():
            if all(channel in _CONTROL for channel, _ in writes):
                raised = [value for channel, value in writes if channel == INTERRUPT]
                if raised:
                    found[task] = tuple(raised[-1]) if isinstance(raised[-1], list | tuple) else (raised[-1],)
        return found

    def waits(self, place: Place) -> bool:
        """Whether what asked there still waits for its answer."""
        if self.checkpoint != place.checkpoint or self.answers(place.task) > place.answers:
            return False
        return all(channel in _CONTROL for channel, _ in self.tasks.get(place.task, ()))

    def answers(self, task: str) -> int:
        """How many answers a task has used."""
        given = [value for channel, value in self.tasks.get(task, ()) if channel == RESUME]
        if not given:
            return 0
        return len(given[-1]) if isinstance(given[-1], list) else 1


async def standing(saver: LedgerSaver, series: str, scope: str) -> Standing | None:
    """A scope as it stands; None where it has not begun. Raises StoreDamaged."""
    found = await saver.aget_tuple({"configurable": {"thread_id": series, "checkpoint_ns": scope}})
    if found is None:
        return None
    tasks: dict[str, list[tuple[str, Any]]] = {}
    for task, channel, value in found.pending_writes or ():
        tasks.setdefault(task, []).append((channel, value))
    return Standing(scope, found, tasks)


async def asked(saver: LedgerSaver, checkpoints: Checkpoints, series: str) -> list[tuple[Interrupt[Any], Place]]:
    """Everything that waits for an answer, each with its innermost place.

    What a graph within asks is shown in the scopes around it too, and still is where that has gone on since and nothing
    was told to those around it, because another answer was refused: what a graph within asks counts.
    """
    outer = await standing(saver, series, "")
    scopes = [each for each in await checkpoints.scopes(series) if each]
    return [] if outer is None else await _asked(saver, series, outer, scopes)


async def _asked(
    saver: LedgerSaver, series: str, here: Standing, scopes: Sequence[str]
) -> list[tuple[Interrupt[Any], Place]]:
    found: list[tuple[Interrupt[Any], Place]] = []
    for task, raised in here.asking().items():
        inner: list[tuple[Interrupt[Any], Place]] = []
        shown = {each.id for each in raised}
        for scope in scopes:
            last = [each for each in scope.split("|") if not each.isdigit()][-1]
            owner = last.partition(":")[2]
            if owner not in ("", task):
                continue
            within = await standing(saver, series, scope)
            others = [each for each in scopes if each != scope]
            asks = [] if within is None else await _asked(saver, series, within, others)
            # A graph that keeps its state from call to call names no task: it is told by what it asks.
            inner += asks if owner or any(each.id in shown for each, _ in asks) else []
        found += inner or [
            (each, Place(each.id, here.scope, here.checkpoint, task, here.answers(task))) for each in raised
        ]
    return found
