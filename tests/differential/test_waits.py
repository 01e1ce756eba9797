"""Both executors on random workflows with many waits for times and signals, through crashes and random switching."""

from __future__ import annotations

import pytest

from tests.differential.agreement import all_agree


@pytest.mark.slow
def test_both_executors_end_alike_whatever_crashes_between() -> None:
    tally = all_agree(range(50), "waits")
    assert tally.kills > 30
    assert tally.resumes > 55


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_both_executors_end_alike_on_two_thousand_more() -> None:
    all_agree(range(50, 2150), "waits")
