"""`leave`: bounds, forks, joins and routes, decided purely."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import pytest

from workflow_engine import END, FAIL, START, Question, State, at_most, function, human, route, workflow
from workflow_engine.errors import StepError
from workflow_engine.frontier.leave import RouteFailed, catches, leave
from workflow_engine.record.frontier import Frontier


class Empty(State):
    n: int = 0


@function
def a(n: int) -> None: ...


b, c, d, x = a.named("b"), a.named("c"), a.named("d"), a.named("x")


@route
def good(n: int) -> Literal["yes", "no"]:
    return "yes"


@human()
def ask(n: int) -> Question[Literal["go", "stop"]]:
    return Question("?")


class Walker:
    """Walks a workflow by hand, with the words each route says."""

    def __init__(self, flow: Any, **words: str) -> None:
        self.flow, self.words = flow, words
        self.at = Frontier()
        self.go("START")

    def go(self, node: str, outcome: str | None = None) -> Frontier:
        left = leave(self.flow, self.at, node, outcome, lambda route: self.words[route.name])
        self.last = left
        self.at = self.at.after(left.move)
        return self.at


LOOP = workflow(
    "loop",
    state=Empty,
    edges=[
        START >> a >> b >> good,
        good["yes"] >> END,
        good["no"] >> at_most(2, b, then=ask),
        ask["go"] >> b,
        ask["stop"] >> FAIL("stopped"),
    ],
)


def test_a_bounded_edge_is_taken_at_most_its_number_of_times_and_then_its_then() -> None:
    walk = Walker(LOOP, good="no")
    assert walk.go("a").due == ("b",)
    assert (walk.go("b").due, walk.at.visits["b"], walk.at.counts) == (("b",), 2, {"good[no] > b": 1})
    assert (walk.go("b").due, walk.at.visits["b"]) == (("b",), 3)
    assert walk.go("b").due == ("ask",)
    assert walk.last.move.via == ("b > good", "good[no] > b then")
    assert walk.last.routes == (("good", "no"),)


def test_an_answer_buys_a_full_round_and_visits_never_restart() -> None:
    walk = Walker(LOOP, good="no")
    for node in ("a", "b", "b", "b"):
        walk.go(node)
    walk.go("ask", "go")
    assert (walk.at.due, walk.at.counts, walk.at.visits["b"]) == (("b",), {}, 4)
    walk.go("b")
    assert walk.at.counts == {"good[no] > b": 1}


def test_the_end_is_reached_with_its_reason() -> None:
    walk = Walker(LOOP, good="yes")
    walk.go("a")
    assert (walk.go("b").ended, walk.at.due) == ("END", ())
    walk = Walker(LOOP, good="no")
    for node in ("a", "b", "b", "b"):
        walk.go(node)
    assert walk.go("ask", "stop").ended == "FAIL: stopped"


def test_two_bounded_edges_into_one_node_do_not_restart_each_other() -> None:
    again = good.named("again")
    flow = workflow(
        "flow",
        state=Empty,
        edges=[
            START >> a >> good,
            good["no"] >> at_most(1, a, then=x),
            good["yes"] >> b >> again,
            again["no"] >> at_most(1, a, then=x),
            again["yes"] >> END,
            x >> END,
        ],
    )
    walk = Walker(flow, good="no", again="no")
    walk.go("a")
    walk.words["good"] = "yes"
    walk.go("a")
    assert walk.go("b").counts == {"good[no] > a": 1, "again[no] > a": 1}
    walk.words["good"] = "no"
    assert walk.go("a").due == ("x",)


def test_an_outer_loop_restarts_the_inner_one() -> None:
    outer = good.named("outer")
    flow = workflow(
        "flow",
        state=Empty,
        edges=[
            START >> a >> b >> good,
            good["no"] >> at_most(1, b, then=c),
            good["yes"] >> c >> outer,
            outer["no"] >> at_most(1, a, then=FAIL("spent")),
            outer["yes"] >> END,
        ],
    )
    walk = Walker(flow, good="no", outer="no")
    trail = []
    while walk.at.ended is None:
        trail.append(walk.at.due[0])
        walk.go(walk.at.due[0])
    assert "".join(trail) == "abbcabbc"


def test_a_join_waits_for_all_its_arms_and_runs_once() -> None:
    flow = workflow("flow", state=Empty, edges=[START >> a >> (b, c >> d) >> x >> END])
    walk = Walker(flow)
    assert walk.go("a").due == ("b", "c")
    assert (walk.go("b").due, walk.at.arrived) == (("c",), {"b + d > x": ("b",)})
    assert walk.go("c").due == ("d",)
    assert (walk.go("d").due, walk.at.arrived) == (("x",), {})
    assert walk.at.visits["x"] == 1


def test_a_route_after_a_join_is_decided_by_the_last_arm() -> None:
    flow = workflow("flow", state=Empty, edges=[START >> (a, b) >> good, good["yes"] >> END, good["no"] >> FAIL("no")])
    walk = Walker(flow, good="no")
    assert walk.at.due == ("a", "b")
    assert (walk.go("b").due, walk.last.routes) == (("a",), ())
    assert walk.go("a").ended == "FAIL: no"


def test_a_plain_edge_takes_answers_that_have_no_edge_of_their_own() -> None:
    flow = workflow("flow", state=Empty, edges=[START >> ask >> a >> END, ask["stop"] >> END])
    assert Walker(flow).go("ask", "go").due == ("a",)
    assert Walker(flow).go("ask", "stop").ended == "END"
    assert not catches(flow, "ask", "expired")


def test_a_word_a_route_does_not_declare_is_its_failure() -> None:
    walk = Walker(LOOP, good="perhaps")
    walk.go("a")
    with pytest.raises(RouteFailed, match="returned 'perhaps'"):
        walk.go("b")
    assert walk.at.due == ("b",), "nothing moved"


def test_a_way_out_without_an_edge_is_an_error_and_not_a_silent_end() -> None:
    with pytest.raises(StepError, match="no edge leaves a\\[failed\\]"):
        Walker(LOOP).go("a", "failed")


def test_a_thousand_routes_in_a_row_are_decided() -> None:
    routes = [good.named(f"r{number}") for number in range(1000)]
    rows: Any = [START >> routes[0], routes[-1]["yes"] >> END, *(each["no"] >> END for each in routes)]
    rows += [here["yes"] >> there for here, there in pairwise(routes)]
    walk = Walker(workflow("flow", state=Empty, edges=rows), **{each.name: "yes" for each in routes})
    assert (walk.at.ended, len(walk.last.routes)) == ("END", 1000)
