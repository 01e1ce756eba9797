"""Extraction: a workflow's picture says what may happen, a run's what did."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.draw.diagrams import run_of, waiting
from tests.draw.geometry import of, parts
from tests.draw.journey import Journey
from tests.draw.workflows import RELEASE, SHIP, Change, build, smoke, tell
from workflow_engine.draw import Card, Decision, Diagram, diagram_of, diagram_of_run, render, to_dot, to_mermaid
from workflow_engine.errors import Failure
from workflow_engine.record.usage import Usage
from workflow_engine.spec.budget import Budget
from workflow_engine.spec.decorators import function, human, route
from workflow_engine.spec.document import from_document, to_document
from workflow_engine.spec.edges import END, FAIL, START, Edge, at_most
from workflow_engine.spec.nodes import Node
from workflow_engine.spec.question import Question
from workflow_engine.spec.state import State
from workflow_engine.spec.workflow import workflow


def arrows(diagram: Diagram) -> set[tuple[str, str, str, str, str]]:
    return {(each.tail, each.head, each.label, each.count, each.meaning) for each in diagram.arrows}


def taken(diagram: Diagram) -> set[tuple[str, str, str]]:
    return {(each.tail, each.head, f"{each.label} {each.count}".strip()) for each in diagram.arrows if each.taken}


def card(diagram: Diagram, name: str) -> Card:
    return next(each for each in diagram.cards if each.id == name)


def named(diagram: Diagram) -> Counter[str]:
    """How often each name stands in the picture."""
    routes = [each.decision.route for each in diagram.cards if each.decision is not None]
    return Counter([each.name for each in diagram.cards] + routes)


# ------------------------------------------------------------------------------------------------ workflows


def test_a_workflow_is_drawn_with_its_routes_as_arrows_and_its_loop_bounded() -> None:
    assert arrows(diagram_of(SHIP)) == {
        ("START", "analyze", "", "", "plain"),
        ("analyze", "design", "", "", "plain"),
        ("design", "implement", "", "", "plain"),
        ("implement", "test", "", "", "plain"),
        ("test", "deploy", "passed", "", "plain"),
        ("test", "implement", "failed", "≤3", "loop"),
        ("test", "review", "failed", ">3", "escalation"),
        ("deploy", "END", "", "", "plain"),
        ("deploy", "review", "failed", "", "failure"),
        ("review", "implement", "retry", "", "plain"),
        ("review", "FAIL: abandoned", "abandon", "", "plain"),
        ("review", "FAIL: nobody answered", "expired", "", "plain"),
    }


def test_a_route_with_one_predecessor_stands_in_its_card() -> None:
    assert card(diagram_of(SHIP), "test").decision == Decision("verdict")
    assert "verdict" not in {each.id for each in diagram_of(SHIP).cards}


def test_a_route_after_a_join_has_a_card_of_its_own() -> None:
    assert card(diagram_of(RELEASE), "ready").kind == "route"


def test_a_route_that_two_nodes_lead_to_has_a_card_of_its_own() -> None:
    @route
    def which(request: str) -> Literal["a", "b", "c"]:
        return "a"

    made = workflow(
        "merge",
        state=Change,
        edges=[START >> build >> which, which["a"] >> smoke >> which, which["b"] >> END, which["c"] >> FAIL("no")],
    )
    assert card(diagram_of(made), "which").kind == "route"
    assert all(each.decision is None for each in diagram_of(made).cards)


def test_a_route_that_an_outcome_leads_to_has_a_card_of_its_own() -> None:
    @route
    def which(request: str) -> Literal["again", "failed"]:
        return "again"

    made = workflow(
        "ruling",
        state=Change,
        edges=[
            START >> SHIP.nodes["review"],
            Edge("review", "which", "retry"),
            Edge("review", "END", "abandon"),
            which["again"] >> build >> END,
            which["failed"] >> FAIL("no"),
        ],
    )
    assert card(diagram_of(made), "which").kind == "route"
    assert ("which", "FAIL: no", "failed", "", "plain") in arrows(diagram_of(made))


def test_a_fork_and_its_join_are_bars_between_the_arms() -> None:
    drawn = diagram_of(RELEASE)
    fork, join = (next(each.id for each in drawn.cards if each.kind == kind) for kind in ("fork", "join"))
    into, out = {("build", fork), ("legal", join), ("smoke", join)}, {(fork, "legal"), (fork, "compile_all")}
    assert into | out | {(join, "ready")} <= {(each.tail, each.head) for each in drawn.arrows}


def test_a_box_stands_around_what_the_loop_repeats_and_no_more() -> None:
    (group,) = diagram_of(SHIP).groups
    assert group.cards == {"implement", "test"}
    assert "≤3" in group.caption


def test_a_loop_of_one_card_needs_no_box() -> None:
    @route
    def inner(request: str) -> Literal["again", "on"]:
        return "on"

    @route
    def outer(request: str) -> Literal["again", "on"]:
        return "on"

    made = workflow(
        "nested",
        state=Change,
        edges=[
            START >> build >> smoke >> inner,
            inner["again"] >> at_most(2, smoke, then=FAIL("inner")),
            inner["on"] >> tell >> outer,
            outer["again"] >> at_most(5, build, then=FAIL("outer")),
            outer["on"] >> END,
        ],
    )
    assert {each.caption: each.cards for each in diagram_of(made).groups} == {"loop ≤5": {"build", "smoke", "tell"}}


def test_two_loops_of_two_cards_nest_in_two_boxes() -> None:
    @function
    def polish(request: str) -> None: ...

    @route
    def inner(request: str) -> Literal["again", "on"]:
        return "on"

    @route
    def outer(request: str) -> Literal["again", "on"]:
        return "on"

    made = workflow(
        "nested",
        state=Change,
        edges=[
            START >> build >> smoke >> polish >> inner,
            inner["again"] >> at_most(2, smoke, then=FAIL("inner")),
            inner["on"] >> tell >> outer,
            outer["again"] >> at_most(5, build, then=FAIL("outer")),
            outer["on"] >> END,
        ],
    )
    boxes = {each.caption: each.cards for each in diagram_of(made).groups}
    assert boxes == {"loop ≤2": {"smoke", "polish"}, "loop ≤5": {"build", "smoke", "polish", "tell"}}


def test_a_loop_through_a_person_has_its_box() -> None:
    @human(writes="ruling")
    def approve(request: str) -> Question[Literal["revise", "ship"]]:
        return Question("Good?")

    made = workflow(
        "approval",
        state=Change,
        edges=[
            START >> build >> smoke >> approve,
            approve["revise"] >> at_most(2, build, then=FAIL("endless")),
            approve["ship"] >> END,
        ],
    )
    assert [each.cards for each in diagram_of(made).groups] == [{"build", "smoke", "approve"}]


def test_a_card_tells_what_its_node_reads_and_writes_and_its_terms() -> None:
    drawn = diagram_of(SHIP)
    assert card(drawn, "implement").lines == ("design, report → patch", "at most 10 m")
    assert card(drawn, "test").lines == ("patch → report", "3 attempts")
    assert card(drawn, "deploy").lines == ("patch → release", "effect")
    assert card(drawn, "review").lines == ("request, report → ruling", "within 2 d")


def test_a_declared_outcome_called_failed_is_no_failure() -> None:
    assert {each.meaning for each in diagram_of(SHIP).arrows if each.label == "failed"} == {
        "loop",
        "escalation",
        "failure",
    }
    (failure,) = [each for each in diagram_of(SHIP).arrows if each.meaning == "failure"]
    assert failure.tail == "deploy"


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Edge], list[Node]]:
    """Any table at all: unknown names, joins of anything, bounds that lead nowhere, routes into routes."""
    nodes: list[Node] = [build, smoke, tell, *(SHIP.nodes[name] for name in ("verdict", "review", "deploy"))]
    places = [*(node.name for node in nodes), "START", "END", "FAIL: why", "nobody knows"]
    several = st.lists(st.sampled_from(places), min_size=1, max_size=3, unique=True)
    edges = st.builds(
        Edge,
        several,
        several,
        st.sampled_from((None, None, "failed", "passed", "retry")),
        st.sampled_from((None, None, 1, 3)),
        st.sampled_from((None, *places)),
    )
    return draw(st.lists(edges, max_size=8)), nodes


@settings(max_examples=100)
@given(tables())
def test_any_workflow_can_be_drawn_and_names_every_node_once(table: tuple[list[Edge], list[Node]]) -> None:
    edges, nodes = table
    made: Any = workflow("any", state=Change, edges=edges, nodes=nodes)
    drawn = diagram_of(made)
    assert {name: named(drawn)[name] for name in made.nodes} == dict.fromkeys(made.nodes, 1)
    assert to_dot(drawn)
    assert to_mermaid(drawn)


@given(st.permutations(SHIP.edges))
@settings(max_examples=20)
def test_shuffling_the_rows_of_the_table_changes_nothing(edges: list[Edge]) -> None:
    shuffled = workflow("ship", state=Change, edges=edges, nodes=list(SHIP.nodes.values()))
    assert diagram_of(shuffled) == diagram_of(SHIP)


def test_a_run_is_drawn_the_same_without_its_code() -> None:
    for made, journey in (
        (SHIP, waiting()),
        (RELEASE, Journey(RELEASE).did("build").asked("legal").did("compile_all")),
    ):
        kept = from_document(json.loads(json.dumps(to_document(made))))
        assert diagram_of_run(kept, journey.run, journey.history) == run_of(journey)


def test_the_picture_names_every_node_once() -> None:
    for each in (SHIP, RELEASE):
        words = Counter(
            word
            for part in parts(render(diagram_of(each), "svg"))
            if "card" in part.classes
            for words in part.words
            if words.box.bottom - words.box.top > 14 or words.text.startswith("◇") or "route" in part.classes
            for word in words.text.split()
        )
        assert {name: words[name] for name in each.nodes} == dict.fromkeys(each.nodes, 1)


# ------------------------------------------------------------------------------------------------ runs


def test_a_waiting_run_shows_the_spent_loop_and_the_person() -> None:
    drawn = run_of(waiting())
    assert {each.id: each.status for each in drawn.cards} == {
        "START": "done",
        "analyze": "done",
        "design": "done",
        "implement": "looping",
        "test": "looping",
        "deploy": "not reached",
        "review": "waiting",
        "END": "not reached",
        "FAIL: abandoned": "not reached",
        "FAIL: nobody answered": "not reached",
    }
    assert taken(drawn) == {
        ("START", "analyze", ""),
        ("analyze", "design", ""),
        ("design", "implement", ""),
        ("implement", "test", "×4"),
        ("test", "implement", "failed ×3 of 3"),
        ("test", "review", "failed >3"),
    }
    assert card(drawn, "test").decision == Decision("verdict", "failed")


def test_a_run_tells_times_tokens_cost_and_who_answered() -> None:
    drawn = run_of(waiting())
    assert card(drawn, "analyze").lines == ("18 s · 4.1k tokens · $0.04",)
    assert card(drawn, "implement").lines == ("4 visits · 3 m 12 s · 31.2k tokens · $0.32",)
    assert card(drawn, "review").lines == ("asked 2026-03-07 09:10 UTC", "due 2026-03-09 09:10 UTC")
    assert drawn.header.subtitle == "run 01JD8-K3Q7"
    assert drawn.header.status == "waiting"
    assert drawn.header.facts == (
        "waiting for a person",
        "5 m 9 s",
        "10 steps",
        "35.3k tokens",
        "$0.36",
        "answered by some-model",
    )


def test_the_count_of_a_loop_restarts_and_the_total_stays() -> None:
    def loop(journey: Journey) -> str:
        return next(each.count for each in run_of(journey).arrows if each.meaning == "loop")

    journey = waiting().answered("review", "retry")
    assert loop(journey) == "×3"
    assert loop(journey.did("implement").did("test")) == "×1 of 3, 4 in all"
    assert loop(Journey(SHIP)) == "≤3"


def test_a_route_says_nothing_while_its_node_runs_again() -> None:
    journey = waiting().answered("review", "retry").did("implement")
    assert card(run_of(journey), "test").decision == Decision("verdict")
    assert card(run_of(journey.did("test")), "test").decision == Decision("verdict", "failed")


def test_a_run_that_ended_well_shows_its_end() -> None:
    journey = Journey(SHIP, {"verdict": "passed"})
    for node in ("analyze", "design", "implement", "test", "deploy"):
        journey.did(node)
    drawn = run_of(journey)
    assert (card(drawn, "END").status, card(drawn, "review").status) == ("done", "not reached")
    assert ("deploy", "END", "") in taken(drawn)
    assert drawn.header.facts[0] == "succeeded"


def test_a_run_that_reached_fail_shows_which() -> None:
    drawn = run_of(waiting().answered("review", "abandon"))
    assert card(drawn, "FAIL: abandoned").status == "failed"
    assert card(drawn, "FAIL: nobody answered").status == "not reached"
    assert drawn.header.status == "failed"
    assert "abandoned" in drawn.header.facts


def test_a_failed_step_tells_why() -> None:
    drawn = run_of(Journey(SHIP).did("analyze").failed("design", Failure("design", "rate_limit", "429 slow down", 3)))
    assert card(drawn, "design").status == "failed"
    assert card(drawn, "design").lines == ("3 attempts · 2 s", "rate_limit: 429 slow down")
    assert drawn.header.facts == ("failed", "3 s", "2 steps")


def test_a_caught_failure_is_drawn_as_the_way_it_took() -> None:
    journey = Journey(SHIP, {"verdict": "passed"})
    for node in ("analyze", "design", "implement", "test"):
        journey.did(node)
    drawn = run_of(journey.failed("deploy", Failure("deploy", "error", "disk full"), caught=True))
    assert ("deploy", "review", "failed") in taken(drawn)
    assert (card(drawn, "deploy").status, card(drawn, "review").status) == ("failed", "running")


@pytest.mark.parametrize(("interrupted", "status"), [(False, "running"), (True, "interrupted")])
def test_a_due_node_runs_unless_its_process_is_gone(interrupted: bool, status: str) -> None:
    drawn = run_of(Journey(SHIP).did("analyze"), interrupted=interrupted)
    assert card(drawn, "design").status == status
    assert drawn.header.facts[0] == status


def test_arms_arrive_at_their_join_one_by_one() -> None:
    journey = Journey(RELEASE, {"ready": "go"}).did("build").asked("legal").did("compile_all").did("smoke")
    drawn = run_of(journey)
    fork, join = (next(each.id for each in drawn.cards if each.kind == kind) for kind in ("fork", "join"))
    assert {("smoke", join, ""), (fork, "legal", ""), (fork, "compile_all", "")} <= taken(drawn)
    assert not {("legal", join, ""), (join, "ready", "")} & taken(drawn)
    assert (card(drawn, fork).status, card(drawn, join).status) == ("done", "not reached")
    drawn = run_of(journey.answered("legal", "retry"))
    assert {("legal", join, ""), (join, "ready", ""), ("ready", "publish", "go")} <= taken(drawn)
    assert card(drawn, join).status == "done"
    assert card(drawn, "ready").lines == ("→ go",)


def test_a_node_that_left_the_workflow_is_drawn_as_gone() -> None:
    journey = Journey(SHIP).did("analyze", usage=Usage())
    drawn = run_of(Journey(RELEASE, journal=journey.journal))
    assert card(drawn, "analyze").lines == ("no longer in the workflow",)
    assert "the workflow has changed since" in drawn.header.facts


def test_the_picture_of_a_run_marks_what_was_taken() -> None:
    drawn = of(parts(render(run_of(waiting()), "svg")), "arrow")
    assert {each.title for each in drawn if "taken" in each.classes} >= {"test → review: failed >3"}
    assert {each.title for each in drawn if "idle" in each.classes} >= {"deploy → review: failed"}


def test_a_long_wait_is_told_in_days() -> None:
    journey = Journey(SHIP, {"verdict": "failed"})
    journey.now += timedelta(days=3, hours=2)
    assert run_of(journey.did("analyze")).header.facts[1] == "3 d 2 h"


def test_what_a_node_and_a_loop_may_use_stands_in_the_picture() -> None:
    class Job(State):
        n: int = 0

    @function(writes="n", uses="gpu", budget=Budget(seconds=600), cache=timedelta(days=1), idle=timedelta(seconds=30))
    async def train(n: int) -> int:
        return n

    @route
    def good(n: int) -> Literal["yes", "no"]:
        return "yes"

    again = good["no"] >> at_most(3, train, then=FAIL("dear"), budget=Budget(tokens=50_000))
    flow = workflow("flow", state=Job, edges=[START >> train >> good, good["yes"] >> END, again], limits={"gpu": 1})
    drawn = diagram_of(flow)
    assert card(drawn, "train").lines[-1] == "heard of every 30 s · at most 10 m · uses gpu · kept for 1 d"
    assert "≤3, at most 50.0k tokens" in [each.count for each in drawn.arrows]
