"""Random graphs of LangGraph's, taken as nodes: inner nodes that ask, loop, run beside each other, fail and are within.

An inner node is a pure function of what it reads and of how often it has run in this visit. That number is a channel
of its own, so what the store keeps of a graph tells which of its nodes were done: those may not run again.
"""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Annotated, Any, Literal, TypeAlias, TypedDict, cast

from langgraph.config import get_config
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send, interrupt
from pydantic import BaseModel, field_validator

from tests.differential.outside import DONE, PROCESS, number

Builder: TypeAlias = StateGraph[Any, Any, Any, Any]
Put: TypeAlias = Callable[[Builder, str], str]
Form: TypeAlias = Literal["text", "choices", "schema", "typed"]
WORDS = ("left", "right")
PARTS = 3


class Amount(BaseModel):
    """An answer of which only the graph knows that it does not fit."""

    amount: int

    @field_validator("amount")
    @classmethod
    def fits(cls, amount: int) -> int:
        if amount % 3 == 0:
            raise ValueError(f"{amount} is divided by three")
        return amount


class AnyAmount(BaseModel):
    """An answer that fits."""

    amount: int


def answer(seed: int, message: str, choices: Sequence[str], schema: Mapping[str, Any], *, fits: bool = False) -> Any:
    """What a person says to what a graph asks; where only the graph knows what `fits`, at first often what does not."""
    value = number(seed, message.partition("\n")[0]) % 1000
    if choices:
        return choices[value % len(choices)]
    if "properties" not in schema:
        return value
    return {"amount": value * 3 + (fits or "did not fit" in message or value % 2)}


@dataclass(frozen=True)
class Place:
    """One inner node of the graph `graph`. It asks in these forms, one after another.

    It raises once (each of its tasks does) if it is `flaky`, at the `fails` visits of the outer node, and while the
    world is not mended if it is `broken`. Any amount `fits` where it says so.
    """

    seed: int
    graph: str
    name: str
    asks: tuple[Form, ...] = ()
    flaky: bool = False
    broken: bool = False
    fails: frozenset[int] = frozenset()
    fits: bool = False

    @property
    def harmed(self) -> bool:
        """Whether it ever raises."""
        return self.flaky or self.broken or bool(self.fails)

    async def run(self, state: Mapping[str, Any]) -> dict[str, Any]:
        process = PROCESS.get()
        for _ in range(process.turns()):
            await asyncio.sleep(0)
        await process.alive()
        return self.plain(state)

    def plain(self, state: Mapping[str, Any]) -> dict[str, Any]:
        process, series = PROCESS.get(), str(get_config().get("configurable", {})["thread_id"])
        mark = f"{self.name}_{state['part']}" if "part" in state else self.name
        count = state.get(DONE + mark, 0) + 1
        process.inside(series, mark, count, {name: each for name, each in state.items() if name.startswith(DONE)})
        read = (state["given"], state.get("visit", 0), state.get("total", 0))
        answers = [
            self._ask(form, f"{self.graph} {mark} {count}.{at} with {read}?") for at, form in enumerate(self.asks)
        ]
        if self.flaky and process.world.first((series, mark)):
            raise RuntimeError(f"{mark} of {self.graph} is flaky")
        if (self.broken and not process.world.mended) or state.get("visit", 0) in self.fails:
            raise RuntimeError(f"{mark} of {self.graph} cannot do visit {state.get('visit', 0)}")
        value = number(self.seed, self.graph, mark, count, read, answers) % 1000
        return {DONE + mark: count, "total": value, "trail": [f"{self.graph}#{mark}.{count}={value}"]}

    def _ask(self, form: Form, words: str) -> Any:
        match form:
            case "text":
                return interrupt(words)
            case "choices":
                return interrupt({"message": words, "choices": list(WORDS)})
            case "schema":
                return interrupt({"message": words, "schema": {"type": "integer"}})
            case "typed":
                if self.fits:
                    return interrupt(words, response_schema=AnyAmount).amount
                return interrupt(words, response_schema=Amount).amount


