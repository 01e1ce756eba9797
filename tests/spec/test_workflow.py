"""The edge table: what `>>` builds, and the workflow as a value, a hash and a document."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Annotated, Any, Literal

import pytest

from workflow_engine import (
    END,
    FAIL,
    START,
    Edge,
    Question,
    State,
    append,
    at_most,
    from_document,
    function,
    human,
    route,
    to_document,
    workflow,
)
from workflow_engine.errors import DeclarationError, UsageError


class Log(State):
    n: int
    log: Annotated[list[str], append] = []
    word: Literal["go", "stop"] | None = None


@function(writes="log")
def one(n: int) -> list[str]:
    return []


two, three, four = one.named("two"), one.named("three"), one.named("four")


@route
def verdict(n: int) -> Literal["good", "bad"]:
    return "good"


@human(writes="word", within=timedelta(days=1))
def ask(n: int) -> Question[Literal["go", "stop"]]:
    return Question("?")


ROWS = [
    START >> one >> (two, three >> four) >> verdict,
    verdict["good"] >> END,
    verdict["bad"] >> at_most(2, one, then=ask),
    ask["go"] >> one,
    ask["stop"] >> FAIL("stopped"),
    ask.expired >> FAIL("nobody   answered"),
]
FLOW = workflow("flow", state=Log, edges=ROWS)


def test_the_table_builds_the_edges_it_reads_like() -> None:
    assert [str(each) for each in FLOW.edges] == [
        "START > one",
        "one > two + three",
        "three > four",
        "two + four > verdict",
        "verdict[good] > END",
        "verdict[bad] > one (at most 2, then ask)",
        "ask[go] > one",
        "ask[stop] > FAIL: stopped",
        "ask[expired] > FAIL: nobody answered",
    ]


def test_a_join_may_name_outcomes_and_stand_in_a_row_of_its_own() -> None:
    flow = workflow("flow", state=Log, edges=[one >> (two, verdict), (two, verdict["good"]) >> three])
    assert [str(each) for each in flow.edges] == ["one > two + verdict", "two + verdict[good] > three"]


def test_the_long_form_is_the_same_value() -> None:
    assert Edge(verdict["bad"], one, limit=2, then=ask) == Edge("verdict", "one", "bad", 2, "ask")
    assert (verdict["bad"] >> at_most(2, one, then=ask)).edges == (Edge("verdict", "one", "bad", 2, "ask"),)
    assert Edge((two, four), verdict) == Edge(["two", "four"], "verdict")


def test_generated_graphs_name_nodes_by_text() -> None:
    chain = workflow(
        "chain",
        state=Log,
        edges=[Edge("START", "one"), Edge("one", "two"), Edge("two", "END")],
        nodes=[one, two],
    )
    assert set(chain.nodes) == {"one", "two"}


def test_shuffling_rows_changes_no_hash_and_an_edited_body_only_its_own() -> None:
    rows = list(ROWS)
    random.Random(3).shuffle(rows)
    assert workflow("flow", state=Log, edges=rows).shape == FLOW.shape
    assert workflow("flow", state=Log, edges=rows).fingerprint == FLOW.fingerprint

    @function(name="one", writes="log")
    def edited(n: int) -> list[str]:
        return ["edited"]

    other = workflow("flow", state=Log, edges=[START >> edited >> END])
    same = workflow("flow", state=Log, edges=[START >> one >> END])
    assert other.shape == same.shape
    assert other.bodies != same.bodies


def test_another_bound_is_another_shape() -> None:
    rows = [*ROWS[:2], verdict["bad"] >> at_most(3, one, then=ask), *ROWS[3:]]
    assert workflow("flow", state=Log, edges=rows).shape != FLOW.shape


def test_a_document_survives_json_and_comes_back_with_and_without_code() -> None:
    document = json.loads(json.dumps(to_document(FLOW)))
    bare = from_document(document)
    assert set(bare.edges) == set(FLOW.edges)
    assert {name: node.kind for name, node in bare.nodes.items()} == {
        name: node.kind for name, node in FLOW.nodes.items()
    }
    assert bare.nodes["ask"].outcomes == ("go", "stop")
    assert bare.shape == FLOW.shape
    whole = from_document(document, state=Log, nodes=list(FLOW.nodes.values()))
    assert whole.shape == FLOW.shape
    assert from_document(document, state=Log).shape == FLOW.shape


@pytest.mark.parametrize("junk", [None, 3, {}, {"version": 1, "shape": {}}, {"version": 99, "shape": {}}])
def test_a_document_that_is_none_is_refused(junk: Any) -> None:
    with pytest.raises(UsageError):
        from_document(junk)


ANY: Any = one  # the type checkers refuse these rows too, which tests/typing shows
MAKE: Any = workflow
BOUND: Any = at_most


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: ANY >> 3, "3 cannot stand in an edge"),
        (lambda: 3 >> ANY, "3 cannot stand in an edge"),
        (lambda: ANY >> one(1), r"\[\] cannot stand in an edge\n  write the node, do not call it"),
        (lambda: one(1) >> ANY, r"\[\] cannot stand in an edge\n  write the node, do not call it"),
        (lambda: ANY >> "two", "not its name, and not a call of it"),
        (lambda: ANY >> [two, three], r"^\[two, three\] cannot .*\n  a fork is a tuple: \(two, three\)$"),
        (lambda: [two, three >> four] >> ANY, r"a fork is a tuple: \(two, three >> four\)$"),
        (lambda: ANY >> (), "a fork needs its nodes"),
        (lambda: ANY["x"], r"^one\['x'\]: only routes and people have outcomes.*\n.*@route"),
        (lambda: BOUND(ANY, 2, then=END), r"^at_most\(one, ...\) has no bound\n  write at_most\(times, node, then="),
        (lambda: ANY >> (two, at_most(2, one, then=END)), r"^at_most\(2, one, then=END\) cannot .*\n.*right end"),
        (lambda: MAKE("flow", state=Log, edges=START >> one >> END), r"^edges=START >> one >> END is no list of rows"),
        (lambda: MAKE("flow", state=Log, edges=verdict), "^edges=verdict is no list of rows"),
        (lambda: MAKE("flow", state=Log, edges=3), "^edges=3 is no list of rows"),
        (lambda: MAKE("flow", state=Log, edges=[], nodes=one), "^nodes=one is no list of nodes"),
        (lambda: MAKE("flow", state=Log, edges=[], nodes=["one"]), "^nodes holds 'one', which is no node"),
        (lambda: MAKE("flow", state=Log, edges=[], resources=[int]), "is no table"),
        (lambda: MAKE("flow", state=Log, edges=[[START >> one]]), r"^\[START >> one\] is no row"),
        (lambda: ANY >> (lambda n: n), "is a plain function"),
        (lambda: verdict["bad"] >> at_most(2, one, then=ask) >> two, "nothing can follow at_most"),
        (lambda: one >> (two, verdict["bad"] >> at_most(1, two, then=END)) >> three, "an arm of a fork cannot end"),
        (lambda: ANY >> verdict["bad"], "is a way out, not a place to go"),
        (lambda: MAKE("flow", state=Log(n=1), edges=[]), "is no state"),
        (lambda: workflow("", state=Log, edges=[]), "is no name"),
        (lambda: MAKE("flow", state=Log, edges=[one]), "is no row"),
    ],
)
def test_a_row_without_meaning_is_refused_where_it_is_written(wrong: Any, says: str) -> None:
    with pytest.raises(DeclarationError, match=says) as caught:
        wrong()
    assert caught.value.cure


def test_what_is_shown_of_a_mistake_is_short_and_a_called_async_node_leaves_no_warning() -> None:
    @function
    async def late() -> None: ...

    for wrong in ("x" * 999, [two] * 99, late()):
        with pytest.raises(DeclarationError) as caught:
            ANY >> wrong
        assert len(caught.value.what) <= 80 + len(" cannot stand in an edge")


def test_two_different_nodes_of_one_name_are_remembered() -> None:
    @function(name="one", writes="log")
    def impostor(n: int) -> list[str]:
        return []

    assert workflow("flow", state=Log, edges=[START >> one >> impostor >> END]).clashes == ("one",)
