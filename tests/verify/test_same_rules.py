"""The explorer that judges verify plays by the rules that runs are moved by: `frontier.leave`, move for move."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.generate import random_workflow
from tests.verify.explorer import Game, Place
from tests.verify.small import drawn, left
from workflow_engine.frontier.leave import leave
from workflow_engine.record.frontier import Frontier
from workflow_engine.spec.edges import Source
from workflow_engine.spec.nodes import Route
from workflow_engine.spec.workflow import Workflow
from workflow_engine.verify import broken, verify


def grown(rng: random.Random) -> Workflow[Any]:
    return random_workflow(rng, rng.randint(3, 20))


def small(rng: random.Random) -> Workflow[Any]:
    return drawn(rng, rng.randint(2, 5))


@pytest.mark.parametrize("make", [grown, small, left])
def test_explorer_and_frontier_move_alike(make: Callable[[random.Random], Workflow[Any]]) -> None:
    moves = 0
    for number in range(200 if make is grown else 1500):
        rng = random.Random(f"rules/{number}")
        workflow = make(rng)
        if not broken(verify(workflow)):
            moves += played_alike(workflow, rng)
    assert moves > 500


def played_alike(workflow: Workflow[Any], rng: random.Random) -> int:
    game = Game(workflow, 0)

    def decide(route: Route[Any, Any]) -> str:
        return rng.choice(route.outcomes)

    def follow(places: list[Place], now: Frontier) -> Place:
        alike = [each for each in places if same(workflow, each, now)]
        assert alike, f"{now}\nis none of\n" + "\n".join(map(str, places))
        return alike[0]

    empty = Place(frozenset(), frozenset(), tuple(0 for _ in workflow.edges))
    now = Frontier().after(leave(workflow, Frontier(), "START", None, decide).move)
    place = follow([each for each, _ in game.take(empty, Source("START"), (), frozenset())], now)
    for done in range(80):
        if now.ended:
            return done
        token = rng.choice(sorted(place.tokens))
        source, answer = rng.choice(game.ways(token[0]))
        outcome = "anything else" if answer and source.outcome is None else source.outcome
        now = now.after(leave(workflow, now, token[0], outcome, decide).move)
        left = Place(place.tokens - {token}, place.waiting, place.counts)
        place = follow([each for each, _ in game.take(left, source, token[1], frozenset())], now)
    return 80


def same(workflow: Workflow[Any], place: Place, now: Frontier) -> bool:
    if now.ended:
        return not place.tokens
    counts = {edge.key: count for edge, count in zip(workflow.edges, place.counts, strict=True) if count}
    arrived: dict[str, set[str]] = {}
    for at, source, _ in place.waiting:
        arrived.setdefault(workflow.edges[at].key, set()).add(str(source))
    return (
        sorted(now.due) == sorted(name for name, _ in place.tokens)
        and dict(now.counts) == counts
        and {key: set(there) for key, there in now.arrived.items()} == arrived
    )
