"""Foreign graphs run: from their newest checkpoint in our store to their end, or to where they ask people.

Where a graph stands is never concluded from `next`: it is empty between the end of a task and the checkpoint after it.
It has ended when LangGraph, entered anew at the newest checkpoint, stops by itself and not at an interrupt.

An answer is given to one interrupt of one task at one checkpoint, and only while that has not been answered. LangGraph
takes the id of a task's first interrupt for any later one of its (as older versions had no other), and where a graph
within a graph has used an answer, the outer one may still show the question: after a crash a used answer would answer
the next question. So what tells is the innermost scope that asks: has its task been answered more often than then?

A task that failed after it wrote something is taken for finished by LangGraph, and what should follow it is skipped:
the failing condition of an edge would end the graph in silence. So what a failed task wrote is not handed back to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakKeyDictionary

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs, var_child_runnable_config
from langgraph.checkpoint.base import CheckpointTuple, PendingWrite
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME
from langgraph.errors import EmptyInputError, GraphRecursionError, InvalidUpdateError, is_invalid_resume
from langgraph.pregel import Pregel
from langgraph.types import Command, Interrupt

from workflow_engine.bodies.intent import Wrote
from workflow_engine.errors import BadWrite, StepError
from workflow_engine.langgraph.given import GivenGraph
from workflow_engine.langgraph.meter import Meter
from workflow_engine.langgraph.saver import LedgerSaver, ValueRefused
from workflow_engine.ports.checkpoints import Checkpoints
from workflow_engine.ports.graphs import Ended, GraphTask, Outcome, Paused, Pending
from workflow_engine.record.usage import Usage

_CONTROL = frozenset({ERROR, INTERRUPT, RESUME, "__error_source_node__"})
_STRUCTURE = "graph_structure"
_DUE = "branch:to:"


class LangGraphRunner:
    """Implements ports.graphs.GraphRunner."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._made: WeakKeyDictionary[GivenGraph, tuple[Pregel[Any, Any, Any, Any], GraphSaver]] = WeakKeyDictionary()

    async def run(self, task: GraphTask) -> Outcome:
        """Take a graph on until it ends or rests."""
        given = cast("GivenGraph", task.graph)
        graph, saver = self._own(given)
        # Whoever drives the engine within a graph of LangGraph's: this one is no part of that.
        var_child_runnable_config.set(None)
        replies = tuple((_Ref.of(each.ref), each.value) for each in task.replies)
        visit = _Visit(task, given, graph, saver, self._checkpoints, Meter(), replies)
        try:
            return await visit.go()
        except Exception as error:
            failed = _told(task.node, error)
            if visit.meter.usage.requests:
                with suppress(AttributeError, TypeError):  # any class of the user's
                    cast("Any", failed).so_far = Wrote(usage=visit.meter.usage, answered_by=tuple(visit.meter.models))
            if failed is error:
                raise
            raise failed from error

    def _own(self, given: GivenGraph) -> tuple[Pregel[Any, Any, Any, Any], GraphSaver]:
        """The graph with a checkpointer on our store in the place of its own, if it has one."""
        if given not in self._made:
            saver = GraphSaver(self._checkpoints, types=given.types)
            self._made[given] = given.graph.copy(update={"checkpointer": saver}), saver
        return self._made[given]


def _told(node: str, error: Exception) -> Exception:
    """What LangGraph finds wrong, in our words; what the graph's nodes raise stays as it is."""
    match error:
        case ValueRefused():
            return BadWrite(f"the graph of {node}: {error.what}", error.cure)
        case GraphRecursionError():
            return StepError(
                f"the graph of {node} took as many steps as it may without ending: {_first_line(error)}",
                "langgraph_node(..., recursion_limit=...), or resume the run: it goes on for as many again",
                kind="limit",
                retryable=False,
            )
        case EmptyInputError() | InvalidUpdateError():
            return StepError(f"the graph of {node}: {_first_line(error)}", retryable=False)
        case _:
            return error


class GraphSaver(LedgerSaver):
    """Our store as the graph's checkpointer; of a task that failed it hands back only what that was told."""

    async def _get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        found = await super()._get_tuple(config)
        if found is None or not found.pending_writes:
            return found
        return found._replace(pending_writes=_unfailed(found.pending_writes))


