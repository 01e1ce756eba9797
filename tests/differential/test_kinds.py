"""Every pair of kinds occurs often among the random workflows that both executors are held against each other on."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any, get_args

from tests.differential.flows import Flavour, random_flow
from workflow_engine.spec.nesting import subflow_of
from workflow_engine.spec.workflow import Workflow

SEEDS = range(150)
"""Every flavour's test drives at least these."""
KINDS = {"agent", "each", "function", "graph", "human", "route", "subflow", "wait"}


def kinds_of(flow: Workflow[Any]) -> set[str]:
    """The kinds of nodes in a workflow and in those within it."""
    found = {node.kind for node in flow.nodes.values()}
    for node in flow.nodes.values():
        within = subflow_of(node)
        if within is not None:
            found |= kinds_of(within.workflow)
    return found


def test_every_pair_of_kinds_occurs_at_least_fifty_times() -> None:
    together: Counter[tuple[str, str]] = Counter()
    for flavour in get_args(Flavour):
        for seed in SEEDS:
            together.update(combinations(sorted(kinds_of(random_flow(seed, flavour).workflow)), 2))
    assert {pair: together[pair] for pair in combinations(sorted(KINDS), 2) if together[pair] < 50} == {}
