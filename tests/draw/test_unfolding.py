"""Subflows in pictures: one card while folded, a box with all that is within once unfolded."""

from __future__ import annotations

from typing import Any, Literal

from workflow_engine import END, FAIL, START, State, Workflow, function, route, subflow, workflow
from workflow_engine.draw import diagram_of, to_dot, to_mermaid
from workflow_engine.draw.diagram import Diagram
from workflow_engine.draw.unfolding import every, unfolded


class Case(State):
    n: int
    note: str = ""


@function(writes="n")
def add(n: int) -> int:
    return n + 1


@function(writes="note")
def tell(n: int) -> str:
    return str(n)


@route
def big(n: int) -> Literal["yes", "no"]:
    return "yes" if n > 1 else "no"


inner = workflow("inner", state=Case, edges=[START >> add >> big, big["yes"] >> END, big["no"] >> FAIL("small")])
middle = workflow("middle", state=Case, edges=[START >> subflow(inner, reads="n", writes="n") >> END])
step = subflow(middle, name="step", reads="n", writes="n")
outer = workflow(
    "outer", state=Case, edges=[START >> step >> big, big["yes"] >> END, big["no"] >> tell >> END, step.failed >> tell]
)


def arrows(diagram: Diagram) -> set[tuple[str, str, str]]:
    return {(each.tail, each.head, each.label) for each in diagram.arrows}


def opened(made: Workflow[Any], *folded: str) -> Diagram:
    return unfolded(made, diagram_of(made), every(frozenset(folded)))


def test_folded_it_is_one_card_of_its_own_kind() -> None:
    cards = {card.id: card.kind for card in diagram_of(outer).cards}
    assert cards["step"] == "subflow"
    assert not any("/" in card for card in cards)


def test_unfolded_what_is_within_stands_in_a_box_around_its_card() -> None:
    diagram = opened(outer)
    boxes = {each.caption: each.cards for each in diagram.groups}
    assert {"step", "step/inner", "step/inner/add", "step/inner/END", "step/END"} <= boxes["middle"]
    assert boxes["inner"] < boxes["middle"]
    assert "tell" not in boxes["middle"]
    assert len({card.id for card in diagram.cards}) == len(diagram.cards)


def test_unfolded_its_card_is_the_way_in_and_its_end_the_way_out() -> None:
    found = arrows(opened(outer))
    assert ("START", "step", "") in found
    assert ("step", "step/inner", "") in found
    assert ("step/inner", "step/inner/add", "") in found
    assert ("step/inner/END", "step/END", "") in found
    assert ("step", "tell", "failed") in found
    # What is decided after it is decided once it has ended.
    assert {("step/END", "step/ big", ""), ("step/ big", "END", "yes"), ("step/ big", "tell", "no")} <= found


def test_one_can_stay_folded_by_its_name_or_by_the_way_to_it() -> None:
    for name in ("inner", "step/inner"):
        cards = {card.id for card in opened(outer, name).cards}
        assert "step/inner" in cards
        assert "step/inner/add" not in cards
    assert {card.id for card in opened(outer, "step").cards} == {card.id for card in diagram_of(outer).cards}


def test_a_workflow_within_itself_is_opened_once() -> None:
    deeper = subflow(lambda: tree, name="deeper", reads="n", depth=3)
    tree: Workflow[Case] = workflow("tree", state=Case, edges=[START >> deeper >> END])
    around = workflow("around", state=Case, edges=[START >> subflow(tree, reads="n") >> END])
    assert {card.id for card in opened(tree).cards} == {card.id for card in diagram_of(tree).cards}
    assert "tree/deeper" in {card.id for card in opened(around).cards}
    assert "tree/deeper/deeper" not in {card.id for card in opened(around).cards}


def test_every_format_draws_it() -> None:
    for text in (to_dot(opened(outer)), to_mermaid(opened(outer))):
        assert text.count("add") >= 1
        assert "middle" in text
