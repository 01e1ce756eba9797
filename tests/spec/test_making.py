"""Quickly made dataclasses: the same as others, whatever they are given."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass, field, replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from workflow_engine.making import quickly


@dataclass(frozen=True)
class Plain:
    name: str
    count: int = 3
    notes: Mapping[str, int] = field(default_factory=dict)
    long: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "long", len(self.name) > 3)


@quickly
@dataclass(frozen=True)
class Quick:
    name: str
    count: int = 3
    notes: Mapping[str, int] = field(default_factory=dict)
    long: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "long", len(self.name) > 3)


GIVEN: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("a",), {}),
    (("abcd", 1), {}),
    (("a",), {"notes": {"x": 1}}),
    ((), {"count": None, "name": "kept"}),
]


@pytest.mark.parametrize(("args", "named"), GIVEN)
def test_it_holds_what_a_plain_one_holds(args: Any, named: Any) -> None:
    plain, quick = Plain(*args, **named), Quick(*args, **named)
    assert vars(quick) == vars(plain)
    assert repr(quick) == repr(plain).replace("Plain", "Quick")
    assert quick == Quick(*args, **named)


@pytest.mark.parametrize(
    ("args", "named"), [((), {}), (("a", 1, {}, 4), {}), (("a",), {"odd": 1}), (("a",), {"name": "b"})]
)
def test_it_refuses_what_a_plain_one_refuses(args: Any, named: Any) -> None:
    with pytest.raises(TypeError) as plain:
        Plain(*args, **named)
    with pytest.raises(TypeError) as quick:
        Quick(*args, **named)
    assert str(quick.value).removeprefix("Quick.") == str(plain.value).removeprefix("Plain.")


def test_each_has_a_default_of_its_own() -> None:
    assert Quick("a").notes is not Quick("a").notes


def test_it_stays_frozen() -> None:
    quick = Quick("a")
    with pytest.raises(FrozenInstanceError):
        quick.count = 4  # type: ignore[misc]
    assert quick.count == 3


def test_it_is_copied_changed_pickled_and_read_as_a_plain_one() -> None:
    quick = Quick("a", notes={"x": 1})
    assert copy.deepcopy(quick) == pickle.loads(pickle.dumps(quick)) == quick
    assert replace(quick, name="other") == Quick("other", 3, {"x": 1})
    adapter = TypeAdapter(Quick)
    assert adapter.validate_json(adapter.dump_json(quick)) == quick
    assert inspect.signature(Quick) == inspect.signature(Plain)
