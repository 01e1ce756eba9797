"""On small graphs, verify and an explorer that tries everything agree both ways.

Counted out: every graph of one node of any kind; of two functions with bounds of one and two; and one in 17 of those
of two functions or routes, and one in 31 of those of three functions, with forks, joins and bounds of one. Drawn from
seeds: graphs of up to five nodes of every kind, with forks, joins, bounds of one to three, people and caught failures;
VERIFY_GRAPHS says how many, about one in four is sound. VERIFY_EVERY=1 leaves none of the counted ones out.

Where some `then` can never be taken, verify warns (W351) and may be stricter than the explorer, never the other way.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.verify.explorer import TooMany, explore
from tests.verify.small import KINDS, counted, drawn, left
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify import broken, ceiling, verify

GRAPHS = int(os.environ.get("VERIFY_GRAPHS", "4000"))
EVERY = "VERIFY_EVERY" in os.environ
PARTS = 4


def agreement(workflow: Workflow[Any]) -> str:
    """Compares the two; fails where they differ, else says what both found."""
    findings, explored = verify(workflow), explore(workflow)
    refused, never_spent = bool(broken(findings)), any(each.code == "W351" for each in findings)
    told = "\n".join([*map(str, workflow.edges), explored.why, *map(str, findings)])
    assert not any(each.code == "W190" for each in findings), told
    if not explored.sound:
        assert refused, f"accepted, and unsound:\n{told}"
        return "unsound"
    if explored.dead_then:
        assert refused or never_spent, f"a then that is never taken, and no warning:\n{told}"
        return "dead then"
    assert not refused, f"refused, and sound:\n{told}"
    assert not never_spent, f"warned of a bound that is spent:\n{told}"
    most = ceiling(workflow)
    assert most is not None
    assert most.exact
    assert most.steps == explored.most_steps, told
    bound = ceiling(workflow, states=0)
    assert bound is None or (not bound.exact and bound.steps >= explored.most_steps), told
    return "sound"


def seeded(part: int) -> Iterator[Workflow[Any]]:
    for number in range(part, GRAPHS, PARTS):
        rng = random.Random(f"small/{number}")
        yield drawn(rng, rng.choices(range(1, 6), (1, 3, 5, 5, 5))[0])


@pytest.mark.parametrize("part", range(PARTS))
def test_on_graphs_drawn_at_random(part: int) -> None:
    found: Counter[str] = Counter()
    for workflow in seeded(part):
        try:
            found[agreement(workflow)] += 1
        except TooMany:
            found["too many states"] += 1
    assert found["sound"] > GRAPHS // PARTS // 12
    assert found["unsound"] > GRAPHS // PARTS // 12
    assert found["too many states"] <= GRAPHS // PARTS // 100


def test_on_graphs_whose_forks_are_left() -> None:
    found: Counter[str] = Counter()
    for number in range(GRAPHS // 4):
        try:
            found[agreement(left(random.Random(f"left/{number}")))] += 1
        except TooMany:
            found["too many states"] += 1
    assert found["sound"] > GRAPHS // 4 // 12
    assert found["unsound"] > GRAPHS // 4 // 12
    assert found["too many states"] <= GRAPHS // 100


@pytest.mark.parametrize(
    ("size", "kinds", "limits", "one_in"),
    [
        (1, KINDS, (1, 2), 1),
        (2, ("function",), (1, 2), 1),
        (2, ("function", "route"), (1,), 17),
        (3, ("function",), (1,), 31),
    ],
)
def test_on_graphs_counted_out(size: int, kinds: tuple[str, ...], limits: tuple[int, ...], one_in: int) -> None:
    graphs = counted(size, kinds, limits, forks=True)
    found = Counter(agreement(each) for at, each in enumerate(graphs) if EVERY or at % one_in == 0)
    assert found["sound"]
    assert found["unsound"]


def test_structure_alone_misses_nothing_but_nodes_behind_bounds_that_are_never_spent() -> None:
    """The case of graphs with more states than are counted: what is accepted then can end, and does."""
    for workflow in seeded(0):
        if broken(verify(workflow, states=0)):
            continue
        explored = explore(workflow)
        assert explored.sound or explored.why.startswith("never reached"), explored.why