def _unfailed(writes: list[PendingWrite]) -> list[PendingWrite]:
    caught = {task for task, channel, _ in writes if channel == "__error_source_node__"}
    failed = {task for task, channel, _ in writes if channel == ERROR} - caught
    return [each for each in writes if each[0] not in failed or each[1] in (RESUME, INTERRUPT)]


@dataclass(frozen=True)
class _Place:
    """Where an interrupt was raised: in which scope, on which checkpoint, by which task, after how many answers."""

    interrupt: str
    scope: str
    checkpoint: str
    task: str
    answers: int


@dataclass(frozen=True)
class _Ref:
    """What a question of a graph is found by again, and what the graph had used until it asked."""

    place: _Place
    usage: Usage
    models: tuple[str, ...]

    @property
    def text(self) -> str:
        used = [self.usage.requests, self.usage.input_tokens, self.usage.output_tokens]
        return json.dumps([list(vars(self.place).values()), used, self.models])

    @classmethod
    def of(cls, text: str) -> _Ref:
        place, used, models = json.loads(text)
        return cls(_Place(*place), Usage(*used), tuple(models))


@dataclass(frozen=True)
class _Standing:
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

    def answers(self, task: str) -> int:
        """How many answers a task has used."""
        given = [value for channel, value in self.tasks.get(task, ()) if channel == RESUME]
        if not given:
            return 0
        return len(given[-1]) if isinstance(given[-1], list) else 1


