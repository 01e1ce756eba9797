"""Inputs: what is typed becomes what the state's fields want, or every mistake is told at once."""

from __future__ import annotations

import io
import json
import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from workflow_engine import END, START, State, function, workflow
from workflow_engine.cli.inputs import read_inputs
from workflow_engine.errors import InputError


class Limits(BaseModel):
    most: int
    names: list[str] = []


class Order(State):
    text: str
    count: Annotated[int, Field(gt=0)] = 1
    share: float | None = None
    fast: bool = False
    kind: Literal["wheel", "sdist"] = "wheel"
    limits: Limits | None = None
    day: date | None = None
    either: int | str = 0


@function
def work(text: str) -> None: ...


order = workflow("order", state=Order, edges=[START >> work >> END])


def typed(*pairs: str, documents: tuple[str, ...] = ()) -> dict[str, Any]:
    return dict(read_inputs(order, pairs, documents).typed)


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("text=add a report", "add a report"),
        ("text=42", "42"),
        ("text=null", "null"),
        ("text=true", "true"),
        ("text=", ""),
        ('text="in quotes"', "in quotes"),
        ("text=a=b", "a=b"),
        ('text={"not": "a model"}', '{"not": "a model"}'),
        ("count=3", 3),
        ("share=0.5", 0.5),
        ("share=null", None),
        ("fast=true", True),
        ("fast=yes", True),
        ("kind=sdist", "sdist"),
        ('limits={"most": 3, "names": ["a"]}', Limits(most=3, names=["a"])),
        ("day=2026-01-31", date(2026, 1, 31)),
        ("either=5", 5),
        ("either=five", "five"),
    ],
)
def test_a_pair_is_typed_by_its_field(pair: str, value: Any) -> None:
    name = pair.partition("=")[0]
    assert typed(*{"text=x", pair} if name != "text" else {pair})[name] == value


def test_every_mistake_is_told_at_once_with_near_names_and_types() -> None:
    with pytest.raises(InputError) as refused:
        typed("cuont=3", "share=lots", 'limits={"most": "many"}', "zzz=1")
    told = str(refused.value)
    assert "cuont: no such field; did you mean count?" in told
    assert "zzz: no such field" in told
    assert "share: Input should be a valid number" in told
    assert "limits.most: Input should be a valid integer" in told
    assert "text: missing (str)" in told
    assert "order takes text: str" in told


def test_a_mistyped_field_is_not_called_missing_too() -> None:
    class Number(State):
        number: int

    @function
    def add(number: int) -> None: ...

    with pytest.raises(InputError) as refused:
        read_inputs(workflow("n", state=Number, edges=[START >> add >> END]), ["number=many"], [])
    assert "number: Input should be a valid integer" in str(refused.value)
    assert "missing" not in str(refused.value)


@pytest.mark.parametrize("pair", ["text", "=x", "", "two words"])
def test_a_word_that_is_no_pair_is_refused(pair: str) -> None:
    with pytest.raises(InputError, match=r"no field=value"):
        typed(pair)


def test_a_field_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="text is given twice"):
        typed("text=a", "text=b")


def test_a_pair_beats_a_file_and_a_later_file_an_earlier_one(tmp_path: Path) -> None:
    for name, document in {"a": {"text": "a", "count": 1}, "b": {"text": "b", "count": 2, "day": "2026-01-31"}}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    found = typed("text=c", documents=(f"@{tmp_path}/a.json", f"{tmp_path}/b.json"))
    assert found == {"text": "c", "count": 2, "day": date(2026, 1, 31)}


def test_standard_input_is_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"text": "x"}'))
    assert typed(documents=("-",)) == {"text": "x"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is no JSON"),
        ("[1]", "holds a JSON list, not an object"),
        ('{"text": NaN}', "NaN is no JSON number"),
        ('{"text": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
    ],
)
def test_a_document_that_is_no_object_is_refused(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "in.json").write_text(content)
    with pytest.raises(InputError, match=told):
        typed(documents=(f"@{tmp_path}/in.json",))


def test_a_document_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe{}")
    for name, told in (("gone.json", "cannot be read"), ("", "cannot be read"), ("bytes.json", "is not UTF-8 text")):
        with pytest.raises(InputError, match=told):
            typed(documents=(f"@{tmp_path}/{name}",))


@pytest.mark.parametrize(
    "pair", ["share=NaN", "share=1e999", "count=" + "9" * 5000, 'limits={"most": 1, "names": [NaN]}']
)
def test_numbers_json_does_not_have_are_refused_or_typed_as_text(pair: str) -> None:
    try:
        found = typed("text=x", pair)
    except InputError:
        return
    # 1e999 is infinity to a float field; the engine's codec refuses it before anything is stored.
    assert not isinstance(found[pair.partition("=")[0]], str)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(InputError, match="holds bytes that are no UTF-8"):
        typed("text=\udcff")


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(InputError):
        typed("text=x", "limits=" + '{"most":' * 5000 + "1" + "}" * 5000)


class Many(State):
    names: list[str]
    day: date


def test_who_may_not_know_how_a_list_is_typed_is_shown() -> None:
    many = workflow("many", state=Many, edges=[START >> work >> END])
    with pytest.raises(InputError) as refused:
        read_inputs(many, ["names=ann", "day=2026-01-01"], ())
    assert "names='[...]', or -i @file.json" in str(refused.value.cure)
    with pytest.raises(InputError) as refused:
        read_inputs(order, [], ())
    assert refused.value.cure == "order takes text: str"
