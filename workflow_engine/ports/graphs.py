"""The graph-runner port: a foreign graph taken from where it stands to its end, or to where it asks people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from workflow_engine.record.inbox import Reply
from workflow_engine.record.usage import Usage
from workflow_engine.spec.foreign import ForeignGraph


@dataclass(frozen=True)
class GraphTask:
    """One attempt at one visit of a node.

    `series` names all that is kept of this visit: where that holds a checkpoint the graph goes on from the newest, and
    `begin`, which makes its input, is not called. `replies` are the answers to what it asked, under the refs it asked
    with; those it has used already are not used again. `tell` is told what it is at. Once `leaving` returns, the graph
    begins no further step of its own.
    """

    node: str
    graph: ForeignGraph
    series: str
    begin: Callable[[], Awaitable[Any]]
    replies: tuple[Reply, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    tell: Callable[[str], None] = field(default=lambda _: None)
    leaving: Callable[[], Awaitable[object]] | None = None


@dataclass(frozen=True)
class Pending:
    """One thing a graph asks: the value it shows, and the JSON Schema of the answer where it gives one.

    `ref` finds the very place that asked again, in any process. `problem` says why an answer was not taken.
    """

    ref: str
    value: Any
    schema: Mapping[str, Any] | None = None
    problem: str = ""


@dataclass(frozen=True)
class Paused:
    """It cannot go on until people answered, and where it stands is on disk.

    What it has used so far is told with what follows the answers.
    """

    pending: tuple[Pending, ...]


@dataclass(frozen=True)
class Ended:
    """It came to its end, with this output; what its models used, in this attempt and before it asked."""

    output: Any
    usage: Usage | None = None
    answered_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Left:
    """It stopped between two of its steps, because it should; where it stands is on disk."""


Outcome: TypeAlias = Paused | Ended | Left


class GraphRunner(Protocol):
    """Runs foreign graphs."""

    async def run(self, task: GraphTask) -> Outcome:
        """Take a graph on until it ends or rests.

        Raises what its nodes raise, errors.StepError for what is wrong with the graph itself, errors.BadWrite for a
        value that cannot be stored, and errors.StoreError.
        """
        ...
