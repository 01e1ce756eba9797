"""A run under other names: whatever it keeps under a node's or an edge's name is found under the new one."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

from workflow_engine.errors import Failure
from workflow_engine.record import events as e
from workflow_engine.record.fold import advance
from workflow_engine.record.frontier import Frontier, Move
from workflow_engine.record.history import history
from workflow_engine.record.ids import QuestionId, RunId
from workflow_engine.record.inbox import Open
from workflow_engine.record.renaming import BY_NODE, NODE_IN_EACH
from workflow_engine.record.run import Run
from workflow_engine.record.usage import Spent
from workflow_engine.record.waiting import Waiting

AT = datetime(2025, 1, 1, tzinfo=UTC)
FAILURE = Failure("a", "error", "no")

# Fields of a run that hold no node's name. A new field belongs here, or into record/renaming.py.
NAMELESS = {
    *("id", "workflow", "shape", "created", "updated", "target", "parent", "status", "reason", "error", "seq"),
    *("steps", "asked", "early", "within", "deadline", "late", "usage", "answered_by"),
}
# `bodies` come anew with the CodeChanged that follows.
RENAMED = {"frontier", "keys", "bodies", *BY_NODE, *NODE_IN_EACH}


def test_every_field_of_a_run_is_known_to_renaming() -> None:
    assert {each.name for each in fields(Run)} == NAMELESS | RENAMED


def run(**more: Any) -> Run:
    frontier = Frontier(("a", "c"), {"a": 2, "c": 1}, {"a + c > d": ("a",)}, {"a > a": 1, "c > c": 2})
    return Run(RunId("r"), "w", "s", {}, AT, AT, status="running", frontier=frontier, **more)


def test_a_run_is_found_under_the_new_names() -> None:
    before = run(
        open=(Open(QuestionId("r.q1"), "a", 2),),
        waits=(Waiting("c", 1, "time"), Waiting("a", 2, "time")),
        failed={"a": FAILURE},
        caught={"a": FAILURE},
        doubts={"a": "r/a/2", "a[3]": "r/a/2/3"},
        deaths={"a": 1, "c": 2},
    )
    event = e.RunMigrated(
        AT, (), {"a": "b"}, {"a + c > d": "b + c > d", "a > a": "b > b"}, {"a": "b"}, forgotten=("c > c",)
    )
    after = advance(before, event)
    assert after.frontier == Frontier(("b", "c"), {"b": 2, "c": 1}, {"b + c > d": ("b",)}, {"b > b": 1})
    assert [each.node for each in after.open] == ["b"]
    assert [each.node for each in after.waits] == ["c", "b"]
    assert (after.failed, after.caught) == ({"b": FAILURE}, {"b": FAILURE})
    assert (after.doubts, after.deaths) == ({"b": "r/a/2", "b[3]": "r/a/2/3"}, {"b": 1, "c": 2})
    assert (after.key("b", 2), after.key("b", 2, 7), after.key("c", 1)) == ("r/a/2", "r/a/2/7", "r/c/1")


def test_a_key_is_kept_through_two_renames_and_given_up_with_the_step() -> None:
    once = advance(run(), e.RunMigrated(AT, (), {"a": "b"}))
    twice = advance(once, e.RunMigrated(AT, (), {"b": "z"}))
    assert (twice.key("z", 2), twice.begun_as("z", 2), twice.begun_as("c", 1)) == ("r/a/2", "a", "c")
    failed = advance(twice, e.StepFailed(AT, "z", "function", 2, 1, AT, 0.1, FAILURE))
    assert failed.key("z", 2) == "r/a/2"
    left = advance(twice, e.StepFinished(AT, "z", "function", 2, 1, AT, 0.1, (), Move("z", ("z",))))
    assert left.key("z", 3) == "r/z/3"


def test_a_fact_that_contradicts_the_run_raises_nothing() -> None:
    forged = e.RunMigrated(AT, ("?",), {"a": "c", "nobody": "a"}, {"x": "y"}, {"q": "w"}, ("nothing",))
    after = advance(run(doubts={"a": "k"}), forged)
    assert after.frontier.due == ("c",)
    assert after.status == "running"


def test_history_keeps_the_names_of_then_and_knows_those_of_now() -> None:
    began = e.RunCreated(AT, RunId("r"), "w", "s", {}, Move(None, ("a",), via=("START > a",)))
    left = e.StepFinished(AT, "a", "function", 1, 1, AT, 0.1, (), Move("a", ("c",), via=("a > c then",)))
    told = history(
        [
            began,
            left,
            e.RunMigrated(AT, ("one",), {"a": "b"}, {"a > c": "b > c", "START > a": "START > b"}),
            e.RunMigrated(AT, ("two",), {"b": "z"}, {"b > c": "z > c", "START > b": "START > z"}),
        ]
    )
    assert told.steps[0].node == "a"
    assert (told.of_now.steps[0].node, told.of_now.steps[0].via) == ("z", ("z > c then",))
    assert told.of_now.begun_via == ("START > z",)
    assert [(each.steps, each.applied) for each in told.changes] == [(1, ("one",)), (1, ("two",))]


def test_what_budgets_count_goes_along_under_the_new_names() -> None:
    spent = {"": Spent(3), "a": Spent(1), "a > a": Spent(2), "c > c": Spent(1)}
    there = e.RunMigrated(AT, nodes={"a": "b"}, edges={"a > a": "b > b"}, forgotten=("c > c",))
    before = replace(run(), frontier=replace(run().frontier, spent=spent))
    assert advance(before, there).frontier.spent == {"": Spent(3), "b": Spent(1), "b > b": Spent(2)}
