"""A swarm of workers killed at random: every run ends as it must, and no committed step runs again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.crash.oracle import wrongs
from tests.crash.outside import lines, those
from tests.crash.swarm import Swarmed, disorder, swarm, takeovers


def swarmed(folder: Path, record: Any, **settings: Any) -> Swarmed:
    kills = swarm(folder, **settings)
    told = lines(folder)
    problems = wrongs(told) + disorder(told)
    assert not problems, "\n".join(problems[:20])
    result = Swarmed(len(next(those(told, "found"))["runs"]), kills, takeovers(told))
    record("kills", kills)
    record("crash", f"swarm: {result}")
    assert result.runs >= settings["runs"]
    assert result.takeovers
    return result


@pytest.mark.slow
def test_a_small_swarm_loses_nothing(tmp_path: Path, record_property: Any) -> None:
    assert swarmed(tmp_path, record_property, runs=100, workers=3, seed=1, pause=0.15).kills >= 2


@pytest.mark.crash
@pytest.mark.parametrize("seed", [2, 3])
def test_a_swarm_loses_nothing(tmp_path: Path, record_property: Any, seed: int) -> None:
    assert swarmed(tmp_path, record_property, runs=1500, workers=4, seed=seed, pause=0.2).kills >= 20


@pytest.mark.slow
def test_the_swarm_notices_that_no_lock_is_taken(tmp_path: Path) -> None:
    problems: list[str] = []
    for seed in range(4, 12):  # two must want one run at one moment, which a quick machine may pass by
        (tmp_path / str(seed)).mkdir()
        swarm(tmp_path / str(seed), runs=20, workers=2, seed=seed, pause=0.3, fault="no_lock_is_taken")
        told = lines(tmp_path / str(seed))
        problems += wrongs(told) + disorder(told)
        if any("ran again" in each or "FenceLost" in each for each in problems):
            return
    raise AssertionError(problems)
