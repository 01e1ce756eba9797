"""A run forked at a step with an edit ends as one whose step had returned that: random workflows, both executors."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from tests.generate import answer_to, mix, random_workflow
from workflow_engine import Engine
from workflow_engine.record.events import RunForked
from workflow_engine.record.fold import fold
from workflow_engine.record.history import COMMITS
from workflow_engine.runtime.view import RunView
from workflow_engine.spec.nodes import Function
from workflow_engine.spec.workflow import Workflow
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.mint import SeededMint

SIZES = (3, 6, 10, 16)


def grown(seed: int, told: dict[tuple[str, int], int] | None = None) -> Workflow[Any]:
    return random_workflow(Random(seed), SIZES[seed % len(SIZES)], told=told)


def opened(flow: Workflow[Any], executor: str, seed: int) -> Any:
    parts: dict[str, Any] = {"ledger": MemoryLedger(), "clock": FakeClock(), "mint": SeededMint(seed)}
    return Engine.connect("unused", workflows=[flow], executor=executor, **parts)


async def ended(engine: Engine, view: RunView[Any], seed: int) -> RunView[Any]:
    """The run once the scripted people have answered all it asks."""
    while view.status == "waiting":
        for each in view.open_questions:
            asked = each.question
            await engine.answer(asked.id, answer_to(asked.node, asked.visit, asked.choices, seed))
        view = await engine.resume(view.id)
    return view


def came(view: RunView[Any]) -> tuple[Any, ...]:
    """What became of a run, whatever the order in which its arms went."""
    steps = Counter((each.node, each.visit, each.status, each.outcome) for each in view.history.steps)
    # A route behind a join is decided by the arm that comes last, whichever that is.
    routes = Counter(word for each in view.history.steps for word in each.routes)
    frontier = view.run.frontier
    return view.status, view.reason, dict(view.values), steps, routes, frontier.counts, frontier.visits, frontier.ended


async def replayed(engine: Engine, parent: RunView[Any], fork: RunView[Any], step: int) -> None:
    """The fork says of its prefix what its parent's journal says."""
    journal = await engine.journal(parent.id)
    fact = (await engine.journal(fork.id))[0].event
    assert isinstance(fact, RunForked)
    end = [each for each in journal if isinstance(each.event, COMMITS)][step - 1]
    before = fold(each.event for each in journal if each.seq < end.seq)
    assert (fact.before, fact.seq, fact.node) == (before.frontier, end.seq, end.event.node)
    for number in range(step):
        assert await engine.state_at(fork.id, number) == await engine.state_at(parent.id, number)
    assert fold(each.event for each in await engine.journal(fork.id)) == fork.run


async def check(seed: int, executor: str) -> int:
    """Fork one random run at three of its steps; how many forks there were."""
    random, flow, forks = Random(seed), grown(seed), 0
    async with opened(flow, executor, seed) as engine:
        parent = await ended(engine, await engine.run(flow, seed=seed), seed)
        journal = await engine.journal(parent.id)
        steps = [each for each in parent.history.steps if isinstance(flow.nodes[each.node], Function)]
        for step in random.sample(steps, min(3, len(steps))):
            assert step.step is not None
            (name,) = flow.nodes[step.node].writes
            number = mix("edited", seed, step.node)
            then = (await engine.state_at(parent.id, step.step)).get(name)
            listed = flow.fields[name].reducer is not None
            edit = [*(then or [])[: None if step.status == "failed" else -1], number] if listed else number
            fork = await ended(engine, await engine.fork(parent.id, {name: edit}, at=step.step), seed)
            await replayed(engine, parent, fork, step.step)
            assert (await engine.get(parent.id), await engine.journal(parent.id)) == (parent, journal)
            other = grown(seed, {(step.node, step.visit): number})
            async with opened(other, executor, seed) as elsewhere:
                expected = await ended(elsewhere, await elsewhere.run(other, seed=seed), seed)
            assert came(fork) == came(expected), f"{executor} {seed}, step {step.step} ({step.node}:{step.visit})"
            again = await ended(engine, await engine.fork(fork.id, at=step.step), seed)
            assert came(again) == came(fork)
            forks += 2
    return forks


@pytest.mark.slow
async def test_a_fork_ends_as_a_run_whose_step_had_returned_the_edit() -> None:
    assert sum([await check(seed, "native") for seed in range(20, 60)]) > 120


@pytest.mark.slow
async def test_a_fork_on_langgraph_ends_alike() -> None:
    assert sum([await check(seed, "langgraph") for seed in range(100, 110)]) > 30