@dataclass
class Making:
    """A graph in the making: pieces in a row, each put behind the node before it.

    `flaky` counts how often attempts at it fail.
    """

    seed: int
    name: str
    random: Random
    fails: frozenset[int] = frozenset()
    broken: bool = False
    nodes: dict[str, Any] = field(default_factory=dict)
    marks: list[str] = field(default_factory=list)
    flaky: int = 0

    def graph(self) -> Builder:
        """A whole graph."""
        rows = [self.piece(0) for _ in range(self.random.choice((1, 2, 2, 3)))]
        return self.built(rows)

    def built(self, rows: list[Put]) -> Builder:
        fields: dict[str, Any] = {
            "given": int,
            "visit": int,
            "total": Annotated[int, operator.add],
            "trail": Annotated[list[str], operator.add],
            **{DONE + mark: int for mark in self.marks},
        }
        builder: Builder = StateGraph(cast("Any", TypedDict(f"In_{self.name}", fields)))  # type: ignore[operator]
        last = START
        for put in rows:
            last = put(builder, last)
        builder.add_edge(last, END)
        return builder

    def place(self, *, calm: bool = False) -> str:
        """A node more."""
        name = f"n{len(self.nodes)}"
        chance = self.random.random
        asks: list[Form] = self.random.choices(("text", "choices", "schema", "typed"), k=self.random.choice((1, 1, 2)))
        flaky = not calm and chance() < 0.1
        self.flaky += flaky
        broken, self.broken = self.broken and not calm, self.broken and calm
        fails, self.fails = (frozenset(), self.fails) if calm else (self.fails, frozenset())
        place = Place(self.seed, self.name, name, tuple(asks) if chance() < 0.35 else (), flaky, broken, fails)
        self.nodes[name] = place.plain if chance() < 0.06 else place.run
        self.marks.append(name)
        return name

    def settle(self, *names: str) -> None:
        """Let every answer fit at nodes of one moment of which one may raise: which is noticed first is chance."""
        if any(self.nodes[name].__self__.harmed for name in names):
            for name in names:
                bound = self.nodes[name]
                self.nodes[name] = getattr(replace(bound.__self__, fits=True), bound.__name__)

    # Pieces: each is put behind a node, and returns the one it ends at

    def piece(self, depth: int) -> Put:
        pieces = [self.step, self.step, self.loop, self.choice, self.beside, self.spread]
        made: Callable[[], Put] = self.random.choice([*pieces, *((self.within, self.calling) if depth < 1 else ())])
        return made()

    def step(self) -> Put:
        name = self.place()

        def put(builder: Builder, last: str) -> str:
            builder.add_node(name, self.nodes[name])
            builder.add_edge(last, name)
            return name

        return put

    def loop(self) -> Put:
        """Two nodes that are run once, twice or three times."""
        head, tail, times, after = self.place(), self.place(), self.random.choice((2, 2, 3)), self.place(calm=True)

        def again(state: Mapping[str, Any]) -> str:
            return head if state[DONE + tail] < 1 + number(self.seed, state["given"]) % times else after

        def put(builder: Builder, last: str) -> str:
            for each in (head, tail, after):
                builder.add_node(each, self.nodes[each])
            builder.add_edge(last, head)
            builder.add_edge(head, tail)
            builder.add_conditional_edges(tail, again, [head, after])
            return after

        return put

    def choice(self) -> Put:
        before, left, right, after = self.place(), self.place(), self.place(calm=True), self.place(calm=True)

        def way(state: Mapping[str, Any]) -> str:
            return left if number(self.seed, state["total"]) % 2 else right

        def put(builder: Builder, last: str) -> str:
            for each in (before, left, right, after):
                builder.add_node(each, self.nodes[each])
            builder.add_edge(last, before)
            builder.add_conditional_edges(before, way, [left, right])
            builder.add_edge(left, after)
            builder.add_edge(right, after)
            return after

        return put

    def beside(self) -> Put:
        """Two nodes at once, each of which may ask."""
        before, *both, after = self.place(calm=True), self.place(), self.place(calm=True), self.place(calm=True)
        self.settle(*both)

        def put(builder: Builder, last: str) -> str:
            for each in (before, *both, after):
                builder.add_node(each, self.nodes[each])
            builder.add_edge(last, before)
            for each in both:
                builder.add_edge(before, each)
            builder.add_edge(both, after)
            return after

        return put

    def spread(self) -> Put:
        """Some tasks of one node at once."""
        before, one = self.flaky, self.place()
        self.settle(one)
        self.flaky += (self.flaky - before) * (PARTS - 1)
        after = self.place(calm=True)
        self.marks += [f"{one}_{part}" for part in range(PARTS)]

        def fan(state: Mapping[str, Any]) -> list[Send]:
            count = 1 + number(self.seed, state["given"]) % PARTS
            return [Send(one, {**state, "part": part}) for part in range(count)]

        def put(builder: Builder, last: str) -> str:
            for each in (one, after):
                builder.add_node(each, self.nodes[each])
            builder.add_conditional_edges(last, fan, [one])
            builder.add_edge(one, after)
            return after

        return put

    def within(self) -> Put:
        """A graph within the graph."""
        rows = [self.piece(1) for _ in range(self.random.choice((1, 2)))]
        name = f"in{len(self.nodes)}"

        def put(builder: Builder, last: str) -> str:
            builder.add_node(name, self.built(rows).compile())
            builder.add_edge(last, name)
            return name

        return put

    def calling(self) -> Put:
        """A node that calls a graph."""
        rows = [self.piece(1)]
        name = f"by{len(self.nodes)}"

        def put(builder: Builder, last: str) -> str:
            called = self.built(rows).compile()

            async def call(state: dict[str, Any]) -> dict[str, Any]:
                found = await called.ainvoke(cast("Any", state))
                done = {mark: each for mark, each in found.items() if mark.startswith(DONE)}
                return {**done, "total": found["total"] - state.get("total", 0), "trail": found["trail"][-1:]}

            builder.add_node(name, cast("Any", call))
            builder.add_edge(last, name)
            return name

        return put


__all__ = ["Making", "answer"]
