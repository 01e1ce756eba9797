"""What a talk makes of its journal, also of one that somebody forged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from workflow_engine.errors import Failure
from workflow_engine.record import events as e
from workflow_engine.steps.receipts import _Talk

AT = datetime(2026, 1, 1, tzinfo=UTC)


def began(talk: int = 1) -> e.TalkBegan:
    return e.TalkBegan(AT, "work", 1, talk, "prompt")


def started(call: str, what: Any = "tool", talk: int = 1) -> e.CallStarted:
    return e.CallStarted(AT, "work", 1, talk, call, what, "deploy", "{}", effect=what == "tool")


def finished(call: str, talk: int = 1, **given: Any) -> e.CallFinished:
    return e.CallFinished(AT, "work", 1, talk, call, "tool", "deploy", "{}", "up", **{"effect": True, **given})


def failed(kind: str, step: bool = False) -> Any:
    failure = Failure("work", kind, "why")
    if step:
        return e.StepFailed(AT, "work", "agent", 1, 1, AT, 0.0, failure)
    return e.AttemptFailed(AT, "work", 1, 1, failure, 0.0)


def ruled(ref: str, word: str) -> e.CallRuled:
    return e.CallRuled(AT, "work", 1, 1, ref, word, "anna")


def talk(*events: Any) -> _Talk:
    made = _Talk()
    for each in events:
        made.take(each)
    return made


@pytest.mark.parametrize(
    ("kind", "over"),
    [("rate_limit", False), ("infrastructure", False), ("timeout", False), ("validation", True), ("tool", True)],
)
def test_what_failed_decides_whether_the_talk_goes_on(kind: str, over: bool) -> None:
    assert talk(began(), failed(kind)).over is over


def test_a_new_talk_has_no_receipts_but_the_effects_of_the_last_one_to_spare() -> None:
    again = talk(began(), started("t.1"), finished("t.1"), failed("validation"), began(2))
    assert (again.number, again.finished, [name for name, _ in again.spare]) == (2, {}, ["deploy"])
    taken = talk(began(), started("t.1"), finished("t.1"), failed("validation"), began(2), finished("t.1", 2))
    assert taken.spare == []
    assert "t.1" in taken.finished


def test_an_effect_done_in_the_new_talk_takes_none_of_the_old_ones() -> None:
    both = talk(
        began(), started("t.1"), finished("t.1"), failed("tool"), began(2), started("t.9", talk=2), finished("t.9")
    )
    assert len(both.spare) == 1


def test_a_use_given_up_is_asked_about_under_another_word() -> None:
    before = talk(began(), started("t.1"), ruled("doubt:t.1:1", "fail"))
    assert before.begun["t.1"] == 1
    assert talk(began(), started("t.1"), ruled("doubt:t.1:1", "fail"), failed("effect", step=True)).begun["t.1"] == 2


@pytest.mark.parametrize(
    "events",
    [
        (finished("t.1"),),
        (began(-3), finished("t.1"), began(-3), finished("nothing like it")),
        (ruled("", "fail"), failed("effect", step=True)),
        (ruled("doubt:", "fail"), failed("effect")),
        (ruled("doubt:t.1:many", "fail"), failed("effect")),
        (ruled("doubt:t.1:" + "9" * 5000, "fail"), failed("effect")),
        (e.CallFailed(AT, "work", 1, 9, "t.1", "tool", "x", "k", "w"),),
    ],
)
def test_facts_that_contradict_each_other_raise_nothing(events: tuple[Any, ...]) -> None:
    talk(*events)
