"""A swarm over fan-out, waits, times and people at once: every run ends in its one right state, whoever died when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.crash.delivery import deliver, delivered, excess
from tests.crash.oracle import wrongs
from tests.crash.outside import lines, those
from tests.crash.swarm import Swarmed, disorder, takeovers


def problems(folder: Path) -> list[str]:
    told = lines(folder)
    return [*wrongs(told), *disorder(told, delivered), *excess(told)]


def swarmed(folder: Path, record: Any, **settings: Any) -> Swarmed:
    kills = deliver(folder, **settings)
    found = problems(folder)
    assert not found, "\n".join(found[:20])
    told = lines(folder)
    result = Swarmed(len(next(those(told, "found"))["runs"]), kills, takeovers(told))
    record("kills", kills)
    record("crash", f"deliveries: {result}")
    assert result.runs >= settings["runs"]
    return result


@pytest.mark.slow
def test_few_deliveries_lose_nothing(tmp_path: Path, record_property: Any) -> None:
    assert swarmed(tmp_path, record_property, runs=30, seed=1, pause=0.25).kills >= 2


@pytest.mark.crash
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [2, 3])
def test_deliveries_lose_nothing(tmp_path: Path, record_property: Any, seed: int) -> None:
    assert swarmed(tmp_path, record_property, runs=260, seed=seed, pause=0.3).kills >= 20


@pytest.mark.crash
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("a_signal_counts_every_time", "received ["),
        ("finished_items_are_forgotten", "ran again, and"),
        ("no_lock_is_taken", "FenceLost"),
    ],
)
def test_the_swarm_notices(tmp_path: Path, fault: str, words: str) -> None:
    deliver(tmp_path, runs=8, seed=5, pause=0.25, fault=fault)
    found = problems(tmp_path)
    assert any(words in each for each in found), found
