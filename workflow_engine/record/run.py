"""A run: where it stands, as its journal tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeVar

from pydantic import AwareDatetime

from workflow_engine.errors import Failure
from workflow_engine.making import quickly
from workflow_engine.record.frontier import Frontier
from workflow_engine.record.ids import QuestionId, RunId, place_in, step_key
from workflow_engine.record.inbox import Open
from workflow_engine.record.usage import Usage
from workflow_engine.record.waiting import Kept, Waiting
from workflow_engine.record.within import Within

T = TypeVar("T")
Status = Literal["queued", "running", "waiting", "succeeded", "failed", "cancelled"]
INTERRUPTED = "interrupted"
FINAL: frozenset[str] = frozenset({"succeeded", "cancelled"})


@quickly
@dataclass(frozen=True)
class Items:
    """How far an `each` node came in a visit: `since` numbers the first event of an item, the rest count final ones."""

    since: int
    done: int = 0
    failed: int = 0


@quickly
@dataclass(frozen=True)
class Run:
    """Where one run stands. Its size does not grow with the number of steps it took.

    `seq` numbers the last event folded, `steps` the steps finished or failed, `asked` the questions ever asked. A fork
    has a `parent`, the run and the step it was left anew at: its `steps` count on from there, and what was asked, used
    and answered before is its parent's.
    `answered` are the questions, by the node that asked them in the middle of its step, whose answers it goes on with.
    `waits` are what due nodes wait for besides people; `early` are signals that came and that no node waited for yet.
    A run that is a subflow of another lies `within` it; `entered` are the runs of due nodes that are subflows, and of
    the items that such a node has in hand: as many as it does at once, for a finished item leaves none behind.
    `failed` are due nodes that gave up with nothing to catch it; `caught` is what a failure edge brought to a node.
    `doubts` are effects that were started and not finished, `items` how far due `each` nodes came, `calls` the
    first event of what due agents said and did. `deaths` counts how
    often a due node's process died. `keys` are those of due steps whose node was renamed since they became due: a step
    keeps its key.
    `deadline` is when its time-out passes, as the code it was last driven with says; one that was `late`, and led on by
    its workflow, has none any more.
    """

    id: RunId
    workflow: str
    shape: str
    bodies: Mapping[str, str]
    created: datetime
    updated: datetime
    target: str | None = None
    parent: tuple[RunId, int] | None = None
    within: Within | None = None
    status: Status = "queued"
    reason: str | None = None
    error: Failure | None = None
    frontier: Frontier = Frontier()
    seq: int = 0
    steps: int = 0
    asked: int = 0
    open: tuple[Open, ...] = ()
    answered: Mapping[str, tuple[QuestionId, ...]] = field(default_factory=dict)
    waits: tuple[Waiting, ...] = ()
    early: tuple[Kept, ...] = ()
    entered: Mapping[str, RunId] = field(default_factory=dict)
    failed: Mapping[str, Failure] = field(default_factory=dict)
    caught: Mapping[str, Failure] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)
    deaths: Mapping[str, int] = field(default_factory=dict)
    items: Mapping[str, Items] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    usage: Usage = Usage()
    answered_by: tuple[str, ...] = ()
    deadline: AwareDatetime | None = None
    late: bool = False

    @property
    def resting(self) -> frozenset[str]:
        """Due nodes that wait: for an answer, a signal, a time, another run."""
        asked = frozenset(each.node for each in self.open)
        return asked | {each.node for each in self.waits if not each.complete} if self.waits else asked

    @property
    def due(self) -> datetime | None:
        """When a question is asked again or expires first, or a wait or its own time-out is over, if any has a time."""
        if not self.open and not self.waits:  # as in most commits, each of which asks
            return self.deadline if self.status in ("running", "waiting") else None
        return min((each for each in self._times() if each is not None), default=None)

    def _times(self) -> Iterable[datetime | None]:
        if self.status in ("running", "waiting"):
            yield self.deadline
            yield from (each.next for each in self.open)
            yield from (each.until for each in self.waits if not each.complete)

    @property
    def topics(self) -> frozenset[str]:
        """What it listens to right now."""
        if not self.waits or self.ended:
            return frozenset()
        return frozenset(each.topic for each in self.waits if each.topic is not None and not each.complete)

    @property
    def ended(self) -> bool:
        """Whether nothing will change this run again, save a resume of a failed step."""
        return self.status in FINAL or self.frontier.ended is not None

    def key(self, node: str, visit: int, item: int | None = None) -> str:
        """The idempotency key of a due node's step, or of one item in it."""
        kept = self.keys.get(node)
        if kept is None:
            return step_key(self.id, node, visit, item)
        return kept if item is None else f"{kept}/{item}"

    def begun_as(self, node: str, visit: int) -> str:
        """What a due node was called when its step became due."""
        kept = self.keys.get(node)
        return node if kept is None else kept.removeprefix(f"{self.id}/").removesuffix(f"/{visit}")

    def wait(self, node: str) -> Waiting | None:
        """What a due node waits for."""
        return next((each for each in self.waits if each.node == node), None)

    def entered_by(self, node: str) -> Mapping[int | None, RunId]:
        """The runs within that a due node has entered, by item; None of one that is a subflow itself."""
        if not self.entered:
            return {}
        places = ((place_in(place), run) for place, run in self.entered.items())
        return {item: run for (name, item), run in places if name == node}

    def question(self, node: str) -> Open | None:
        """The open question of a due node."""
        return next((each for each in self.open if each.node == node), None)
