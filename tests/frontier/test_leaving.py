"""Leaving a fork, decided purely: what is dropped, what stays, where the run goes and when; and what is kept of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from workflow_engine import (
    END,
    FAIL,
    START,
    Edge,
    Failure,
    Question,
    State,
    from_document,
    function,
    human,
    leaving,
    rename_node,
    subflow,
    to_document,
    workflow,
)
from workflow_engine.draw import to_dot, to_mermaid
from workflow_engine.draw.extract import diagram_of, diagram_of_run
from workflow_engine.errors import DeclarationError, UsageError
from workflow_engine.frontier.leave import is_left, leave
from workflow_engine.record import events as e
from workflow_engine.record.events import read_event, write_event
from workflow_engine.record.fold import advance, begin
from workflow_engine.record.frontier import Frontier, Move
from workflow_engine.record.history import history
from workflow_engine.record.ids import RunId
from workflow_engine.record.renaming import moved
from workflow_engine.record.run import Run
from workflow_engine.spec.comparison import changes
from workflow_engine.verify import broken, fits, verify

AT = datetime(2026, 1, 1, tzinfo=UTC)
RUN = RunId("r1")


class Deal(State):
    text: str = ""


@human()
def ask(text: str) -> Question[Literal["yes", "no"]]:
    return Question("?")


@function
def work() -> None: ...


def step(name: str) -> Any:
    return work.named(name)


a, b, c, d, rework, send = (step(each) for each in ("a", "b", "c", "d", "rework", "send"))
FORK = "START > ask + a"
TABLE = [
    START >> (ask, a >> b),
    (ask["yes"], b) >> send >> END,
    ask["no"] >> leaving(rework),
    a.failed >> leaving(rework),
    rework >> END,
]
FLOW = workflow("deal", state=Deal, edges=TABLE)


def left(frontier: Frontier, node: str, outcome: str | None = None, flow: Any = FLOW, **more: Any) -> Move:
    return leave(flow, frontier, node, outcome, lambda route: "", **more).move


BEGUN = Frontier().after(left(Frontier(), "START"))


def test_what_is_due_in_the_other_arms_is_dropped_and_the_run_goes_on() -> None:
    move = left(BEGUN, "ask", "no")
    assert (move.dropped, move.entered, move.via, move.leaving) == (("a",), ("rework",), ("ask[no] > rework",), {})
    assert BEGUN.after(move).due == ("rework",)


def test_who_waits_at_the_join_is_forgotten() -> None:
    there = BEGUN.after(left(BEGUN, "a")).after(left(BEGUN.after(left(BEGUN, "a")), "b"))
    assert (there.due, list(there.arrived.values())) == (("ask",), [("b",)])
    assert there.after(left(there, "ask", "no")).arrived == {}


def test_what_is_under_way_stays_and_the_last_of_it_lets_the_run_go_on() -> None:
    move = left(BEGUN, "ask", "no", staying=("a",))
    assert (move.dropped, move.entered, move.leaving) == ((), (), {FORK: ("ask[no]", "rework")})
    then = BEGUN.after(move)
    assert (then.due, then.leaving) == (("a",), {FORK: ("ask[no]", "rework")})
    assert is_left(FLOW, then, "a")
    assert not is_left(FLOW, BEGUN, "a")
    last = left(then, "a")
    assert (last.entered, last.via, last.leaving) == (("rework",), (), {FORK: ()}), "it leads nowhere itself"
    assert then.after(last) == Frontier(("rework",), {"ask": 1, "a": 1, "rework": 1})


def test_an_end_is_reached_once_nothing_is_under_way() -> None:
    rows = [START >> (ask, a), (ask["yes"], a) >> send >> END, ask["no"] >> leaving(FAIL("no"))]
    flow = workflow("deal", state=Deal, edges=rows)
    begun = Frontier().after(left(Frontier(), "START", flow=flow))
    then = begun.after(left(begun, "ask", "no", flow, staying={"a"}))
    assert then.ended is None
    assert then.after(left(then, "a", flow=flow)).ended == "FAIL: no"


# ------------------------------------------------------------------------------------------------ the fold


def running(*events: Any) -> Run:
    run = begin(e.RunCreated(AT, RUN, "deal", "shape", {}, left(Frontier(), "START")))
    for event in events:
        run = advance(run, event)
    return run


def failed(node: str, move: Move) -> e.StepFailed:
    return e.StepFailed(AT, node, "function", 1, 1, AT, 0.1, Failure(node, "error", "broken"), move)


def test_a_failure_that_leaves_a_fork_is_known_where_it_leads_also_later() -> None:
    move = left(BEGUN, "a", "failed")
    assert running(failed("a", move)).caught["rework"].message == "broken"
    pending = left(BEGUN, "a", "failed", staying={"ask"})
    run = running(failed("a", pending))
    assert run.caught["rework"].message == "broken"
    withdrawn = e.StepWithdrawn(AT, "ask", "human", 1, left(run.frontier, "ask"))
    run = advance(run, withdrawn)
    assert (run.frontier.due, run.caught["rework"].message) == (("rework",), "broken")
    assert history([withdrawn]).withdrawn == {"ask"}


def test_what_fails_in_a_fork_that_was_left_is_no_failure_of_what_follows() -> None:
    run = running(failed("a", left(BEGUN, "a", "failed", staying={"ask"})))
    other = running(
        e.StepFinished(AT, "ask", "human", 1, 1, AT, 0.1, (), left(BEGUN, "ask", "no", staying={"a"}), "no")
    )
    assert other.frontier.leaving
    after = advance(other, failed("a", left(other.frontier, "a", "failed")))
    assert (after.frontier.due, after.caught, after.failed) == (("rework",), {}, {})
    assert run.frontier.leaving


def test_every_fact_of_it_is_read_as_it_was_written() -> None:
    for move in (left(BEGUN, "ask", "no"), left(BEGUN, "ask", "no", staying={"a"})):
        for event in (
            e.StepFinished(AT, "ask", "human", 1, 1, AT, 0.1, (), move, "no"),
            e.StepWithdrawn(AT, "a", "function", 1, move),
        ):
            assert read_event(write_event(event)) == event


def test_a_fork_that_is_being_left_is_renamed_with_its_nodes() -> None:
    frontier = BEGUN.after(left(BEGUN, "ask", "no", staying={"a"}))
    named = moved(
        frontier,
        e.RunMigrated(AT, nodes={"rework": "redo", "ask": "query"}, edges={FORK: "START > query + a"},
                      ways={"ask[no]": "query[no]"}),
    )  # fmt: skip
    assert named.leaving == {"START > query + a": ("query[no]", "redo")}


# ------------------------------------------------------------------------------------------------ W6


def pending(**more: Any) -> Run:
    frontier = BEGUN.after(left(BEGUN, "ask", "no", staying={"a"}))
    return Run(RUN, "deal", "shape", {}, AT, AT, frontier=frontier, **more)


def codes(flow: Any) -> list[str]:
    return [f"{each.code} {each.place}" for each in fits(pending(), {}, flow)]


def test_a_run_that_is_leaving_a_fork_goes_on_where_that_is_still_so() -> None:
    assert codes(FLOW) == []
    assert codes(workflow("deal", state=Deal, edges=[*TABLE[:4], rework >> send.named("more") >> END])) == []


def test_a_fork_that_is_gone_or_leads_elsewhere_is_no_place_to_go_on_from() -> None:
    gone = workflow("deal", state=Deal, edges=[START >> a >> b >> END])
    assert codes(gone) == [f"W619 {FORK}"]
    elsewhere = workflow("deal", state=Deal, edges=[START >> (ask, a >> b), (ask["yes"], b) >> send >> END,
                                                    ask["no"] >> leaving(END), a.failed >> leaving(END)])  # fmt: skip
    assert codes(elsewhere) == ["W619 rework"]


# ------------------------------------------------------------------------------------------------ as a value


def test_a_document_knows_what_leaves_and_says_nothing_of_it_elsewhere() -> None:
    document = to_document(FLOW)
    again = from_document(document)
    assert (again.shape, {each for each in again.edges if each.leaves}) == (
        FLOW.shape,
        {each for each in FLOW.edges if each.leaves},
    )
    plain = workflow("deal", state=Deal, edges=[START >> a >> b >> END])
    assert "leaves" not in str(to_document(plain))
    stays = workflow("deal", state=Deal, edges=[*TABLE[:2], Edge(ask["no"], rework), *TABLE[3:]])
    assert stays.shape != FLOW.shape
    assert [str(each) for each in changes(document, to_document(stays)) if each.what == "edge"] == [
        "edge ask[no] > rework: leaves"
    ]


def test_edges_of_one_way_out_differ_in_whether_they_leave() -> None:
    assert Edge(ask["no"], rework, leaves=True) != Edge(ask["no"], rework)
    assert str(Edge(ask["no"], rework, leaves=True)) == "ask[no] > rework (leaving the fork)"


@pytest.mark.parametrize(
    ("make", "cure"),
    [
        (lambda: leaving((a, b)), "name one node, END or FAIL('why')"),  # type: ignore[arg-type]
        (lambda: leaving(ask["no"]), "name the node: ask"),  # type: ignore[arg-type]
        (lambda: ask["no"] >> leaving(a) >> b, "begin a new row with the node it leads to"),
        (lambda: START >> (ask["no"] >> leaving(a), b), "write that edge as a row of its own"),
        (lambda: leaving(a) >> b, "leaving(...) stands at the right end of a row"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_written(make: Any, cure: str) -> None:
    with pytest.raises((DeclarationError, TypeError)) as refused:
        make()
    assert not isinstance(refused.value, DeclarationError) or refused.value.cure == cure


def test_langgraph_has_no_form_for_it() -> None:
    from workflow_engine import to_langgraph

    around = workflow("around", state=Deal, edges=[START >> subflow(FLOW, reads={}, name="inner") >> END])
    for flow in (FLOW, around):
        assert not broken(verify(flow))
        with pytest.raises(UsageError, match=r"deal leaves a fork \(.*\), and a graph of LangGraph cannot"):
            to_langgraph(flow)


def test_a_picture_shows_what_leaves_and_what_was_withdrawn() -> None:
    drawn = diagram_of(FLOW)
    [arrow] = [each for each in drawn.arrows if each.label == "no"]
    assert (arrow.meaning, arrow.count, arrow.taken) == ("leaving", "leaves the fork", None)
    assert "leaves the fork" in to_dot(drawn)
    assert "leaves the fork" in to_mermaid(drawn)
    facts: list[Any] = [
        e.RunCreated(AT, RUN, "deal", FLOW.shape, {}, left(Frontier(), "START")),
        e.StepFinished(AT, "ask", "human", 1, 1, AT, 0.1, (), left(BEGUN, "ask", "no"), "no"),
    ]
    run = running(*facts[1:])
    drawn = diagram_of_run(FLOW, run, history(facts))
    [card] = [each for each in drawn.cards if each.name == "a"]
    assert (card.status, card.lines) == ("cancelled", ("withdrawn",))
    [arrow] = [each for each in drawn.arrows if each.label == "no"]
    assert (arrow.taken, arrow.count) == (True, "leaves the fork")


def test_a_rename_is_a_rename_of_what_leaves_too() -> None:
    from workflow_engine.spec.names import names

    redo = step("redo")
    later = workflow("deal", state=Deal, edges=[*TABLE[:2], ask["no"] >> leaving(redo), a.failed >> leaving(redo),
                                                redo >> END], migrations=[rename_node("rework", "redo")])  # fmt: skip
    called = names(to_document(FLOW)["shape"], later.migrations, later)
    assert called.edges["ask[no] > rework"] == "ask[no] > redo"
