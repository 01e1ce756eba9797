"""Random workflows with many forks that are left early, on both executors, through crashes and random switching."""

from __future__ import annotations

import pytest

from tests.differential.agreement import all_agree


@pytest.mark.slow
def test_both_executors_end_alike_on_forks_that_are_left_whatever_crashes_between() -> None:
    tally = all_agree(range(50), "leaving")
    assert tally.kills > 45
    assert tally.drains > 28
    assert tally.resumes > 110


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_both_executors_end_alike_on_two_thousand_more_that_are_left() -> None:
    all_agree(range(50, 2150), "leaving")
