"""Random workflows that are sound by construction, with bodies that really run. Seeded: any of them can be had again.

A workflow is grown from blocks that are sound alone and stay so when put in a row or into one another: a step, a
choice, a bounded loop, a poll (a step that repeats itself), a fork with its join, a question that may send the run
back, a step whose failure is caught. Every value is a checksum of what its node read, so two executions of one workflow
on one seed end in the same state exactly if each step read the same and was taken as often; bodies and answers depend
on the seed alone.
"""

from __future__ import annotations

import inspect
import random
import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from workflow_engine.errors import Failure
from workflow_engine.spec.edges import END, FAIL, START, Edge, Outcome, Terminal
from workflow_engine.spec.nodes import Function, Human, Node, Route
from workflow_engine.spec.question import Question
from workflow_engine.spec.state import State, append
from workflow_engine.spec.step import Step
from workflow_engine.spec.workflow import Workflow, workflow

FLAVOURS = frozenset({"loops", "forks", "people", "failures"})
AGAIN, ON, STOP = "again", "on", "stop"

Place = Node | Outcome
Arm = tuple[tuple[int, int], ...]


def random_workflow(
    rng: random.Random,
    size: int,
    flavours: Collection[str] = FLAVOURS,
    told: Mapping[tuple[str, int], int] | None = None,
) -> Workflow[Any]:
    """A sound workflow of about `size` nodes (a few more where blocks need them), with choices and these flavours.

    Its only input is `seed: int`. Run it with any executor; answer its questions with `answer_to`. A step whose node
    and visit are in `told` returns the number that stands there.
    """
    return _Maker(rng, frozenset(flavours), told=told or {}).whole(size)


def answer_to(node: str, visit: int, choices: Collection[str], seed: int) -> str:
    """What the scripted person says: sends the run back at most twice, so that every run ends."""
    if not choices:
        return f"{node} answered {mix(seed, node, visit)}"
    return AGAIN if AGAIN in choices and visit <= 2 and mix(seed, node, visit) % 3 else ON


def mix(*parts: object) -> int:
    """A number that depends on all parts."""
    return zlib.crc32(repr(parts).encode())


@dataclass(frozen=True)
class _Written:
    """A field and who writes it. `listed` fields grow by one number each visit; the others hold the last one."""

    name: str
    arm: Arm
    listed: bool


@dataclass(frozen=True)
class _Block:
    """A stretch of workflow: entered at its head, left by any of its tails. `sure` are fields written by then."""

    head: Node
    tails: tuple[Place, ...]
    sure: frozenset[str]


