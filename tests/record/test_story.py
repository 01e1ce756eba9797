"""The story of an agent's step, as its events tell it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from workflow_engine.record import events as e
from workflow_engine.record.story import said_in, story
from workflow_engine.record.usage import Usage

AT = datetime(2026, 1, 1, tzinfo=UTC)


def answer(*items: dict[str, Any]) -> str:
    return json.dumps({"output": list(items), "id": "r"})


def message(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


USE = {"type": "function_call", "call_id": "c1", "name": "deploy", "arguments": "{}"}


def started(call: str, what: Any, name: str = "", asked: str = "gist", talk: int = 1) -> e.CallStarted:
    return e.CallStarted(AT, "work", 1, talk, call, what, name, asked)


def finished(call: str, what: Any, text: str, name: str = "", **given: Any) -> e.CallFinished:
    return e.CallFinished(AT, "work", 1, 1, call, what, name, given.pop("asked", "{}"), text, 0.5, **given)


def test_a_turn_is_told_in_its_order() -> None:
    told = story(
        [
            e.TalkBegan(AT, "work", 1, 1, "Ticket 7"),
            started("m1", "model"),
            finished("m1", "model", answer(message("I deploy."), USE), usage=Usage(1, 3, 5), answered_by=("m",)),
            e.CallRuled(AT, "work", 1, 1, "approve:t.c1:0f", "approve", "anna"),
            started("t.c1", "tool", "deploy", "{}"),
            finished("t.c1", "tool", "up", "deploy", effect=True),
        ]
    )
    assert [(each.kind, each.who, each.text) for each in told] == [
        ("prompt", "", "Ticket 7"),
        ("message", "m", "I deploy."),
        ("ruling", "anna", "approve"),
        ("tool_call", "deploy", "{}"),
        ("tool_result", "deploy", "up"),
    ]
    assert told[1].usage == Usage(1, 3, 5)
    assert told[2].call == told[3].call == "t.c1"
    assert told[1].document() == {
        "item": "message",
        "talk": 1,
        "text": "I deploy.",
        "who": "m",
        "call": "m1",
        "seconds": 0.5,
        "usage": {"requests": 1, "input_tokens": 3, "output_tokens": 5, "cost": None},
    }


def test_what_began_and_did_not_end_is_told_last() -> None:
    told = story([started("t.c1", "tool", "deploy", '{"service": "api"}')])
    assert [(each.kind, each.who, each.text) for each in told] == [
        ("tool_call", "deploy", '{"service": "api"}'),
        ("unknown", "deploy", '{"service": "api"}'),
    ]


def test_a_call_that_came_to_nothing_says_why_and_how_long_it_took() -> None:
    failed = e.CallFailed(
        AT + timedelta(seconds=2), "work", 1, 1, "m1", "model", "", "rate_limit", "answered 429", usage=Usage(1)
    )
    [told] = story([started("m1", "model"), failed])
    assert (told.kind, told.text, told.seconds) == ("failed", "rate_limit: answered 429", 2.0)


def test_what_happens_in_an_agent_that_is_a_tool_lies_in_its_branch() -> None:
    told = story([finished("c1/m1", "model", answer(message("inner")))])
    assert [(each.path, each.call) for each in told] == [("c1/", "m1")]


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "3", '{"output": 3}', '{"output": [3, null, {"type": "message"}]}', "{" * 3000, "no JSON"],
)
def test_an_answer_in_another_form_says_nothing(text: str) -> None:
    assert list(said_in(text)) == []


def test_reasoning_and_refusals_are_words_too() -> None:
    thought = {"type": "reasoning", "id": "1", "summary": [{"type": "summary_text", "text": "hm"}]}
    refused = {"type": "message", "content": [{"type": "refusal", "refusal": "I will not"}]}
    assert list(said_in(answer(thought, refused))) == [("reasoning", "hm"), ("message", "I will not")]