@dataclass(frozen=True)
class _Visit:
    """One visit of a node, in one attempt."""

    task: GraphTask
    given: GivenGraph
    graph: Pregel[Any, Any, Any, Any]
    saver: GraphSaver
    checkpoints: Checkpoints
    meter: Meter
    replies: tuple[tuple[_Ref, Any], ...]

    @property
    def used(self) -> Usage:
        """In this attempt, and before the graph asked."""
        return self.meter.usage if not self.replies else self.replies[0][0].usage + self.meter.usage

    @property
    def models(self) -> tuple[str, ...]:
        before = () if not self.replies else self.replies[0][0].models
        return tuple(dict.fromkeys((*before, *self.meter.models)))

    async def go(self) -> Outcome:
        begun = await self._standing("")
        if begun is None:
            value = await self.task.begin()
        else:
            self._fits(begun)
            value = await self._answers()
        try:
            output, stopped = await self._streamed(value)
        except Exception as error:
            if not is_invalid_resume(error):
                raise
            return await self._asked_again(error)
        if not stopped:
            return Ended(output, self.used if self.used.requests else None, self.models)
        pending = await self._pending()
        if not pending:
            raise StepError(
                f"the graph of {self.task.node} stopped without asking anything",
                "compile it, and the graphs within it, without interrupt_before= and interrupt_after=",
                retryable=False,
            )
        return Paused(tuple(pending))

    async def _streamed(self, value: Any) -> tuple[Any, bool]:
        """Run it; its output, and whether it stopped before its end."""
        output: Any = None
        stopped = False
        more = {"context": self.task.settings["context"]} if "context" in self.task.settings else {}
        streaming = self.graph.astream(
            value,
            self._config(),
            stream_mode=["values", "updates", "tasks", "custom"],
            output_keys=self.graph.output_channels,
            subgraphs=True,
            durability="sync",
            **more,
        )
        async with aclosing(cast("Any", streaming)) as stream:
            async for space, mode, payload in stream:
                match mode:
                    case "values":
                        output = payload if not space else output
                    case "updates":
                        stopped = stopped or (not space and isinstance(payload, Mapping) and INTERRUPT in payload)
                    case "tasks":
                        self._tell(space, payload)
                    case _:
                        self._said(payload)
        return output, stopped

    def _config(self) -> RunnableConfig:
        settings = self.task.settings
        ours: RunnableConfig = {
            "configurable": {"thread_id": self.task.series},
            "metadata": {_STRUCTURE: self.given.anatomy.structure},
            "callbacks": [self.meter],
        }
        if "recursion_limit" in settings:
            ours["recursion_limit"] = settings["recursion_limit"]
        return merge_configs(settings.get("config"), ours)

    # What it says of itself

    def _tell(self, space: tuple[str, ...], payload: Any) -> None:
        if "result" not in payload and "error" not in payload:
            self.task.tell(" › ".join([*(each.partition(":")[0] for each in space), payload["name"]]))

    def _said(self, payload: Any) -> None:
        """What a node writes to the stream, where it is words."""
        words = payload.get("progress") or payload.get("message") if isinstance(payload, Mapping) else payload
        if isinstance(words, str):
            self.task.tell(words)

    # Where it stands

    async def _standing(self, scope: str) -> _Standing | None:
        found = await self.saver.aget_tuple({"configurable": {"thread_id": self.task.series, "checkpoint_ns": scope}})
        if found is None:
            return None
        tasks: dict[str, list[tuple[str, Any]]] = {}
        for task, channel, value in found.pending_writes or ():
            tasks.setdefault(task, []).append((channel, value))
        return _Standing(scope, found, tasks)

    def _fits(self, begun: _Standing) -> None:
        """Raises StepError where the graph is another one: LangGraph would pass over what it does not know any more."""
        known = cast("dict[str, Any]", begun.newest.metadata).get(_STRUCTURE)
        if known == self.given.anatomy.structure:
            return
        checkpoint = begun.newest.checkpoint
        due = (name.removeprefix(_DUE) for name in checkpoint["channel_values"] if name.startswith(_DUE))
        seen = (name for name in checkpoint["versions_seen"] if not name.startswith("__"))
        gone = sorted({*seen, *due} - set(self.given.anatomy.places))
        raise StepError(
            f"the graph of {self.task.node} was changed while this run is in the middle of it"
            + (f": {', '.join(gone)} {'is' if len(gone) == 1 else 'are'} gone" if gone else ""),
            "go on with the graph as it was, or fork the run before this node: its graph begins anew there",
            retryable=False,
        )

    async def _answers(self) -> Command[Any] | None:
        """The answers that are still to be given, each to its own interrupt."""
        left = {}
        for ref, value in self.replies:
            if await self._waits(ref.place):
                left[ref.place.interrupt] = value
        return Command(resume=left) if left else None

    async def _waits(self, place: _Place) -> bool:
        """Whether what an answer is for still waits for it."""
        now = await self._standing(place.scope)
        if now is None or now.checkpoint != place.checkpoint or now.answers(place.task) > place.answers:
            return False
        return all(channel in _CONTROL for channel, _ in now.tasks.get(place.task, ()))

    async def _pending(self) -> list[Pending]:
        """Everything it asks, in the order in which it says it."""
        outer = await self._standing("")
        assert outer is not None
        asked = [each for raised in outer.asking().values() for each in raised]
        places = await self._places(outer, asked)
        refs = (_Ref(places[each.id], self.used, self.models).text for each in asked)
        return [Pending(ref, each.value, _schema(each)) for ref, each in zip(refs, asked, strict=True)]

    async def _places(self, outer: _Standing, asked: Iterable[Interrupt[Any]]) -> dict[str, _Place]:
        """The innermost place of each: a scope that a graph within has shows there what is shown around it too."""
        wanted = {each.id for each in asked}
        found: dict[str, _Place] = {}
        layer = [outer]
        scopes = [each for each in await self.checkpoints.scopes(self.task.series) if each]
        while layer:
            tasks: set[str] = set()
            for here in layer:
                for task, raised in here.asking().items():
                    tasks.add(task)
                    for each in raised:
                        if each.id in wanted:
                            place = _Place(each.id, here.scope, here.checkpoint, task, here.answers(task))
                            found[each.id] = place
            within = [each for each in scopes if _inside(each, tasks)]
            scopes = [each for each in scopes if each not in within]
            layer = [each for each in [await self._standing(scope) for scope in within] if each is not None]
        return found

    async def _asked_again(self, error: Exception) -> Outcome:
        """An answer did not fit what only the graph knows: its question is asked once more, with the reason."""
        pending = await self._pending()
        problem = str(error)
        return Paused(tuple(Pending(each.ref, each.value, each.schema, problem) for each in pending))


def _inside(scope: str, tasks: set[str]) -> bool:
    """Whether a scope is that of a graph within one of these tasks. One that keeps its state names no task."""
    last = [each for each in scope.split("|") if not each.isdigit()][-1]
    task = last.partition(":")[2]
    return not task or task in tasks


def _schema(interrupt: Interrupt[Any]) -> Mapping[str, Any] | None:
    schema = interrupt.response_schema
    return schema if isinstance(schema, Mapping) else None


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
