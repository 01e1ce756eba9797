"""Kills at every write and every statement: whatever dies where, the run ends as it would have, and breaks no promise.

Each kill is a real SIGKILL of a process on a store in a file. A life has up to three of them: the one under test, and
others at random places of the processes that go on, each on an executor chosen at random.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pytest

from tests.crash.deaths import Death
from tests.crash.flows import FLOWS
from tests.crash.life import EXECUTORS, Lived, Plan, live

Level = Literal["write", "statement"]
TALLY: dict[str, int] = {}
THOUSAND = 1000


@cache
def undisturbed(flow: str) -> Lived:
    """The life in which nobody dies."""
    with TemporaryDirectory() as folder:
        lived = live(Path(folder), Plan(flow))
    assert not lived.wrongs
    assert lived.kills == 0
    return lived


def plans(flow: str, level: Level) -> Iterator[Plan]:
    """A life for each place at which a process of the undisturbed one could have died, and each side of it."""
    before: dict[str, int] = {"drive": 0, "answer": 0}
    seed = 0
    for place in undisturbed(flow).places:
        role = place["role"]
        for number in range(1, place[level] + 1):
            for when in ("before", "after"):
                seed += 1
                random = Random(f"{flow} {level} {seed}")
                death = Death(level, number, when, lingers=when == "before" and random.random() < 0.3)
                deaths: list[Death | None] = [*[None] * before[role], death]
                more = [_any(random), _any(random)][: random.choice((0, 1, 1, 2))]
                drivers = [*deaths, *more] if role == "drive" else [*[None] * before["drive"], *more]
                answerers = deaths if role == "answer" else ()
                yield Plan(flow, drivers, answerers, EXECUTORS[seed // 2 % 2], seed)
        before[role] += 1


def _any(random: Random) -> Death:
    level: Level = random.choice(("write", "statement"))
    return Death(level, random.randint(1, 6 if level == "write" else 25), random.choice(("before", "after")))


def check(folder: Path, plan: Plan) -> Lived:
    """Live by a plan, and see that it made no difference."""
    lived = live(folder, plan)
    wanted = undisturbed(plan.flow).outcome
    if lived.wrongs or lived.outcome != wanted:
        pytest.fail(f"{plan}\n{chr(10).join(lived.wrongs)}\n{lived.outcome}\nwanted {wanted}\nlog: {folder / 'log'}")
    shutil.rmtree(folder)
    return lived


@pytest.fixture
def checked(tmp_path: Path, request: pytest.FixtureRequest, record_property: Any) -> Iterator[Any]:
    """Checks plans, and counts the kills."""
    kills = 0

    def checked(planned: list[Plan]) -> int:
        nonlocal kills
        missed = 0
        for number, plan in enumerate(planned):
            folder = tmp_path / f"{number}"
            folder.mkdir()
            lived = check(folder, plan)
            kills += lived.kills
            missed += lived.kills == 0
        record_property("kills", kills)
        return missed

    yield checked
    TALLY[request.node.name] = kills


# ------------------------------------------------------------------------------------------------ in make check


@pytest.mark.slow
@pytest.mark.parametrize("flow", FLOWS)
def test_a_few_kills_change_nothing(flow: str, checked: Any) -> None:
    at_writes, at_statements = list(plans(flow, "write")), list(plans(flow, "statement"))
    # Strides without a common divisor with the two sides of a place: both sides are met.
    few = at_writes[1 :: len(at_writes) // 4 | 1] + at_statements[2 :: len(at_statements) // 4 | 1]
    assert checked(few) <= 1


# ------------------------------------------------------------------------------------------------ in make crash


@pytest.mark.crash
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("flow", FLOWS)
def test_a_kill_at_every_write_changes_nothing(flow: str, checked: Any) -> None:
    planned = list(plans(flow, "write"))
    # Items that end at one moment share a write, so the last number is not always reached: once before it, once after.
    assert checked(planned) <= (2 if flow == "party" else 0)


@pytest.mark.crash
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("flow", FLOWS)
def test_a_kill_at_every_statement_changes_nothing(flow: str, part: int, checked: Any) -> None:
    planned = list(plans(flow, "statement"))[part::3]
    # What shares a transaction differs from life to life, so the last statements are not always reached.
    assert checked(planned) <= len(planned) // 10


@pytest.mark.crash
@pytest.mark.parametrize("flow", FLOWS)
def test_a_kill_at_any_moment_changes_nothing(flow: str, checked: Any) -> None:
    random = Random(flow)
    sudden = [Plan(flow, (), (), EXECUTORS[n % 2], n, sudden=random.uniform(0.005, 0.06)) for n in range(40)]
    assert checked(sudden) < len(sudden)


@pytest.mark.crash
def test_that_were_a_thousand_kills(request: pytest.FixtureRequest) -> None:
    here = [each for each in request.session.items if each.path == request.path and each.get_closest_marker("crash")]
    if {each.name for each in here[:-1]} - set(TALLY):
        pytest.skip("counts only after all the others of this file")
    assert len(here) == 1 + 5 * len(FLOWS)
    assert sum(TALLY.values()) >= THOUSAND
