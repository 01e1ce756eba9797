"""Two hundred random workflows with many forks, on both executors, through crashes."""

from __future__ import annotations

import pytest

from tests.differential.agreement import all_agree


@pytest.mark.slow
def test_both_executors_end_alike_on_forks_whatever_crashes_between() -> None:
    tally = all_agree(range(60), "forks")
    assert tally.kills > 45
    assert tally.drains > 4
    assert tally.resumes > 80


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_both_executors_end_alike_on_two_thousand_more_with_forks() -> None:
    all_agree(range(60, 2200), "forks")
