"""W6: a run goes on under a changed workflow only where its position and its state still make sense."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from workflow_engine import (
    END,
    START,
    Edge,
    Question,
    State,
    Workflow,
    at_most,
    function,
    human,
    route,
    wait,
    workflow,
)
from workflow_engine.record.frontier import Frontier
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.record.inbox import Open
from workflow_engine.record.run import Run
from workflow_engine.record.values import Value, set_to
from workflow_engine.record.waiting import Waiting
from workflow_engine.spec.edges import Path
from workflow_engine.verify import fits, verify
from workflow_engine.verify.change import forgotten


class Draft(BaseModel):
    text: str


class Article(State):
    topic: str
    draft: Draft | None = None
    score: int | None = None


@function(writes="draft")
async def write(topic: str) -> Draft:
    return Draft(text=topic)


@function(writes="score")
async def rate(draft: Draft) -> int:
    return len(draft.text)


@function
async def check(topic: str) -> None: ...


@function
async def publish(topic: str) -> None: ...


@route
def verdict(score: int) -> Literal["good", "bad"]:
    return "good" if score > 3 else "bad"


@human()
def ask(topic: str) -> Question[str]:
    return Question(topic)


def made(*rows: Path | Edge, state: type[Any] = Article) -> Workflow[Any]:
    result = workflow("article", state=state, edges=list(rows))
    assert verify(result) == ()
    return result


STATE = {"topic": set_to('"bees"'), "draft": set_to('{"text":"bees"}')}


def standing(*due: str, **more: Any) -> Run:
    now = datetime(2025, 1, 1, tzinfo=UTC)
    rest = {key: more.pop(key) for key in ("open", "doubts", "waits") if key in more}
    frontier = Frontier(due=due, visits=dict.fromkeys(due, 1), **more)
    return Run(RunId("r"), "article", "shape", {}, now, now, frontier=frontier, **rest)


def codes(run: Run, changed: Workflow[Any], state: Mapping[str, Value] = STATE) -> list[str]:
    found = fits(run, state, changed)
    assert all(each.cure for each in found)
    return [f"{each.code} {each.place}" for each in found]


LINE = made(START >> write >> rate >> publish >> END)
LOOP = made(
    START >> write >> rate >> verdict,
    verdict["good"] >> publish >> END,
    verdict["bad"] >> at_most(3, write, then=publish),
)
FORK = made(START >> write >> (rate, ask) >> publish >> END)
WIDE = made(START >> write >> (rate, ask, check) >> publish >> END)


def test_a_run_fits_the_workflow_it_stands_in() -> None:
    assert codes(standing("rate"), LINE) == []
    assert codes(standing("rate", counts={"verdict[bad] > write": 2}), LOOP) == []
    assert codes(standing("ask", arrived={"rate + ask > publish": ("rate",)}), FORK) == []
    assert codes(standing("rate", "ask"), FORK) == []


def test_a_node_put_before_or_after_where_a_run_stands_does_no_harm() -> None:
    assert codes(standing("rate"), made(START >> check >> write >> rate >> publish >> END)) == []
    assert codes(standing("rate"), made(START >> write >> rate >> check >> publish >> END)) == []


def test_a_node_that_is_gone_is_missed_under_its_new_name() -> None:
    renamed = made(START >> write >> rate.named("rates") >> publish >> END)
    assert codes(standing("rate"), renamed) == ["W601 rate"]
    assert "did you mean 'rates'?" in fits(standing("rate"), STATE, renamed)[0].cure


def test_a_step_that_became_a_route_cannot_be_stood_at() -> None:
    @route(name="check")
    def decide(topic: str) -> Literal["on"]:
        return "on"

    assert codes(standing("check"), made(START >> write >> decide, decide["on"] >> END)) == ["W601 check"]


def test_an_open_question_needs_a_person() -> None:
    asked = standing("ask", open=(Open(QuestionId("r.q1"), "ask", 1),))
    no_person = made(START >> write >> check.named("ask") >> END)
    assert codes(asked, no_person) == ["W602 ask"]
    assert codes(asked, made(START >> ask >> END)) == []


def test_an_effect_in_doubt_stays_an_effect() -> None:
    begun = standing("publish", doubts={"publish": "r/publish/1"})
    assert codes(begun, LINE) == ["W602 publish"]

    @function(name="publish", effect=True)
    async def for_good(topic: str) -> None: ...

    assert codes(begun, made(START >> write >> rate >> for_good >> END)) == []


def test_a_join_with_an_arm_at_it_stays() -> None:
    arrived = standing("ask", arrived={"rate + ask > publish": ("rate",)})
    assert codes(arrived, made(START >> write >> rate >> ask >> publish >> END)) == ["W603 rate + ask > publish"]


def test_a_bound_that_was_counted_and_is_gone_is_forgotten() -> None:
    counted = standing("rate", counts={"verdict[bad] > write": 1})
    assert codes(counted, LINE) == []
    assert forgotten(counted, LINE) == ("verdict[bad] > write",)
    assert forgotten(counted, LOOP) == ()


def test_a_node_that_waits_stays_of_its_kind() -> None:
    waits = standing("publish", waits=(Waiting("publish", 1, "signal", ("paid",)),))
    found = fits(waits, STATE, LINE, {"publish": "wait"})
    assert [f"{each.code} {each.place} {each.what}" for each in found] == [
        "W602 publish it waits here as a wait, and it is a function now"
    ]
    assert [each.code for each in fits(waits, STATE, LINE, {"publish": "function"})] == ["W602"]  # it never could wait
    still = made(START >> write >> rate >> wait("paid", name="publish") >> END)
    assert fits(waits, STATE, still, {"publish": "wait"}) == ()


def test_an_arm_added_to_a_fork_a_run_is_in_would_never_be_begun() -> None:
    assert codes(standing("rate", "ask"), WIDE) == ["W608 check"]
    assert codes(standing("write"), WIDE) == []
    assert codes(standing("publish"), WIDE) == []


def test_arms_that_became_one_path_would_be_walked_twice() -> None:
    assert codes(standing("rate", "ask"), made(START >> write >> rate >> ask >> publish >> END)) == ["W608 ask"]


def test_a_node_that_moved_into_an_arm_leaves_the_other_arm_unbegun() -> None:
    assert codes(standing("rate"), FORK) == ["W608 ask"]


def test_a_field_that_is_gone_or_of_another_type_or_newly_needed() -> None:
    class Fewer(State):
        topic: str
        score: int | None = None

    class Other(Article):
        draft: int | None = None  # type: ignore[assignment]

    class More(Article):
        author: str

    rows = START >> publish >> END
    assert codes(standing("publish"), made(rows, state=Fewer)) == ["W605 draft"]
    assert codes(standing("publish"), made(rows, state=Other)) == ["W606 draft"]
    assert codes(standing("publish"), made(rows, state=More)) == ["W607 author"]


@pytest.mark.parametrize("at", ["write", "check"])
def test_what_is_read_ahead_must_have_been_written(at: str) -> None:
    """The draft used to be read by nobody; now a node ahead reads it, and only what lies behind writes it."""
    changed = made(START >> write >> check >> rate >> END)
    unwritten = {"topic": STATE["topic"]}
    assert codes(standing(at), changed, unwritten) == ([] if at == "write" else ["W609 rate"])
    assert codes(standing(at), changed) == []


def test_what_an_arm_that_arrived_has_written_counts() -> None:
    late = made(START >> check >> (write, ask) >> rate >> END)
    arrived = standing("ask", arrived={"write + ask > rate": ("write",)})
    assert codes(arrived, late) == []
    assert codes(arrived, late, {"topic": STATE["topic"]}) == ["W609 rate"]
