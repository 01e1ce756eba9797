"""Both executors on random workflows with many lists in them, through crashes in the middle of the items."""

from __future__ import annotations

import pytest

from tests.differential.agreement import all_agree


@pytest.mark.slow
def test_both_executors_end_alike_on_items_whatever_crashes_between() -> None:
    tally = all_agree(range(50), "items")
    assert tally.kills > 30
    assert tally.resumes > 50


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_both_executors_end_alike_on_two_thousand_more_with_items() -> None:
    all_agree(range(50, 2150), "items")
