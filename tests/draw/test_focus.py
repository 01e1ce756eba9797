"""Parts of a picture: what is around a card, and loops as one card each."""

from __future__ import annotations

import pytest

from tests.draw.diagrams import at_random, run_of, waiting
from tests.draw.workflows import SHIP
from workflow_engine.draw import Diagram, diagram_of, focused, loops_folded, render
from workflow_engine.errors import DrawingError


def ids(diagram: Diagram, *, more: bool = False) -> set[str]:
    return {card.id for card in diagram.cards if (card.kind == "more") == more}


def test_a_focus_shows_so_many_arrows_around() -> None:
    whole = diagram_of(SHIP)
    assert ids(focused(whole, "test", 0)) == {"test"}
    assert ids(focused(whole, "test", 1)) == {"implement", "test", "deploy", "review"}
    assert ids(focused(whole, "test", 9)) == ids(whole)
    assert ids(focused(whole, "test", 9), more=True) == set()


def test_what_is_out_of_sight_is_told_and_counted() -> None:
    near = focused(diagram_of(SHIP), "test", 1)
    named = {card.id: card.name for card in near.cards if card.kind == "more"}
    assert named == {"before implement": "design", "after deploy": "END", "after review": "2 cards more"}
    assert near.header.facts[-1] == "around test: 4 of 10 cards"


def test_a_folded_loop_is_one_card_that_stands_as_its_cards_do() -> None:
    folded = loops_folded(run_of(waiting()))
    (loop,) = [card for card in folded.cards if card.kind == "loop"]
    assert (loop.name, loop.status) == ("implement … test", "looping")
    assert loop.lines == ("2 nodes · loop ≤3", "×3 of 3")
    assert folded.groups == ()
    assert [(each.tail, each.label) for each in folded.arrows if each.head == "review"] == [
        ("loop 0", "failed"),
        ("deploy", "failed"),
    ]


def test_only_the_loop_around_a_node_is_folded() -> None:
    whole = at_random(40, 5)
    group = whole.groups[1]
    folded = loops_folded(whole, [min(group.cards)])
    assert [card.kind for card in folded.cards].count("loop") == 1
    assert len(folded.groups) == len(whole.groups) - 1
    with pytest.raises(DrawingError, match="no loop is around 'deploy'"):
        loops_folded(diagram_of(SHIP), ["deploy"])
    with pytest.raises(DrawingError, match=r"(?s)no card .* 'tset'.*implement"):
        focused(diagram_of(SHIP), "tset")


@pytest.mark.parametrize("seed", range(3))
def test_any_part_of_any_picture_is_drawn(seed: int) -> None:
    whole = at_random(30, seed)
    for part in (focused(whole, "c12", 2), loops_folded(whole), loops_folded(focused(whole, "c12", 3))):
        assert render(part, "svg", direction="right").startswith(b"<?xml")
