"""Foreign graphs run: from their newest checkpoint in our store to their end, or to where they ask people.

Where a graph stands is never concluded from `next`: it is empty between the end of a task and the checkpoint after it.
It has ended when LangGraph, entered anew at the newest checkpoint, stops by itself and not at an interrupt.

An answer is given to one interrupt of one task at one checkpoint, and only while that has not been answered (see
standing.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs, var_child_runnable_config
from langgraph.checkpoint.serde.types import INTERRUPT
from langgraph.errors import EmptyInputError, GraphDrained, GraphRecursionError, InvalidUpdateError, is_invalid_resume
from langgraph.pregel import Pregel
from langgraph.runtime import RunControl
from langgraph.types import Command, Interrupt

from workflow_engine.bodies.intent import Wrote
from workflow_engine.errors import BadWrite, StepError, StoreDamaged
from workflow_engine.langgraph.encoding import ValueRefused
from workflow_engine.langgraph.given import GivenGraph
from workflow_engine.langgraph.meter import Meter
from workflow_engine.langgraph.standing import GraphSaver, Ref, Standing, asked, standing
from workflow_engine.ports.checkpoints import Checkpoints
from workflow_engine.ports.graphs import Ended, GraphTask, Left, Outcome, Paused, Pending
from workflow_engine.record.usage import Usage

_STRUCTURE = "graph_structure"
_DUE = "branch:to:"


class LangGraphRunner:
    """Implements ports.graphs.GraphRunner."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints

    async def run(self, task: GraphTask) -> Outcome:
        """Take a graph on until it ends or rests."""
        given = cast("GivenGraph", task.graph)
        saver = GraphSaver(self._checkpoints, types=given.types)
        # In the place of a checkpointer of its own, if it has one.
        graph = given.graph.copy(update={"checkpointer": saver})
        # Whoever drives the engine within a graph of LangGraph's: this one is no part of that.
        var_child_runnable_config.set(None)
        replies = tuple((Ref.of(each.ref), each.value) for each in task.replies)
        visit = _Visit(task, given, graph, saver, self._checkpoints, Meter(), replies)
        try:
            return await visit.go()
        except GraphDrained:
            return Left()
        except Exception as error:
            failed = _told(task.node, error)
            if visit.meter.usage.requests:
                with suppress(AttributeError, TypeError):  # any class of the user's
                    cast("Any", failed).so_far = Wrote(usage=visit.meter.usage, answered_by=tuple(visit.meter.models))
            if failed is error:
                raise
            raise failed from error


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


@dataclass(frozen=True)
class _Visit:
    """One visit of a node, in one attempt."""

    task: GraphTask
    given: GivenGraph
    graph: Pregel[Any, Any, Any, Any]
    saver: GraphSaver
    checkpoints: Checkpoints
    meter: Meter
    replies: tuple[tuple[Ref, Any], ...]

    @property
    def used(self) -> Usage:
        """In this attempt, and before the graph asked."""
        return self.meter.usage if not self.replies else self.replies[0][0].usage + self.meter.usage

    @property
    def models(self) -> tuple[str, ...]:
        before = () if not self.replies else self.replies[0][0].models
        return tuple(dict.fromkeys((*before, *self.meter.models)))

    async def go(self) -> Outcome:
        begun = await standing(self.saver, self.task.series, "")
        if begun is None and self.replies:
            raise StoreDamaged(
                f"the checkpoints of {self.task.node}'s graph ({self.task.series}) are gone, and it had asked",
                "take them from a backup, or fork the run before this node: its graph begins anew there",
            )
        if begun is None:
            return await self._outcome(*await self._streamed(await self.task.begin()), {})
        self._fits(begun)
        left = await self._left()
        try:
            return await self._outcome(*await self._streamed(Command(resume=left) if left else None), {})
        except Exception as error:
            if not is_invalid_resume(error):
                raise
            return await self._one_by_one(left, error)

    async def _one_by_one(self, left: Mapping[str, Any], error: Exception) -> Outcome:
        """An answer did not fit what only the graph knows, and is asked for once more. The others are good ones."""
        problems: dict[str, str] = {}
        output, stopped = None, True
        if len(left) == 1:
            problems = dict.fromkeys(left, str(error))
            left = {}
        for id, value in left.items():
            if id not in await self._left():
                continue  # used beside the one that did not fit: it would answer what was asked since
            try:
                output, stopped = await self._streamed(Command(resume={id: value}))
            except Exception as each:
                if not is_invalid_resume(each):
                    raise
                problems[id] = str(each)
        return await self._outcome(output, stopped or bool(problems), problems)

    async def _outcome(self, output: Any, stopped: bool, problems: Mapping[str, str]) -> Outcome:
        if not stopped:
            return Ended(output, self.used if self.used.requests else None, self.models)
        pending = await self._pending(problems)
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
        control = RunControl()
        leaving = asyncio.create_task(self._leave(control))
        streaming = self.graph.astream(
            value,
            self._config(),
            stream_mode=["values", "updates", "tasks", "custom"],
            output_keys=self.graph.output_channels,
            subgraphs=True,
            durability="sync",
            control=control,
            **more,
        )
        try:
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
        finally:
            leaving.cancel()
        return output, stopped

    async def _leave(self, control: RunControl) -> None:
        if self.task.leaving is not None:
            await self.task.leaving()
            control.request_drain("drained")

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

    def _fits(self, begun: Standing) -> None:
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

    async def _left(self) -> dict[str, Any]:
        """The answers that are still to be given, each to its own interrupt."""
        left: dict[str, Any] = {}
        for ref, value in self.replies:
            here = await standing(self.saver, self.task.series, ref.place.scope)
            if here is not None and here.waits(ref.place):
                left[ref.place.interrupt] = value
        return left

    async def _pending(self, problems: Mapping[str, str]) -> list[Pending]:
        """Everything it asks, in the order in which it says it."""
        return [
            Pending(Ref(place, self.used, self.models).text, each.value, _schema(each), problems.get(each.id, ""))
            for each, place in await asked(self.saver, self.checkpoints, self.task.series)
        ]


def _schema(interrupt: Interrupt[Any]) -> Mapping[str, Any] | None:
    schema = interrupt.response_schema
    return schema if isinstance(schema, Mapping) else None


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
