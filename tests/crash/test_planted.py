"""A fault planted into the processes is noticed: without this, a thousand kills without a word would prove nothing."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from random import Random

import pytest

from tests.crash.deaths import Death
from tests.crash.flows import FLOWS
from tests.crash.life import Plan, live
from tests.crash.planted import FAULTS
from tests.crash.test_kills import undisturbed
from workflow_engine.spec.nodes import Function

NOTICED = {
    "a_commit_is_acknowledged_before_it_is_one": ("order", "was acknowledged as committed and is not there"),
    "a_commit_forgets_the_frontier": ("order", "is committed and still due"),
    "a_commit_is_torn_in_two": ("order", "a process failed: StoreDamaged"),
    "a_body_begins_before_it_is_due_on_disk": ("order", "began before what makes it due was on disk"),
    "a_letter_is_taken_before_what_it_says_is_recorded": ("draft", "no end after"),
    "a_key_differs_in_each_process": ("order", "ran under two keys"),
    "an_effect_in_doubt_is_done_again": ("order", "happened 2 times"),
}
ELSEWHERE = {"the_epoch_is_not_checked", "no_lock_is_taken"}
"""Faults that only show where two processes want one run: see test_races.py."""
DELIVERED = {"a_signal_counts_every_time", "finished_items_are_forgotten"}
"""Faults that show where signals come and items are many: see test_delivery.py."""


@pytest.mark.slow
@pytest.mark.parametrize("fault", NOTICED)
def test_the_matrix_notices(fault: str, tmp_path: Path) -> None:
    flow, words = NOTICED[fault]
    seen: set[str] = set()
    for number, plan in enumerate(islice(_plans(flow, fault), 60)):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        wrongs = live(folder, plan).wrongs
        if any(words in wrong for wrong in wrongs):
            return
        seen |= set(wrongs)
    pytest.fail(f"not noticed; what was: {seen}")


def _plans(flow: str, fault: str) -> list[Plan]:
    """One death in each life, lingering where it comes before: what is done too early is done then."""
    plans = []
    drive = next(place for place in undisturbed(flow).places if place["role"] == "drive")
    for number in range(7, drive["statement"]):
        for process in range(2 if flow == "draft" else 1):
            for when in ("before", "after"):
                death = Death("statement", number, "before" if when == "before" else "after", lingers=when == "before")
                plans.append(Plan(flow, [*[None] * process, death], fault=fault, seed=number))
    Random(flow).shuffle(plans)
    return plans


def test_every_fault_is_looked_for() -> None:
    assert set(NOTICED) | ELSEWHERE | DELIVERED == set(FAULTS)


def test_the_flows_cover_all_that_may_be_in_doubt() -> None:
    nodes = [node for flow in FLOWS.values() for node in flow.workflow.nodes.values()]
    doubts = [node.in_doubt for node in nodes if isinstance(node, Function) and node.effect]
    assert {"ask", "rerun"} < {doubt if isinstance(doubt, str) else "probe" for doubt in doubts}
