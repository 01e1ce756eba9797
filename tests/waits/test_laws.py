"""The laws on waits: each says what is wrong with one that nobody can end, or that carries what does not fit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from tests.waits.flows import BOTH, DATED, FIRST, ONE, SLOW, Contract, Payment, both, paid
from workflow_engine import (
    END,
    FAIL,
    START,
    State,
    all_of,
    any_of,
    at_most,
    ceiling,
    from_document,
    function,
    signal,
    to_document,
    verify,
    wait,
    workflow,
)
from workflow_engine.errors import DeclarationError
from workflow_engine.spec.waits import Signal, Wait


class Case(State):
    payment: Payment | None = None
    contract: Contract | None = None
    text: str = ""
    start: datetime
    later: datetime | None = None


@function
async def work() -> None:
    return None


@function
async def reads(payment: Payment) -> None:
    return None


def broken(*edges: Any) -> list[tuple[str, str, str]]:
    return [(each.code, each.place, each.what) for each in verify(workflow("case", state=Case, edges=edges))]


def codes(*edges: Any) -> list[str]:
    return [code for code, _, _ in broken(*edges)]


@pytest.mark.parametrize("flow", [ONE, BOTH, FIRST, SLOW, DATED], ids=lambda flow: flow.name)
def test_workflows_that_wait_can_be_sound(flow: Any) -> None:
    assert verify(flow) == ()


@pytest.mark.parametrize(
    ("node", "code", "what"),
    [
        (wait("paid", Payment, writes="payment", within=timedelta(0), name="w"), "W522", "within=0:00:00"),
        (wait("paid", Payment, writes="payment", within=-timedelta(1), name="w"), "W522", "over before it begins"),
        (wait(timedelta(0), name="w"), "W522", "over before it begins"),
        (wait(until="text", name="w"), "W565", "the field holds str"),
        (wait(until="later", name="w"), "W402", "before every path has written it"),
        (wait(until="latr", name="w"), "W401", "until=: parameter 'latr' names no field"),
        (wait(all_of("paid", "paid"), name="w"), "W561", "waits for signal 'paid' twice"),
        (wait(all_of(), name="w"), "W560", "waits for nothing"),
        (wait("", name="w"), "W561", "which is no word"),
        (wait("x" * 201, name="w"), "W561", "which is no word"),
        (wait("paid", Payment, name="w"), "W562", "written nowhere"),
        (wait(all_of(signal("a", int), signal("b", int)), writes="text", name="w"), "W562", "writes 1 fields"),
        (wait("paid", Payment, writes="contract", name="w"), "W404", "the field holds Contract | None"),
        (wait("paid", object, writes="payment", name="w"), "W410", "signal 'paid' carries object"),
        (wait("paid", Payment, writes="nothing", name="w"), "W405", "no field of the state"),
        (wait("paid", Payment, writes="payment", topic="two\nlines", name="w"), "W563", "is no word"),
    ],
)
def test_a_wait_that_cannot_end_or_carry_is_a_finding(node: Any, code: str, what: str) -> None:
    edges = [START >> node >> END] + ([node.expired >> FAIL("late")] if node.within else [])
    found = broken(*edges)
    assert any(each == code and what in said for each, _, said in found), found


def bare(**settings: Any) -> Wait:
    return Wait(name="w", body=lambda: None, **settings)


@pytest.mark.parametrize(
    ("node", "code"),
    [
        (bare(), "W560"),
        (bare(signals=(Signal("a"),), lasting=timedelta(1)), "W560"),
        (bare(lasting=timedelta(1), within=timedelta(1)), "W524"),
        (bare(lasting=timedelta(1), writes=("text",)), "W562"),
        (bare(signals=(Signal("a"), Signal("b")), topic="t"), "W563"),
        (bare(signals=(Signal("a"),), timeout=timedelta(1)), "W524"),
    ],
)
def test_settings_that_contradict_each_other_are_findings_however_it_was_made(node: Wait, code: str) -> None:
    assert code in codes(START >> node >> END, *([node.expired >> FAIL("x")] if node.within else []))


def test_the_ways_out_of_a_wait_are_those_it_has() -> None:
    plain = wait("go", name="w")
    assert codes(START >> plain >> END, plain.expired >> FAIL("late")) == ["W206"]
    timed = wait("go", name="w", within=timedelta(1))
    assert codes(START >> timed >> END) == ["W207"]
    (finding,) = verify(workflow("w", state=Case, edges=[START >> timed >> END]))
    assert finding.cure == 'add: w.expired >> FAIL("nothing came")'
    first = wait(any_of("a", "b"), name="w")
    assert codes(START >> first, first["a"] >> END) == ["W201"]
    assert codes(START >> first, first["a"] >> END, first["b"] >> END, first["c"] >> END) == ["W202"]
    assert codes(START >> first, first["a"] >> END, first >> END) == []
    failing = wait(any_of("failed", "b"), name="w")
    assert "W209" in codes(START >> failing >> END)
    with pytest.raises(DeclarationError, match="no first of several signals"):
        plain["go"]


def test_one_signal_means_one_thing_all_over_a_workflow() -> None:
    one, other = wait("paid", Payment, writes="payment", name="one"), wait("paid", str, writes="text", name="other")
    assert codes(START >> one >> other >> END) == ["W564"]
    same = wait("paid", Payment, writes="payment", name="other")
    assert codes(START >> one >> same >> END) == []


def test_what_all_must_bring_is_written_after_it_and_what_the_first_brings_only_there() -> None:
    every = wait(
        all_of(signal("contract", Contract), signal("paid", Payment)), writes=("contract", "payment"), name="w"
    )
    assert codes(START >> every >> reads >> END) == []
    first = wait(
        any_of(signal("contract", Contract), signal("paid", Payment)), writes=("contract", "payment"), name="w"
    )
    assert codes(START >> first, first["paid"] >> reads >> END, first["contract"] >> END) == []
    assert codes(START >> first, first["contract"] >> reads >> END, first["paid"] >> END) == ["W402"]
    assert codes(START >> first >> reads >> END) == ["W402"]
    late = wait("paid", Payment, writes="payment", within=timedelta(1), name="w")
    assert codes(START >> late >> END, late.expired >> reads >> END) == ["W402"]


def test_a_signal_bounds_a_loop_and_a_time_does_not() -> None:
    again = wait("again", name="again")
    more = wait(any_of("more", "stop"), name="more")
    assert codes(START >> work >> more, more["more"] >> work, more["stop"] >> END) == []
    assert ceiling(workflow("c", state=Case, edges=[START >> work >> again >> END])) is not None
    pause = wait(timedelta(hours=1), name="pause")
    second = work.named("second")
    found = codes(START >> work >> pause >> second, second.failed >> work, second >> END)
    assert found == ["W301"]
    spent = codes(START >> work >> pause >> second >> END, second.failed >> at_most(3, work, then=FAIL("x")))
    assert spent == []
    late = wait("go", name="late", within=timedelta(1))
    assert codes(START >> late >> END, late.expired >> work >> late) == ["W301"]


@pytest.mark.parametrize("words", [(None,), (3,), (Payment,), (timedelta(1), Payment), (all_of("a"), Payment)])
def test_what_is_no_signal_and_no_time_cannot_be_declared(words: Any) -> None:
    with pytest.raises(DeclarationError, match="cannot be waited for"):
        wait(*words)
    with pytest.raises(DeclarationError, match="is no signal"):
        all_of(3)  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match="stands alone"):
        wait("paid", until="due")  # type: ignore[call-overload]


@pytest.mark.parametrize("flow", [ONE, BOTH, FIRST, SLOW, DATED], ids=lambda flow: flow.name)
def test_a_wait_survives_its_document(flow: Any) -> None:
    document = to_document(flow)
    again = from_document(document)
    assert again.shape == flow.shape
    assert verify(again) == ()
    for name, node in flow.nodes.items():
        if isinstance(node, Wait):
            other = again.nodes[name]
            assert isinstance(other, Wait)
            assert (other.names, other.first, other.until, other.lasting, other.within, other.topic) == (
                node.names,
                node.first,
                node.until,
                node.lasting,
                node.within,
                node.topic,
            )
            assert dict(other.carried) == dict(node.carried)
            assert to_document(again)["shape"]["nodes"][name]["wait"] == document["shape"]["nodes"][name]["wait"]


def test_what_a_signal_carries_is_part_of_the_shape_and_its_class_is_not() -> None:
    class Other(BaseModel):
        amount: str

    flow = workflow("w", state=Case, edges=[START >> wait("paid", Payment, writes="payment", name="w") >> END])
    other = workflow("w", state=Case, edges=[START >> wait("paid", Other, writes="payment", name="w") >> END])
    assert flow.shape != other.shape


def test_a_wait_is_named_after_what_it_waits_for() -> None:
    assert [
        each.name for each in (wait("paid"), wait(all_of("a", "b")), wait(any_of("a", "b")), wait(until="due"))
    ] == [
        "paid",
        "a_and_b",
        "a_or_b",
        "until_due",
    ]
    assert (paid.name, both.name) == ("paid", "both")
    assert (wait("paid").where or "").rpartition(":")[0] == __file__
