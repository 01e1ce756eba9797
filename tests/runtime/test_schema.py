"""Answers held against JSON Schemas: as jsonschema does it, save what would be fetched, backtracked or endless."""

from __future__ import annotations

import time
from typing import Any

import pytest

from workflow_engine.errors import AnswerRejected
from workflow_engine.runtime.schema import problems

NAMES = {"patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": False}


def fits(schema: dict[str, Any], value: Any) -> bool:
    return problems(schema, value, "question r1.q1") == []


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "string", "pattern": "^[a-c]+$"}, "abc", "abd"),
        ({"pattern": "b"}, "abc", "acd"),
        ({"pattern": "^a"}, 7, "b"),
        (NAMES, {"x1": 1}, {"x1": "one"}),
        (NAMES, {}, {"y": 1}),
        ({**NAMES, "properties": {"y": {}}}, {"x": 1, "y": 2}, {"z": 3}),
        ({"additionalProperties": {"type": "string"}}, {"a": "b"}, {"a": 1}),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"enum": [1, 2]}}}, 2, 3),
        (
            {"properties": {"in": {"$ref": "#"}}, "additionalProperties": False},
            {"in": {"in": {}}},
            {"in": {"out": {}}},
        ),
        ({"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False}, {"a": 1}, {"b": 1}),
    ],
)
def test_an_answer_fits_or_does_not(schema: dict[str, Any], good: Any, bad: Any) -> None:
    assert fits(schema, good)
    assert not fits(schema, bad)


def test_every_problem_is_told_with_its_place() -> None:
    schema = {"properties": {"a": {"type": "integer"}, "b": {"pattern": "^x"}}, "required": ["c"]}
    assert problems(schema, {"a": "1", "b": "y"}, "question r1.q1") == [
        "answer: 'c' is a required property",
        "a: '1' is not of type 'integer'",
        "b: 'y' does not match '^x'",
    ]


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/$defs/none"},
        {"$ref": "#"},
        {"type": "os.system"},
        {"anyOf": 7},
        {"unevaluatedProperties": False, "patternProperties": {"^(a+)+$": {}}},
        {"$ref": "#/$defs/0", "$defs": {str(at): {"anyOf": [{"$ref": f"#/$defs/{at + 1}"}] * 2} for at in range(99)}},
    ],
)
def test_a_schema_that_is_none_is_refused_in_our_words(schema: dict[str, Any]) -> None:
    with pytest.raises(AnswerRejected, match="no answer can be held against the schema of question"):
        problems(schema, {"a": 1}, "question r1.q1")


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(?=a)(a+)+$", r"^(a+)\1+$"])
def test_no_pattern_is_backtracked(pattern: str) -> None:
    begun = time.monotonic()
    text = "a" * 60 + "!"
    problems({"pattern": pattern, "patternProperties": {pattern: {}}, "additionalProperties": False}, text, "q")
    problems({"patternProperties": {pattern: {}}, "additionalProperties": False}, {text: 1}, "q")
    assert time.monotonic() - begun < 2


def test_a_pattern_that_can_only_be_backtracked_is_left_to_the_type_it_comes_from() -> None:
    assert fits({"pattern": "^(?!x)"}, "x")
