"""The kill matrix of an agent: killed at every boundary, inside each tool and model call, it acts and pays once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from tests.agents.lives import VARIANTS, Death, Variant, deployed, live, receipts, world
from tests.agents.mind import Mind


@cache
def undisturbed(name: str) -> tuple[int, int]:
    """How many writes and questions to the model there are when nobody dies."""
    variant = VARIANTS[name]
    with TemporaryDirectory() as made, Mind(variant.thinks) as mind:
        folder = Path(made)
        assert live(folder, mind, variant) == []
        assert sorted(deployed(folder)) == sorted(variant.deploys)
        assert world(folder).count("read 7") == world(folder).count("prompt") == 1
        writes, status = (folder / "ended").read_text().split()
        assert status == "succeeded"
        return int(writes), len(mind.asked)


def deaths(variant: Variant) -> Iterator[Death]:
    """Every place at which a process of the undisturbed life could have died."""
    writes, asked = undisturbed(variant.name)
    for when in ("before", "after"):
        yield from (Death("write", number, when) for number in range(1, writes + 1))
        yield from (Death("model", number, when) for number in range(1, asked + 1))
        yield Death("read", 1, when)
        yield from (Death("deploy", number, when) for number in range(1, len(variant.deploys) + 1))


def killed(folder: Path, variant: Variant, *more: Death) -> None:
    """Live with these deaths, and see that they made no difference."""
    folder.mkdir(exist_ok=True)
    with Mind(variant.thinks) as mind:
        wrongs = live(folder, mind, variant, *more)
        finished = receipts(folder)
        keys = [each.key for each in mind.asked]
    named = ", ".join(map(str, more))
    assert wrongs == [], f"{variant.name}: {named}"
    assert (folder / "ended").read_text().endswith("succeeded"), f"{variant.name}: {named}"
    # What may be done again is done again under its key, by which the outside knows it.
    done = set(deployed(folder, keys=True)) if variant.doubt == "rerun" else deployed(folder, keys=True)
    assert sorted(each.split()[0] for each in done) == sorted(variant.deploys), f"{variant.name}: {named}: {done}"
    assert len(finished) == len({*finished}), named
    # Who is killed while a model is asked, or before its answer is on disk, asks again: once for each death.
    assert len(keys) - len(set(keys)) <= len(more), named


# What the others hold in part, two at once or in pieces on another wire, is killed everywhere by `make crash`.
@pytest.mark.parametrize("name", ["two", "nested", "streamed responses", "probe", "rerun"])
def test_killed_at_a_few_places_it_pays_once_and_acts_once(tmp_path: Path, name: str) -> None:
    variant = VARIANTS[name]
    every = list(deaths(variant))
    random = Random(name)
    inside = [each for each in every if each.at == "deploy"]
    for number, death in enumerate([*inside, *random.sample(every, 2)]):
        killed(tmp_path / str(number), variant, death)


@pytest.mark.crash
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", VARIANTS)
def test_killed_at_every_place_it_pays_once_and_acts_once(tmp_path: Path, name: str) -> None:
    variant = VARIANTS[name]
    for number, death in enumerate(deaths(variant)):
        killed(tmp_path / str(number), variant, death)


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(60))
def test_killed_again_and_again_it_pays_once_and_acts_once(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    variant = VARIANTS[random.choice(list(VARIANTS))]
    killed(tmp_path / "life", variant, *random.choices(list(deaths(variant)), k=random.randint(2, 4)))