@dataclass
class _Maker:
    rng: random.Random
    flavours: frozenset[str]
    edges: list[Edge] = field(default_factory=list)
    written: list[_Written] = field(default_factory=list)
    made: int = 0
    forks: int = 0
    told: Mapping[tuple[str, int], int] = field(default_factory=dict)

    def whole(self, size: int) -> Workflow[Any]:
        if "forks" in self.flavours and size > 4 and self.rng.random() < 0.15:
            block = self.fork(size, (), frozenset(), from_start=True)
        else:
            block = self.row(size, (), frozenset())
            self.edges.append(Edge(START, block.head))
        for tail in block.tails:
            self.edges.append(Edge(tail, END))
        fields: dict[str, Any] = {
            each.name: (Annotated[list[int], append], Field(default_factory=list))
            if each.listed
            else (int | None, None)
            for each in self.written
        }
        state = create_model("Grown", __base__=State, seed=(int, ...), **fields)
        return workflow("grown", state=state, edges=self.edges)

    # ---------------------------------------------------------------------------------------------------- blocks

    def row(self, size: int, arm: Arm, sure: frozenset[str]) -> _Block:
        """Blocks one after the other."""
        parts = [self.rng.randint(1, max(1, size)) for _ in range(self.rng.randint(1, 4))]
        scale = size / sum(parts)
        block: _Block | None = None
        for part in parts:
            following = self.any(max(1, round(part * scale)), arm, block.sure if block else sure)
            block = following if block is None else self.joined(block, following)
        assert block is not None
        return block

    def joined(self, first: _Block, then: _Block) -> _Block:
        self.lead(first.tails, then.head)
        return _Block(first.head, then.tails, then.sure)

    def lead(self, tails: tuple[Place, ...], head: Node | Terminal) -> None:
        self.edges.extend(Edge(tail, head) for tail in tails)

    def any(self, size: int, arm: Arm, sure: frozenset[str]) -> _Block:
        if size <= 1:
            return self.step(arm, sure)
        kinds: list[Callable[[int, Arm, frozenset[str]], _Block]] = [self.choice]
        kinds += [self.loop, self.loop] if "loops" in self.flavours else []
        kinds += [self.fork, self.fork] if "forks" in self.flavours and size > 3 else []
        kinds += [self.person, self.person] if "people" in self.flavours else []
        if size > 6:
            kinds += [self.row] * (2 if size < 40 else 12)
        else:
            kinds += [self.poll] if "loops" in self.flavours else []
            kinds += [self.caught] if "failures" in self.flavours else []
        return self.rng.choice(kinds)(size - 1, arm, sure)

    def step(self, arm: Arm, sure: frozenset[str], *, listed: bool | None = None, **settings: Any) -> _Block:
        node, field_name = self.function(arm, sure, self.rng.random() < 0.6 if listed is None else listed, **settings)
        return _Block(node, (node,), sure | {field_name})

    def choice(self, size: int, arm: Arm, sure: frozenset[str]) -> _Block:
        ticker = self.step(arm, sure, listed=True)
        words = ["left", "right", "middle"][: self.rng.randint(2, 3)]
        decide = self.route(ticker, words, arm, ticker.sure)
        self.lead(ticker.tails, decide)
        tails: list[Place] = []
        after: list[frozenset[str]] = []
        for at, word in enumerate(words):
            luck = self.rng.random()
            if not arm and at and luck < 0.08:
                self.edges.append(Edge(decide[word], FAIL(f"{decide.name} said {word}")))
            elif luck < 0.3:
                tails.append(decide[word])
                after.append(ticker.sure)
            else:
                branch = self.any(max(1, size // len(words)), arm, ticker.sure)
                self.edges.append(Edge(decide[word], branch.head))
                tails.extend(branch.tails)
                after.append(branch.sure)
        return _Block(ticker.head, tuple(tails), frozenset.intersection(*after))

    def loop(self, size: int, arm: Arm, sure: frozenset[str]) -> _Block:
        inner = self.any(max(1, size - 2), arm, sure)
        ticker = self.step(arm, inner.sure, listed=True)
        body = self.joined(inner, ticker)
        decide = self.route(ticker, [AGAIN, ON], arm, body.sure)
        self.lead(body.tails, decide)
        limit = self.rng.randint(1, 3)
        if not arm and self.rng.random() < 0.2:
            self.edges.append(Edge(decide[AGAIN], body.head, limit=limit, then=FAIL(f"{decide.name} is spent")))
            return _Block(body.head, (decide[ON],), body.sure)
        asks = "people" in self.flavours and self.rng.random() < 0.4
        escape = self.person(0, arm, body.sure) if asks else self.step(arm, body.sure)
        self.edges.append(Edge(decide[AGAIN], body.head, limit=limit, then=escape.head))
        return _Block(body.head, (decide[ON], *escape.tails), body.sure)

    def poll(self, _size: int, arm: Arm, sure: frozenset[str]) -> _Block:
        block = self.step(arm, sure)
        after = self.step(arm, block.sure)
        self.edges.append(Edge(block.head, block.head, limit=self.rng.randint(1, 3), then=after.head))
        return _Block(block.head, after.tails, after.sure)

    def fork(self, size: int, arm: Arm, sure: frozenset[str], *, from_start: bool = False) -> _Block:
        before = None if from_start else self.step(arm, sure, listed=True)
        self.forks += 1
        mine, count = self.forks, self.rng.randint(2, 3)
        known = sure if before is None else before.sure
        arms = [self.arm(max(1, size // count), (*arm, (mine, number)), known) for number in range(count)]
        self.edges.append(Edge(START if before is None else before.head, [each.head for each in arms]))
        united = known.union(*(each.sure for each in arms))
        tails = [each.tails[0] for each in arms]
        if before is not None and self.rng.random() < 0.3:
            decide = self.route(before, ["left", "right"], arm, united)
            self.edges.append(Edge(tails, decide))
            return _Block(before.head, (decide["left"], decide["right"]), united)
        after = self.step(arm, united)
        self.edges.append(Edge(tails, after.head))
        return _Block(before.head if before is not None else arms[0].head, after.tails, after.sure)

    def arm(self, size: int, arm: Arm, sure: frozenset[str]) -> _Block:
        """A block with one tail, which a join can wait for."""
        block = self.any(size, arm, sure)
        single = len(block.tails) == 1 and getattr(block.tails[0], "name", "") != "failed"
        return block if single else self.joined(block, self.step(arm, block.sure))

    def person(self, size: int, arm: Arm, sure: frozenset[str]) -> _Block:
        if self.rng.random() < 0.25:
            asked = self.human((), arm, sure)
            return _Block(asked, (asked,), sure)
        words = (AGAIN, ON) if arm or self.rng.random() < 0.7 else (AGAIN, ON, STOP)
        inner = self.any(max(1, size), arm, sure)
        asked = self.human(words, arm, inner.sure)
        self.lead(inner.tails, asked)
        self.edges.append(Edge(asked[AGAIN], inner.head))
        if STOP in words:
            self.edges.append(Edge(asked[STOP], FAIL(f"{asked.name} stopped it")))
        if STOP not in words and self.rng.random() < 0.3:
            return _Block(inner.head, (asked,), inner.sure)  # every other answer
        return _Block(inner.head, (asked[ON],), inner.sure)

    def caught(self, _size: int, arm: Arm, sure: frozenset[str]) -> _Block:
        fails = self.step(arm, sure, fails=True)
        mends = self.step(arm, sure, failure=True)
        self.edges.append(Edge(fails.head.failed, mends.head))
        return _Block(fails.head, (*fails.tails, *mends.tails), sure)

    # ---------------------------------------------------------------------------------------------------- nodes

    def name(self, kind: str) -> str:
        self.made += 1
        return f"{kind}{self.made}"

    def reads(self, arm: Arm, sure: frozenset[str]) -> dict[str, Any]:
        """A few fields that no other arm writes, as their types allow to read them here."""
        near = [each for each in self.written[-12:] if not _parted(each.arm, arm)]
        return {
            each.name: list[int] if each.listed else int if each.name in sure else int | None
            for each in self.rng.sample(near, min(len(near), self.rng.randint(0, 3)))
        }

    def function(
        self, arm: Arm, sure: frozenset[str], listed: bool, *, fails: bool = False, failure: bool = False
    ) -> tuple[Function[Any, Any], str]:
        name = self.name("step")
        parameters = {"seed": int, "step": Step, **self.reads(arm, sure), **({"failure": Failure} if failure else {})}
        writes = f"of_{name}"
        self.written.append(_Written(writes, arm, listed))

        def work(given: Mapping[str, Any]) -> Any:
            step: Step = given["step"]
            if (name, step.visit) in self.told:
                instead = self.told[name, step.visit]
                return [instead] if listed else instead
            if fails and mix(given["seed"], name, step.visit) % 2:
                raise RuntimeError(f"{name} fails at visit {step.visit}")
            told = sorted((key, value) for key, value in given.items() if key not in ("step", "failure"))
            value = mix(name, step.visit, told, failure and given["failure"].message)
            return [value] if listed else value

        async def wait(**given: Any) -> Any:
            return work(given)

        def block(**given: Any) -> Any:
            return work(given)

        body = signed(block if self.rng.random() < 0.15 else wait, name, parameters, list[int] if listed else int)
        return Function(name=name, body=body, writes=(writes,)), writes

    def route(self, ticker: _Block, words: list[str], arm: Arm, sure: frozenset[str]) -> Route[Any, str]:
        """Decides anew each time its ticker, the step before it, has run."""
        name = self.name("route")
        clock = ticker.head.writes[0]
        parameters = {"seed": int, clock: list[int], **self.reads(arm, sure)}

        def decide(**given: Any) -> str:
            told = sorted(given.items())
            return words[mix(name, len(given[clock]), told) % len(words)]

        return Route(name=name, body=signed(decide, name, parameters, Literal[tuple(words)]))

    def human(self, words: tuple[str, ...], arm: Arm, sure: frozenset[str]) -> Human[Any, str]:
        name = self.name("person")
        parameters = {"seed": int, **self.reads(arm, sure)}
        answer: Any = Literal[words] if words else str

        def ask(**given: Any) -> Question[Any]:
            return Question(f"{name}: {mix(name, sorted(given.items()))}?")

        return Human(name=name, body=signed(ask, name, parameters, Question[answer]))


def _parted(one: Arm, other: Arm) -> bool:
    """Whether the two lie in different arms of one fork."""
    return any(mine[0] == theirs[0] and mine[1] != theirs[1] for mine, theirs in zip(one, other, strict=False))


def signed(body: Callable[..., Any], name: str, parameters: Mapping[str, Any], returns: Any) -> Callable[..., Any]:
    """The body under a name, with the signature it would have had if somebody had written it."""
    given = [
        inspect.Parameter(each, inspect.Parameter.KEYWORD_ONLY, annotation=kind) for each, kind in parameters.items()
    ]
    signed: Any = body
    signed.__name__ = signed.__qualname__ = name
    signed.__signature__ = inspect.Signature(given, return_annotation=returns)
    signed.__annotations__ = {**parameters, "return": returns}
    return body


__all__ = ["FLAVOURS", "answer_to", "mix", "random_workflow"]
