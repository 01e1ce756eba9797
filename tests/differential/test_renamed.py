"""Random workflows whose every node is renamed again and again, in the middle of a run that keeps dying.

Each process that goes on with the run has a later version of the code, in which all nodes are called otherwise. The run
ends in the state in which it ends where nothing is renamed and nobody dies: no step is lost, none is done twice that
was committed, no arm is left behind at its join, and every bound counts on.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from tests.generate import answer_to, random_workflow
from workflow_engine import Engine, rename_node
from workflow_engine.record.events import RunMigrated
from workflow_engine.record.fold import fold
from workflow_engine.spec.edges import Edge, Source
from workflow_engine.spec.workflow import Workflow
from workflow_engine.stores.memory import MemoryLedger
from workflow_engine.testing import crash_after
from workflow_engine.testing.clock import FakeClock
from workflow_engine.testing.crash import Crashed
from workflow_engine.testing.mint import SeededMint
from workflow_engine.verify import broken, verify

SEEDS = 40
MOST = 4
"""Deaths of a run: a node that took its process down five times is asked about."""


def version(flow: Workflow[Any], number: int) -> Workflow[Any]:
    """The same workflow, every node called otherwise; it declares all versions before it."""

    def name(of: str, at: int = number) -> str:
        return f"v{at}_{of}" if at and of in flow.nodes else of

    edges = [
        Edge._of(
            tuple(Source(name(each.node), each.outcome) for each in edge.sources),
            tuple(map(name, edge.targets)),
            edge.limit,
            None if edge.then is None else name(edge.then),
        )
        for edge in flow.edges
    ]
    renames = [rename_node(name(node, at), name(node, at + 1)) for at in range(number) for node in flow.nodes]
    return Workflow(
        flow.name,
        flow.state,
        tuple(edges),
        {name(each): node.named(name(each)) for each, node in flow.nodes.items()},
        migrations=tuple(renames),
    )


async def ended(flow: Workflow[Any], seed: int, deaths: int) -> tuple[Any, Any, list[Any], int]:
    """How the run ends, with so many deaths on the way; its journal, and how many versions it went through."""
    rng = Random(seed)
    ledger, clock, mint = MemoryLedger(), FakeClock(), SeededMint(seed)
    number = 0
    while True:
        died = False
        current = version(flow, number)
        dying = crash_after(ledger, rng.randint(2, 9), when=rng.choice(["before", "after"])) if deaths else None
        async with Engine.connect(ledger=dying or ledger, workflows=[current], clock=clock, mint=mint) as engine:
            driving = driven(engine, current, seed)
            try:
                await (dying.until_crash(driving) if dying else driving)
            except Crashed:
                died = True
        if not died:
            run = (await ledger.find("@last"))[0]
            async with Engine.connect(ledger=ledger, workflows=[current]) as engine:
                view = await engine.get(run)
                events = [each.event for each in await engine.journal(run)]
                assert fold(events) == view.run
                replay = await engine.replay(run, against=current)
                assert replay.difference is None
                return view.run, view.values, events, number
        deaths -= 1
        number += 1


async def driven(engine: Engine, flow: Workflow[Any], seed: int) -> None:
    """Take the run on until it ends, whatever it asks."""
    found = await engine.runs()
    if not found:
        await engine.run(flow, seed=seed)
    run = (await engine.runs())[0].run
    while (view := await engine.get(run)).run.status in ("queued", "running", "waiting"):
        for asked in view.open_questions:
            question = asked.question
            plain = question.node.partition("_")[2] if question.node.startswith("v") else question.node
            await engine.answer(question.id, answer_to(plain, question.visit, question.choices, seed))
        await engine.resume(run, verb="answer" if view.run.status == "waiting" else "recover")


async def test_most_of_these_runs_are_migrated_and_more_than_once() -> None:
    counts = []
    for seed in range(8):
        _, _, events, _ = await ended(random_workflow(Random(seed), 4 + seed % 12), seed, 1 + seed % MOST)
        counts.append(sum(isinstance(each, RunMigrated) for each in events))
    assert sum(counts) > 8
    assert max(counts) > 1


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_run_whose_nodes_are_renamed_while_it_dies_ends_as_if_nothing_happened(seed: int) -> None:
    flow = random_workflow(Random(seed), 4 + seed % 12)
    assert not broken(verify(version(flow, 2)))
    calm, values, _, _ = await ended(flow, seed, 0)
    run, same, events, versions = await ended(flow, seed, 1 + seed % MOST)
    assert same == values
    assert (run.status, run.reason, run.steps) == (calm.status, calm.reason, calm.steps)
    assert Counter(run.frontier.visits.values()) == Counter(calm.frontier.visits.values())
    migrated = [each for each in events if isinstance(each, RunMigrated)]
    assert len(migrated) <= versions
