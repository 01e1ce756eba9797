"""The world outside the engine: bodies that are pure functions of node, visit and reads, and a log of what really ran.

Nothing here depends on the order in which arms run, so two runs of one workflow must end alike whatever the schedule.
"""

from __future__ import annotations

import asyncio
import inspect
import zlib
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from workflow_engine import Step
from workflow_engine.record.ids import place_of


class Process(Protocol):
    """What a body can tell of the process it runs in."""

    world: World

    def turns(self) -> int:
        """How many turns of the loop a body takes, at random."""
        ...

    async def alive(self) -> None:
        """Never comes back in a dead process."""

    def beginning(self, run: str, place: str, visit: int, at_once: int = 0) -> None:
        """A body begins, for one of `at_once` items: the moment to check that it may."""

    def inside(self, series: str, mark: str, count: int, done: Mapping[str, int]) -> None:
        """An inner node of a foreign graph begins, for the count-th time; `done` tells what it knows of the others."""


PROCESS: ContextVar[Process] = ContextVar("PROCESS")
DONE = "done_"
"""Begins the names of the channels that say how often an inner node of a foreign graph has run."""


def number(*parts: Any) -> int:
    """A number that follows from the parts, the same in every process."""
    return zlib.crc32(repr(parts).encode())


Visit: TypeAlias = tuple[str, str, int]
"""A run, a node in it or one of its items, and the number of the visit."""


@dataclass
class World:
    """What happened outside: effects done with their keys, and whether the broken node was mended."""

    effects: dict[Visit, dict[str, Any]] = field(default_factory=dict)
    keys: dict[Visit, set[str]] = field(default_factory=dict)
    mended: bool = False
    tried: set[Any] = field(default_factory=set)

    def first(self, what: Any) -> bool:
        """Whether this is tried for the first time."""
        new = what not in self.tried
        self.tried.add(what)
        return new


@dataclass(frozen=True)
class Work:
    """What the body of one function node does.

    `writes` maps the fields it writes to how: "set" a number, "append" a line, "add" to a sum. It raises for its first
    `flaky` attempts, at the `fails` visits, and while the world is not `mended` if it is `broken`.
    """

    seed: int
    node: str
    reads: tuple[str, ...]
    writes: Mapping[str, str]
    flaky: int = 0
    fails: frozenset[int] = frozenset()
    broken: bool = False
    effect: bool = False

    def values(self, visit: int, given: Mapping[str, Any]) -> dict[str, Any]:
        value = number(self.seed, self.node, visit, sorted(given.items())) % 1000
        made = {
            "set": value,
            "append": [f"{self.node}#{visit}"],
            "add": value % 10,
            "list": [number(value, at) % 100 for at in range(value % 6)],
            "few": [number(value, at) % 100 for at in range(value % 4)],
        }
        return {name: made[how] for name, how in self.writes.items()}

    def returned(self, values: Mapping[str, Any]) -> Any:
        listed = tuple(values[name] for name in self.writes)
        return None if not listed else listed[0] if len(listed) == 1 else listed

    def body(self, *, plain: bool = False) -> Callable[..., Any]:
        """The function a node is made of, with the parameters and the return type it would have been written with."""

        async def run(**given: Any) -> Any:
            process = PROCESS.get()
            for _ in range(process.turns()):
                await asyncio.sleep(0)
            await process.alive()
            return self.act(**given)

        return self._signed(self.act if plain else run, {"step": Step})

    def probe(self) -> Callable[..., Any]:
        """Looks whether the effect is there."""

        async def look(**given: Any) -> Any:
            step: Step = given["step"]
            done = PROCESS.get().world.effects.get((step.run, self.node, step.visit))
            return None if done is None else self.returned(done)

        return self._signed(look, {"step": Step})

    def act(self, step: Step, **given: Any) -> Any:
        process = PROCESS.get()
        process.beginning(step.run, self.node, step.visit)
        world = process.world
        if step.attempt <= self.flaky or step.visit in self.fails or (self.broken and not world.mended):
            raise RuntimeError(f"{self.node} cannot do visit {step.visit}")
        values = self.values(step.visit, given)
        if self.effect:
            world.keys.setdefault((step.run, self.node, step.visit), set()).add(step.key)
            world.effects[step.run, self.node, step.visit] = values
        return self.returned(values)

    def _signed(self, function: Callable[..., Any], more: Mapping[str, Any]) -> Callable[..., Any]:
        types = {"set": int, "append": list[str], "add": int, "list": list[int], "few": list[int]}
        written = [types[how] for how in self.writes.values()]
        returns = None if not written else written[0] if len(written) == 1 else tuple[tuple(written)]  # type: ignore[misc]
        return signed(function, {**dict.fromkeys(self.reads, int), **more}, returns)


@dataclass(frozen=True)
class Items:
    """What the body of an `each` node does with one item. Some items fail for good where that `fails` no step."""

    seed: int
    node: str
    reads: tuple[str, ...]
    flaky: int = 0
    fails: bool = False
    broken: bool = False
    effect: bool = False
    at_once: int = 1

    def body(self, *, plain: bool = False) -> Callable[..., Any]:
        async def run(**given: Any) -> Any:
            process = PROCESS.get()
            for _ in range(process.turns()):
                await asyncio.sleep(0)
            await process.alive()
            return self.act(**given)

        return self._signed(self.act if plain else run)

    def probe(self) -> Callable[..., Any]:
        async def look(**given: Any) -> Any:
            step: Step = given["step"]
            done = PROCESS.get().world.effects.get((step.run, place_of(self.node, step.item), step.visit))
            return None if done is None else done["value"]

        return self._signed(look)

    def act(self, step: Step, one: int, **given: Any) -> int:
        process = PROCESS.get()
        place = place_of(self.node, step.item)
        process.beginning(step.run, place, step.visit, self.at_once)
        world = process.world
        value = number(self.seed, self.node, step.visit, step.item, one, sorted(given.items())) % 1000
        if step.attempt <= self.flaky or (self.fails and value % 4 == 0):
            raise RuntimeError(f"{place} cannot do visit {step.visit}")
        if self.broken and not world.mended and value % 2:
            raise RuntimeError(f"{place} is broken")
        if self.effect:
            world.keys.setdefault((step.run, place, step.visit), set()).add(step.key)
            world.effects[step.run, place, step.visit] = {"value": value}
        return value

    def _signed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return signed(function, {**dict.fromkeys(self.reads, int), "one": int, "step": Step}, int)


def signed(function: Callable[..., Any], parameters: Mapping[str, Any], returns: Any) -> Callable[..., Any]:
    """The function, showing these parameters and this return type."""

    async def waiting(**given: Any) -> Any:
        return await function(**given)

    def plain(**given: Any) -> Any:
        return function(**given)

    shown: Any = waiting if inspect.iscoroutinefunction(function) else plain
    kind = inspect.Parameter.KEYWORD_ONLY
    listed = [inspect.Parameter(name, kind, annotation=each) for name, each in parameters.items()]
    shown.__signature__ = inspect.Signature(listed, return_annotation=returns)
    shown.__annotations__ = {**parameters, "return": returns}
    return shown  # type: ignore[no-any-return]
