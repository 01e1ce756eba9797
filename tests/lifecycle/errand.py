"""The workflow whose life is told twice: as the engine runs it, and as a model of a page that knows no engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from workflow_engine import END, FAIL, START, Question, State, Step, append, at_most, function, human, route, workflow

BOUND = 3
Word = Literal["again", "done", "drop"]


class Errand(State):
    goal: int
    n: int = 0
    word: str = ""
    log: Annotated[list[str], append] = Field(default_factory=list)


@dataclass
class World:
    """What is outside: whether closing works, which steps are known to be durable, and which ran all the same."""

    broken: bool = False
    durable: set[str] = field(default_factory=set)
    again: list[str] = field(default_factory=list)

    def ran(self, step: Step) -> None:
        if step.key in self.durable:
            self.again.append(step.key)


def errand(world: World) -> Any:
    @function(writes=("n", "log"))
    async def work(n: int, step: Step) -> tuple[int, list[str]]:
        world.ran(step)
        return n + 1, [f"worked {n + 1}"]

    @route
    def enough(n: int, goal: int) -> Literal["more", "enough"]:
        return "more" if n < goal else "enough"

    @human(writes="word")
    def ask(n: int) -> Question[Word]:
        return Question(f"{n} done. Enough?")

    @function(writes="log", effect=True, in_doubt="rerun")
    async def close(word: str, step: Step) -> list[str]:
        world.ran(step)
        if world.broken:
            raise ValueError("it is broken")
        return [f"closed, {word}"]

    return workflow(
        "errand",
        state=Errand,
        edges=[
            START >> work >> enough,
            enough["more"] >> at_most(BOUND, work, then=ask),
            enough["enough"] >> ask,
            ask["again"] >> work,
            ask["done"] >> close >> END,
            ask["drop"] >> FAIL("dropped"),
        ],
    )


# ------------------------------------------------------------------------------------------------ the model


@dataclass(frozen=True)
class Left:
    """A step that was left: the state it left behind, and how often the bounded edge was taken before it was left."""

    node: str
    goal: int
    n: int
    word: str
    log: tuple[str, ...]
    taken: int
    answer: str = ""

    def onward(self) -> tuple[str, int]:
        """What is due next, or how the run ended; and the count of the bounded edge then."""
        match self.node:
            case "START":
                return "work", 0
            case "work" if self.n < self.goal and self.taken < BOUND:
                return "work", self.taken + 1
            case "work":
                return "ask", self.taken
            case "ask":
                return {"again": ("work", 0), "done": ("close", self.taken), "drop": ("dropped", self.taken)}[
                    self.answer
                ]
            case _:
                return "succeeded", self.taken


@dataclass(frozen=True)
class Model:
    """A run as it must be: the steps it left (the first is START), and the answer that waits to be taken up."""

    steps: tuple[Left, ...]
    letter: str = ""
    cancelled: bool = False
    failed: bool = False

    @property
    def last(self) -> Left:
        return self.steps[-1]

    @property
    def due(self) -> str:
        return self.last.onward()[0]

    @property
    def ended(self) -> bool:
        return self.cancelled or self.due in ("succeeded", "dropped")

    @property
    def waiting(self) -> bool:
        return self.due == "ask" and not self.cancelled

    def gone_on(self, broken: bool) -> Model:
        """Where it rests once it has gone on as far as it can."""
        model = replace(self, failed=False)
        while not model.ended and (taken := model._next(broken)) is not None:
            model = taken
        return replace(model, failed=model.due == "close" and not model.cancelled)

    def _next(self, broken: bool) -> Model | None:
        last, (due, taken) = self.last, self.last.onward()
        if due == "work":
            n = last.n + 1
            return self._with(replace(last, node="work", n=n, log=(*last.log, f"worked {n}"), taken=taken))
        if due == "ask" and self.letter:
            return replace(
                self._with(replace(last, node="ask", word=self.letter, answer=self.letter, taken=taken)), letter=""
            )
        if due == "close" and not broken:
            return self._with(replace(last, node="close", log=(*last.log, f"closed, {last.word}"), taken=taken))
        return None

    def _with(self, step: Left) -> Model:
        return replace(self, steps=(*self.steps, step))

    def forked(self, at: int, edits: dict[str, Any]) -> Model:
        """A new run as it stood after a step, edited, with that step left anew."""
        step = replace(self.steps[at], **edits)
        if step.node == "ask" and "word" in edits:
            step = replace(step, answer=edits["word"])
        return Model((*self.steps[:at], step))

    def told(self) -> Iterator[tuple[str, Any]]:
        """What the engine must say of it."""
        status = "cancelled" if self.cancelled else self.due if self.due == "succeeded" else ""
        yield "status", status or ("failed" if self.failed or self.due == "dropped" else "waiting")
        last = self.last
        yield "values", {"goal": last.goal, "n": last.n, "word": last.word, "log": list(last.log)}
        yield "left", [each.node for each in self.steps[1:]]


def begun(goal: int) -> Model:
    """A run that has taken no step yet."""
    return Model((Left("START", goal, 0, "", (), 0),))
