"""Typed JSON: what comes back is what went in, or it does not go in and the reason is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, JsonValue, PrivateAttr, TypeAdapter, computed_field

from workflow_engine.errors import BadWrite
from workflow_engine.record.codec import DEPTH, decode, encode


class Colour(Enum):
    RED = "red"
    TWO = 2


@dataclass(frozen=True)
class Point:
    x: int
    when: datetime | None = None
    path: tuple[int, ...] = ()


class Pair(NamedTuple):
    left: int
    right: str


class Whole(BaseModel):
    at: datetime
    parts: tuple[int, str]
    tags: set[str]
    colour: Colour
    price: Decimal
    point: Point

    @computed_field
    def count(self) -> int:
        return len(self.tags)


class Special(Whole):
    pass


class Hidden(BaseModel):
    _seen: int = PrivateAttr(default=0)


class Precise(BaseModel):
    model_config = ConfigDict(strict=True)
    at: datetime
    colour: Colour
    path: tuple[int, ...]


NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 (people write such)
WHOLE: dict[str, Any] = {
    "at": datetime(2026, 1, 1, tzinfo=UTC),
    "parts": (1, "a"),
    "tags": {"a", "b"},
    "colour": Colour.TWO,
    "price": Decimal("1.10"),
    "point": Point(1, NAIVE, (1, 2)),
}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (datetime, NAIVE),
        (datetime, datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Paris"))),
        (date | datetime, NAIVE),
        (time, time(1, 2, 3, 4)),
        (timedelta, timedelta(days=-1, microseconds=3)),
        (Decimal, Decimal("1.10")),
        (Path, Path("a/b")),
        (UUID, UUID(int=7)),
        (Colour, Colour.TWO),
        (set[str], {"a", "b"}),
        (tuple[int, str], (1, "a")),
        (Pair, Pair(1, "a")),
        (dict[int, str], {1: "a"}),
        (dict[date, list[tuple[int, Colour]]], {date(2026, 1, 1): [(1, Colour.RED)]}),
        (float, 1),
        (list[float], [1, 2.5]),
        (int | str, "1"),
        (bool | int, 1),
        (JsonValue, {"a": [1, 2.5, None, True]}),
        (Point, Point(1, None, (1,))),
        (Whole, Whole(**WHOLE)),
        (Precise, Precise(at=NAIVE, colour=Colour.RED, path=(1,))),
        (str, "1" * 40),
        (str, "\u2028\x00\U0001f600"),
        (int, 2**63 - 1),
        (int, -(2**63)),
    ],
)
def test_every_value_of_its_type_comes_back(kind: Any, value: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    assert decode(adapter, encode(adapter, value, "x")) == value


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (int, "1", "valid integer"),
        (int, True, "valid integer"),
        (int, 2**63, "does not fit 64 bits"),
        (float, float("nan"), "it holds NaN"),
        (list[int], (1, 2), "valid list"),
        (Sequence[int], (1, 2), r"\(1, 2\) would be read back as \[1, 2\]"),
        (Whole, Special(**WHOLE), r"Special\(.* would be read back as Whole\("),
        (str, "\ud800", "typed JSON cannot carry it"),
        (dict[Colour, int], {Colour.TWO: 1}, "typed JSON would change it"),
    ],
)
def test_what_would_change_is_refused_and_the_change_is_shown(kind: Any, value: Any, why: str) -> None:
    with pytest.raises(BadWrite, match=f"x: .*{why}"):
        encode(TypeAdapter(kind), value, "x")


def test_a_change_nobody_can_see_is_refused_as_well() -> None:
    value = Hidden()
    value._seen = 3
    with pytest.raises(BadWrite, match=r"typed JSON would change it\n"):
        encode(TypeAdapter(Hidden), value, "x")


@pytest.mark.parametrize("depth", [DEPTH, DEPTH + 1, 50_000])
def test_depth_is_bounded(depth: int) -> None:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    adapter: TypeAdapter[Any] = TypeAdapter(JsonValue)
    if depth <= DEPTH:
        assert decode(adapter, encode(adapter, value, "x")) == value
    else:
        with pytest.raises(BadWrite, match=r"nested|recursion|depth|typed JSON"):
            encode(adapter, value, "x")


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)  # fmt: skip


@given(plain)
def test_decode_undoes_encode(value: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(JsonValue)
    assert decode(adapter, encode(adapter, value, "x")) == value


def test_a_value_of_another_type_is_told_by_its_type_alone() -> None:
    with pytest.raises(BadWrite, match=r"wrote 'text': Input should be a valid string, not a dict") as caught:
        encode(TypeAdapter(str), {"text": "a secret"}, "shout wrote 'text'")
    assert "secret" not in str(caught.value)
