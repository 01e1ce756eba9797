"""On small sound graphs with reads and writes put on them at random, verify and the explorer agree on the data flow."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from types import GenericAlias, MappingProxyType
from typing import Any, Literal

import pytest

from tests.generate import signed
from tests.verify.explorer import Game, TooMany, unwritten_reads
from tests.verify.small import drawn, left
from workflow_engine.spec.nodes import Function, Human, Node
from workflow_engine.spec.question import Question
from workflow_engine.spec.state import State
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify import broken, verify

GRAPHS = int(os.environ.get("VERIFY_GRAPHS", "4000"))
FIELDS = ("p", "q")


class Pair(State):
    p: Literal["x", "y"] | None = None
    q: Literal["x", "y"] | None = None


@cache
def dressed(node: Node, needs: frozenset[str], allows: frozenset[str], writes: frozenset[str]) -> Node:
    """The same node with reads that need their field, reads that do not, and writes."""
    kind: Any = Literal["x", "y"]
    parameters: Mapping[str, Any] = {each: kind if each in needs else kind | None for each in sorted(needs | allows)}
    answer: Any = kind if node.outcomes else str
    several: Any = GenericAlias(tuple, (kind,) * len(writes))
    returns = {
        "route": kind,
        "human": Question[answer],
        "function": several if len(writes) > 1 else kind if writes else None,
    }[node.kind]

    def body(**_: Any) -> Any: ...

    return replace(node, body=signed(body, node.name, parameters, returns), writes=tuple(sorted(writes)))


def some(rng: random.Random, chance: float) -> frozenset[str]:
    return frozenset(each for each in FIELDS if rng.random() < chance)


def small(rng: random.Random) -> Workflow[Any]:
    return drawn(rng, rng.randint(2, 5))


@pytest.mark.parametrize("make", [small, left])
def test_on_small_sound_graphs(make: Callable[[random.Random], Workflow[Any]]) -> None:
    found: Counter[str] = Counter()
    for number in range(GRAPHS):
        rng = random.Random(f"flow/{number}")
        bare = make(rng)
        if broken(verify(bare)):
            continue
        needs, writes, nodes = {}, {}, {}
        for name, node in bare.nodes.items():
            can_write = isinstance(node, Function) or (isinstance(node, Human) and bool(node.outcomes))
            needs[name], writes[name] = some(rng, 0.25), some(rng, 0.35) if can_write else frozenset()
            nodes[name] = dressed(node, needs[name], some(rng, 0.1), writes[name])
        workflow: Workflow[Any] = replace(bare, nodes=MappingProxyType(nodes), state=Pair)
        try:
            found[agreement(workflow, needs, writes)] += 1
        except TooMany:
            found["too many states"] += 1
    assert found["sound"] > GRAPHS // 100
    assert found["unwritten"] > GRAPHS // 100
    assert found["unordered"] > GRAPHS // 2000


def agreement(
    workflow: Workflow[Any], needs: Mapping[str, frozenset[str]], writes: Mapping[str, frozenset[str]]
) -> str:
    """Compares the two; fails where they differ, else says what both found."""
    findings = broken(verify(workflow))
    told = "\n".join([*map(str, workflow.edges), str(needs), str(writes), *map(str, findings)])
    assert {each.code for each in findings} <= {"W402", "W408", "W409"}, told
    unordered = {(each.code, each.place) for each in findings if each.code != "W402"}
    assert bool(unordered) == any_race(workflow), told
    early = {
        (each.place, field) for each in findings for field in FIELDS if each.what.startswith(f"reads '{field}' bef")
    }
    if unordered:
        return "unordered"
    assert early == unwritten_reads(workflow, needs, writes), told
    return "unwritten" if early else "sound"


def any_race(workflow: Workflow[Any]) -> bool:
    """Whether two nodes in different arms of one fork touch a field, and one of them writes it."""
    game = Game(workflow, 20_000)
    assert game.play().sound
    touched = {name: {each.name for each in node.signature.parameters} for name, node in workflow.nodes.items()}
    for one, mine in game.brackets.items():
        for other, theirs in game.brackets.items():
            apart = any(a[0] == b[0] and a[1] != b[1] for a, b in zip(mine, theirs, strict=False))
            both = set(workflow.nodes[one].writes) & (touched[other] | set(workflow.nodes[other].writes))
            if apart and both:
                return True
    return False
