"""Types at run time: which values a reader takes, and which typed JSON gives back as they were."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import typing_extensions as te
from pydantic import BaseModel, ConfigDict, Field, JsonValue, PlainSerializer, SecretStr, TypeAdapter, computed_field

from workflow_engine.record.codec import decode, encode
from workflow_engine.verify.accepts import accepts, holds, stored
from workflow_engine.verify.carried import lost
from workflow_engine.verify.finding import called

T = t.TypeVar("T")
UserId = t.NewType("UserId", str)


class Animal(BaseModel):
    name: str


class Dog(Animal):
    tricks: list[str] = []


class Box(BaseModel, t.Generic[T]):
    inside: T


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Speaks(t.Protocol):
    def speak(self) -> str: ...


class Row(te.TypedDict):
    key: str


class Pair(t.NamedTuple):
    key: str
    value: int


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Foreign:
    """A class pydantic knows nothing of."""


ACCEPTED: list[tuple[t.Any, t.Any]] = [
    (str, str),
    (t.Any, Foreign),
    (object, int),
    (int, t.Any),
    (Animal, Dog),
    (float, int),
    (int, bool),
    (Animal | None, Animal),
    (t.Optional[Animal], None),  # noqa: UP045
    (Animal | None, t.Union[None, Dog]),  # noqa: UP007
    (int | str | None, str | int),
    (t.Literal["a", "b"], t.Literal["a"]),
    (t.Literal["a"] | t.Literal["b"], t.Literal["a", "b"]),
    (str, t.Literal["a", "b"]),
    (str | int, t.Literal["a", 1]),
    (t.Literal[True, False], bool),
    (t.Literal[Colour.RED, Colour.BLUE], Colour),
    (t.Literal["a", None], None),
    (list[Animal], list[Dog]),
    (list[int | None], list[int]),
    (list, list[int]),
    (list[int], list),
    (Sequence[int], list[int]),
    (Sequence[int], tuple[int, ...]),
    (Sequence[str], str),
    (Iterable[int], dict[int, str]),
    (Mapping[str, Animal], dict[str, Dog]),
    (dict[str, int], collections.Counter[str]),
    (list[int], Sequence[int]),  # a function that says Sequence may well return a list
    (tuple[int, ...], tuple[int, int]),
    (tuple[int, str], tuple[int, str]),
    (tuple[float, ...], tuple[int, ...]),
    (tuple, tuple[int]),
    (t.Annotated[int, Field(gt=0)], int),
    (int, t.Annotated[int, Field(gt=0)]),
    (str, UserId),
    (UserId, str),
    (T, int),
    (int, T),
    (Speaks, Animal),
    (Box[int], Box),
    (Box, Box[int]),
    (JsonValue, int),
    (int, t.NoReturn),
    ("Unresolved", int),
    (Callable[[int], str], Callable[[int], str]),
    (dict[str, t.Any], Row),
    (Row, dict[str, str]),
    (datetime.date, datetime.datetime),
    (Path, Path),
]

REFUSED: list[tuple[t.Any, t.Any]] = [
    (str, int),
    (int, float),
    (int, None),
    (Animal, None),
    (Animal, Animal | None),
    (Dog, Animal),
    (Dog, Animal | Dog),
    (t.Literal["a"], t.Literal["a", "b"]),
    (t.Literal["a"], str),
    (t.Literal[1], t.Literal[True]),
    (t.Literal["a"], None),
    (t.Literal[Colour.RED], Colour),
    (list[int], list[str]),
    (list[Dog], list[Animal]),
    (list[int], tuple[int, ...]),
    (list[list[int]], list[list[str]]),
    (Sequence[int], list[int | None]),
    (Sequence[int], str),
    (Sequence[int], set[int]),
    (dict[str, int], dict[str, str]),
    (Mapping[str, int], list[int]),
    (tuple[int, int], tuple[int, ...]),
    (tuple[int, int], tuple[int]),
    (tuple[int, str], tuple[str, int]),
    (str, Colour),
    (str, Path),
    (Row, int),
    (Box[int], Box[str]),
    (Animal, Point),
]


@pytest.mark.parametrize(("reader", "writer"), ACCEPTED, ids=str)
def test_a_reader_takes_what_fits(reader: t.Any, writer: t.Any) -> None:
    assert accepts(reader, writer)


@pytest.mark.parametrize(("reader", "writer"), REFUSED, ids=str)
def test_a_reader_refuses_what_may_not_fit(reader: t.Any, writer: t.Any) -> None:
    assert not accepts(reader, writer)


def test_a_type_that_contains_itself_is_compared_to_a_depth() -> None:
    assert accepts(JsonValue, JsonValue)
    assert accepts(dict[str, JsonValue], dict[str, list[JsonValue]])


@pytest.mark.parametrize(
    ("annotation", "value", "fits"),
    [
        (int, 3, True),
        (int, None, False),
        (int | None, None, True),
        (t.Literal["a"], "a", True),
        (t.Literal["a"], "b", False),
        (list[str], [], True),
        (list[str], [1], False),
        (Foreign, Foreign(), True),
        (Animal, Dog(name="Rex"), True),
        ("Unresolved", 3, True),
    ],
)
def test_a_default_is_of_a_type_or_not(annotation: t.Any, value: t.Any, fits: bool) -> None:
    assert holds(annotation, value) is fits


def test_a_field_gives_back_its_own_class_and_not_a_subclass() -> None:
    assert stored(Animal | None, Dog) is Animal
    assert stored(Dog | Animal, Dog) is Dog
    assert stored(int | None, int | None) == int | None
    assert stored(str, t.Literal["a"]) == t.Literal["a"]
    assert stored(t.Any, Dog) is not Animal


# ------------------------------------------------------------------------------------------------ typed JSON


class Tree(BaseModel):
    children: list[Tree] = []
    note: JsonValue = None


class Hidden(BaseModel):
    shown: int = 0
    kept: int = Field(default=0, exclude=True)


class Renamed(BaseModel):
    name: str = Field(alias="Name")


class RenamedBothWays(BaseModel):
    model_config = ConfigDict(validate_by_name=True)
    name: str = Field(alias="Name")


class Computed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    side: int = 2

    @computed_field  # type: ignore[prop-decorator]
    @property
    def area(self) -> int:
        return self.side**2


class Holder(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    what: Foreign


class OwnWay(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    what: t.Annotated[t.Any, PlainSerializer(str)]


CARRIED: list[tuple[t.Any, t.Any]] = [
    (str, "a"),
    (int | None, None),
    (float, 2.5),
    (complex, 1j),
    (datetime.datetime, datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)),
    (datetime.timedelta, datetime.timedelta(hours=1)),
    (decimal.Decimal, decimal.Decimal("1.10")),
    (Path, Path("a/b")),
    (Colour, Colour.RED),
    (t.Literal["a", 1], "a"),
    (list[Dog], [Dog(name="Rex")]),
    (dict[int, set[str]], {1: {"a"}}),
    (tuple[int, ...], (1, 2)),
    (frozenset[int], frozenset({1})),
    (Point, Point(1, 2)),
    (Row, {"key": "k"}),
    (Pair, Pair("k", 1)),
    (Box[int], Box[int](inside=1)),
    (JsonValue, {"a": [1, None]}),
    (Tree, Tree(children=[Tree()], note=[1])),
    (RenamedBothWays, RenamedBothWays(Name="x")),
    (UserId, "u"),
    (collections.Counter[str], collections.Counter("aab")),
]


@pytest.mark.parametrize(("annotation", "value"), CARRIED, ids=lambda each: called(each)[:30])
def test_what_is_not_called_lost_comes_back_as_it_went(annotation: t.Any, value: t.Any) -> None:
    assert lost(annotation) is None
    adapter = TypeAdapter(annotation)
    assert decode(adapter, encode(adapter, value, "here")) == value


@pytest.mark.parametrize(
    ("annotation", "word"),
    [
        (t.Any, "Any"),
        (object, "Any"),
        (dict[str, t.Any], "Any"),
        (list[dict[str, list[t.Any]]], "Any"),
        (list, "list[...]"),
        (dict, "dict[...]"),
        (Box, "Any"),
        (bytes, "bytes"),
        (list[bytes], "bytes"),
        (SecretStr, "secret"),
        (SecretStr | None, "secret"),
        (Callable[[], int], "code"),
        (type[int], "code"),
        (Iterator[int], "iterator"),
        (Iterable[int], "iterator"),
        (Foreign, "Foreign"),
        (Holder, "Holder.what"),
        (Hidden, "excluded"),
        (Renamed, "alias"),
        (Computed, "area"),
        (t.Annotated[t.Any, Field(description="x")], "Any"),
    ],
    ids=str,
)
def test_what_typed_json_loses_is_named(annotation: t.Any, word: str) -> None:
    why = lost(annotation)
    assert why is not None
    assert word in why


def test_who_says_himself_how_he_is_written_is_believed() -> None:
    assert lost(OwnWay) is None


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (Animal | None, "Animal | None"),
        (t.Optional[list[Animal]], "list[Animal] | None"),  # noqa: UP045
        (dict[str, tuple[int, ...]], "dict[str, tuple[int, ...]]"),
        (t.Literal["a", 1], "Literal['a', 1]"),
        (t.Any, "Any"),
        (None, "None"),
        (Callable[[int], str], "Callable[[int], str]"),
        (t.Annotated[int, 3], "int"),
        ("Later", "'Later'"),
    ],
)
def test_a_type_is_called_what_its_user_wrote(annotation: t.Any, text: str) -> None:
    assert called(annotation) == text
