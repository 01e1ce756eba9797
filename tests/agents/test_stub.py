"""The stub: whatever an agent's output type is, the written playbook loads and its answer fits."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import pathlib
import uuid
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter
from typing_extensions import TypedDict

from graphs.desk import money, sort
from graphs.newsroom import edit
from workflow_engine import guardrail, specialist
from workflow_engine.agents import open_runner
from workflow_engine.agents.evidence import Evidence
from workflow_engine.agents.models import Offline
from workflow_engine.agents.playbook import parse_playbook
from workflow_engine.agents.rules import Reply
from workflow_engine.agents.shape import Shape
from workflow_engine.agents.stub import stub_playbook
from workflow_engine.bodies.team import within
from workflow_engine.ports.agents import AgentTask


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Tree(BaseModel):
    value: int
    next: Tree | None
    members: list[Tree]


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: Annotated[int, Field(ge=1, le=9)] = 9


class Dog(BaseModel):
    kind: Literal["dog"]


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


class Row(TypedDict):
    name: str
    note: NotRequired[str]


class Wide(BaseModel):
    choice: Literal["retry", "abandon"]
    hint: str = ""
    at: dt.datetime
    day: dt.date
    time: dt.time
    took: dt.timedelta
    id: uuid.UUID
    money: decimal.Decimal
    price: Annotated[decimal.Decimal, Field(gt=10, max_digits=5, decimal_places=2)]
    score: Annotated[float, Field(gt=0, lt=1)]
    tiny: Annotated[float, Field(gt=1e-9, lt=1e-8)]
    fours: Annotated[int, Field(ge=3, le=9, multiple_of=4)]
    six: Annotated[int, Field(gt=5, lt=7)]
    negative: pydantic.NegativeInt
    tags: Annotated[list[str], Field(min_length=2)]
    numbers: set[int]
    words: Annotated[set[str], Field(min_length=3)]
    colours: Annotated[set[Colour], Field(min_length=2)]
    colour: Colour
    maybe: int | None
    default: str | None = None
    counts: dict[str, int]
    several: Annotated[dict[str, float], Field(min_length=2)]
    pair: tuple[int, str]
    many: tuple[int, ...]
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    short: Annotated[str, Field(max_length=3)]
    long: Annotated[str, Field(min_length=50)]
    path: pathlib.Path
    yes: bool
    raw: bytes
    url: pydantic.HttpUrl
    past: pydantic.PastDate
    aware: pydantic.AwareDatetime
    tree: Tree
    point: Point
    row: Row


OUTPUTS: list[Any] = [
    Wide,
    Tree,
    Cat | Dog,
    Cat | None,
    list[int],
    list[Cat],
    list[list[Tree]],
    dict[str, Cat],
    dict[str, Any],
    tuple[int, str],
    frozenset[Colour],
    int,
    bool,
    float,
    Literal["a", "b"],
    Colour,
    dt.date,
    Point,
    Row,
    float | str,
    Annotated[int, Field(gt=5)],
    Annotated[str, Field(min_length=30)],
]


def answer_of(output: Any, node: str = "write") -> str:
    book = parse_playbook(stub_playbook([("other", str), (node, output)]).encode(), Path("stub.playbook.toml"))
    reply = book.answer(Evidence(node=node))
    assert isinstance(reply, Reply)
    assert reply.text is not None
    return reply.text


@pytest.mark.parametrize("output", OUTPUTS, ids=str)
def test_an_answer_fits_its_type(output: Any) -> None:
    TypeAdapter(output).validate_json(answer_of(output))
    Shape(output).read(answer_of(output))


def test_text_is_text() -> None:
    assert answer_of(str) == "the answer of write"


@given(st.text(min_size=1), st.text())
def test_any_name_and_any_text_survive_the_file(node: str, text: str) -> None:
    name, said = (part.encode("utf-8", "ignore").decode() for part in (node, text))
    fields: dict[str, Any] = {"said": (Literal[said], ...)}
    output = pydantic.create_model("Free", **fields)
    if name != "other":
        assert TypeAdapter(output).validate_json(answer_of(output, name)).model_dump() == {"said": said}


BOUNDS = st.one_of(st.none(), st.integers(-50, 50))


@given(BOUNDS, BOUNDS, st.one_of(st.none(), st.integers(1, 12)), st.booleans(), st.booleans())
def test_a_bounded_number_fits_or_is_said_not_to(
    low: int | None, high: int | None, step: int | None, open_: bool, whole: bool
) -> None:
    bounds: dict[str, Any] = {"gt" if open_ else "ge": low, "lt" if open_ else "le": high, "multiple_of": step}
    output: Any = Annotated[int if whole else float, Field(**bounds)]
    stub = stub_playbook([("write", output)])
    candidates = [n / (1 if whole else 4) for n in range(-4 * 60, 4 * 61)]
    fits: TypeAdapter[float] = TypeAdapter(output)
    possible = any(_valid(fits, n) for n in candidates)
    if "not guessed" in stub:
        assert not possible
    else:
        fits.validate_json(answer_of(output))


def _valid(fits: TypeAdapter[Any], number: float) -> bool:
    try:
        fits.validate_python(number)
    except pydantic.ValidationError:
        return False
    return True


class Strange(BaseModel):
    code: Annotated[str, Field(pattern="^[A-Z]{3}-\\d+$")]


class Picky(BaseModel):
    even: int

    @pydantic.field_validator("even")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("odd\nnumber")
        return value


@pytest.mark.parametrize(
    ("output", "says"),
    [(Strange, "# not guessed"), (Picky, "# does not fit yet: even: Value error, odd"), (object(), "# not guessed")],
)
def test_what_cannot_be_guessed_is_said_and_the_file_still_loads(output: Any, says: str) -> None:
    stub = stub_playbook([("write", output)])
    assert says in stub
    parse_playbook(stub.encode(), Path("stub.playbook.toml"))


async def test_a_stub_runs(tmp_path: Path) -> None:
    path = tmp_path / "mine.playbook.toml"
    path.write_text(stub_playbook([("write", Wide), ("list", list[Cat]), ("say", str)]))
    runner = open_runner(Offline(path))
    for node, output in (("write", Wide), ("list", list[Cat]), ("say", str)):
        answer = await runner.run(AgentTask(node, "Do it.", "Now.", output))
        TypeAdapter(output).validate_python(answer.value)
    await runner.close()


def test_a_stub_has_a_rule_for_each_specialist() -> None:
    assert [one.name for one, _ in within(edit, str)] == ["reporter", "chronicler", "researcher"]
    assert [(one.name, output) for one, output in within(money, int)] == [("refunds", int)]
    judge = specialist(name="judge", instructions="Is this polite?")
    [(one, output)] = within(dataclasses.replace(sort, guardrails=(guardrail(judge, on="output"),)), str)
    assert (one, set(output.model_fields)) == (judge, {"fine", "reason"})
