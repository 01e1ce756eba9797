"""A thousand random sound workflows are accepted, and however they are played, they stay within their ceiling."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.generate import random_workflow
from tests.verify.explorer import Game, Place, TooMany, explore
from tests.verify.small import edge, made
from workflow_engine.spec.edges import Source
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify import broken, ceiling, verify

NESTED = {"loops": ("loops", "failures"), "forks": ("forks", "loops"), "people": ("people", "loops", "forks")}
PARTS = 2


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("flavours", NESTED.values(), ids=list(NESTED))
def test_random_sound_workflows_are_accepted_and_stay_within_their_ceiling(
    flavours: tuple[str, ...], part: int
) -> None:
    for number in range(part, 334, PARTS):
        rng = random.Random(f"{flavours}/{number}")
        workflow = random_workflow(rng, rng.randint(3, 18), flavours)
        assert broken(verify(workflow)) == (), f"{flavours}/{number}"
        most = ceiling(workflow, states=300)
        assert most is not None
        for _ in range(3):
            assert longest_stretch(workflow, rng) <= most.steps, f"{flavours}/{number}: {most}"


def longest_stretch(workflow: Workflow[Any], rng: random.Random, moves: int = 150) -> int:
    """Plays one random run and returns the most steps between two answers. People like to send runs back."""
    game = Game(workflow, 0)
    empty = Place(frozenset(), frozenset(), tuple(0 for _ in workflow.edges))
    place, stretch = rng.choice(list(game.take(empty, Source("START"), (), frozenset())))
    longest = stretch
    for _ in range(moves):
        if not place.tokens:
            break
        token = rng.choice(sorted(place.tokens))
        ways = game.ways(token[0])
        back = [way for way in ways if way[0].outcome == "again"]
        source, answer = rng.choice(back if back and rng.random() < 0.5 else ways)
        left = Place(place.tokens - {token}, place.waiting, place.counts)
        place, entered = rng.choice(list(game.take(left, source, token[1], frozenset())))
        stretch = entered if answer else stretch + entered
        longest = max(longest, stretch)
    return longest


@pytest.mark.parametrize("flavours", NESTED.values(), ids=list(NESTED))
def test_the_ceiling_of_a_small_one_is_reached(flavours: tuple[str, ...]) -> None:
    reached = 0
    for number in range(60):
        rng = random.Random(f"small {flavours}/{number}")
        workflow = random_workflow(rng, rng.randint(2, 7), flavours)
        try:
            explored = explore(workflow, 3000)
        except TooMany:
            continue
        assert explored.sound, explored.why
        most = ceiling(workflow)
        assert most is not None
        assert most.exact
        assert most.steps == explored.most_steps, f"small {flavours}/{number}"
        reached += 1
    assert reached > 40


def test_a_thousand_nodes_are_verified() -> None:
    rng = random.Random("thousand")
    workflow = random_workflow(rng, 1500)
    assert len(workflow.nodes) > 700
    assert broken(verify(workflow)) == ()
    most = ceiling(workflow)
    assert most is not None
    assert most.steps > 100


def test_a_thousand_nodes_in_a_row_are_counted() -> None:
    row = [f"n{number}" for number in range(1000)]
    plain = [edge([Source(one)], [other]) for one, other in zip(["START", *row], [*row, "END"], strict=True)]
    line = made(dict.fromkeys(row, "function"), plain)
    assert verify(line) == ()
    assert str(ceiling(line)) == "1,000 steps between two answers"


def test_loops_nested_two_hundred_deep_are_bounded_without_recursion() -> None:
    """n0 ... n399; each of the last 200 leads back to one of the first 200, innermost first."""
    row = [f"n{number}" for number in range(400)]
    kinds = {name: "function" if number < 200 else "route" for number, name in enumerate(row)}
    rows = [edge([Source(one)], [other]) for one, other in zip(["START", *row[:200]], row[:201], strict=True)]
    for number in range(200, 400):
        after = row[number + 1] if number < 399 else "END"
        rows.append(edge([Source(row[number], "x")], [row[399 - number]], 1, after))
        rows.append(edge([Source(row[number], "y")], [after]))
    nested = made(kinds, rows)
    assert broken(verify(nested)) == ()
    most = ceiling(nested)
    assert most is not None
    assert most.steps >= 2**200


def test_a_chain_of_a_thousand_routes_is_walked_without_recursion() -> None:
    row = [f"r{number}" for number in range(1000)]
    rows = [edge([Source("START")], ["first"]), edge([Source("first")], ["r0"])]
    for one, other in zip(row, [*row[1:], "END"], strict=True):
        rows += [edge([Source(one, "x")], [other]), edge([Source(one, "y")], ["END"])]
    chain = made({"first": "function", **dict.fromkeys(row, "route")}, rows)
    assert verify(chain) == ()
    assert str(ceiling(chain)) == "1 step between two answers"
