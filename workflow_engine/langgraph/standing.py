"""Where a foreign graph stands: its scopes at their newest checkpoints, and the places in them that ask.

LangGraph takes the id of a task's first interrupt for any later one of its (as older versions had no other), and where
a graph within a graph has used an answer, the outer one may still show the question: after a crash a used answer would
answer the next question. So what tells is the innermost scope that asks: has its task been answered more often than
when it asked?

A task that failed after it wrote something is taken for finished by LangGraph, and what should follow it is skipped:
the failing condition of an edge would end the graph in silence. So what a failed task wrote is not handed back to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, PendingWrite
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME
from langgraph.types import Interrupt

from workflow_engine.langgraph.saver import LedgerSaver
from workflow_engine.ports.checkpoints import Checkpoints
from workflow_engine.record.usage import Usage

_CAUGHT = "__error_source_node__"
_CONTROL = frozenset({ERROR, INTERRUPT, RESUME, _CAUGHT})


class GraphSaver(LedgerSaver):
    """Our store as the graph's checkpointer; of a task that failed it hands back only what that was told."""

    async def _get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        found = await super()._get_tuple(config)
        if found is None or not found.pending_writes:
            return found
        return found._replace(pending_writes=_unfailed(found.pending_writes))


def _unfailed(writes: list[PendingWrite]) -> list[PendingWrite]:
    caught = {task for task, channel, _ in writes if channel == _CAUGHT}
    failed = {task for task, channel, _ in writes if channel == ERROR} - caught
    return [each for each in writes if each[0] not in failed or each[1] in (RESUME, INTERRUPT)]


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


async def places(saver: LedgerSaver, checkpoints: Checkpoints, series: str, outer: Standing) -> dict[str, Place]:
    """The innermost place of each interrupt: what a graph within asks is shown in the scopes around it too."""
    wanted = {each.id for raised in outer.asking().values() for each in raised}
    found: dict[str, Place] = {}
    layer = [outer]
    scopes = [each for each in await checkpoints.scopes(series) if each]
    while layer:
        tasks: set[str] = set()
        for here in layer:
            for task, raised in here.asking().items():
                tasks.add(task)
                for each in raised:
                    if each.id in wanted:
                        found[each.id] = Place(each.id, here.scope, here.checkpoint, task, here.answers(task))
        within = [each for each in scopes if _inside(each, tasks)]
        scopes = [each for each in scopes if each not in within]
        layer = [each for each in [await standing(saver, series, scope) for scope in within] if each is not None]
    return found


def _inside(scope: str, tasks: set[str]) -> bool:
    """Whether a scope is that of a graph within one of these tasks. One that keeps its state names no task."""
    last = [each for each in scope.split("|") if not each.isdigit()][-1]
    task = last.partition(":")[2]
    return not task or task in tasks
