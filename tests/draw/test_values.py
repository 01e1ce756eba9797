"""Diagrams are plain values, and words are made fit for a picture before they reach one."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_engine.draw import Arrow, Card, Diagram, Group, Header
from workflow_engine.draw.lettering import fold, plain, width
from workflow_engine.draw.turns import backward
from workflow_engine.errors import DrawingError

A, B, C = (Card(each, each, "agent") for each in "abc")


def test_an_arrow_to_nowhere_is_told() -> None:
    with pytest.raises(DrawingError, match="no card has the id 'z'\n  the cards are 'a', 'b'"):
        Diagram(Header("x"), (A, B), (Arrow("a", "z"),))


def test_two_cards_with_one_id_are_told() -> None:
    with pytest.raises(DrawingError, match="two cards have the id 'a'"):
        Diagram(Header("x"), (A, A))


def test_groups_that_overlap_are_told() -> None:
    with pytest.raises(DrawingError, match="the groups 'one' and 'two' overlap"):
        Diagram(Header("x"), (A, B, C), (), (Group("one", frozenset("ab")), Group("two", frozenset("bc"))))


def test_the_arrow_that_closes_a_circle_leads_back() -> None:
    ways = (Arrow("a", "b"), Arrow("b", "a"), Arrow("b", "c"), Arrow("c", "b"), Arrow("c", "c"), Arrow("a", "c"))
    assert list(backward(Diagram(Header("x"), (A, B, C), ways))) == [1, 3]


def test_a_chain_of_ten_thousand_cards_is_followed() -> None:
    cards = tuple(Card(str(at), "", "agent") for at in range(10_000))
    ways = tuple(Arrow(str(at), str(at + 1)) for at in range(9_999))
    assert list(backward(Diagram(Header("x"), cards, (*ways, Arrow("9999", "0"))))) == [9_999]


@given(st.text())
@settings(max_examples=300)
def test_plain_words_fit_into_xml(text: str) -> None:
    shown = plain(text)
    assert "\n" not in shown
    element = ElementTree.Element("text")
    element.text = shown
    assert ElementTree.fromstring(ElementTree.tostring(element)).text in (shown, None)
    assert shown.encode().decode() == shown


@given(st.text(), st.integers(2, 40), st.integers(1, 5))
@settings(max_examples=300)
def test_folded_words_keep_their_column_and_lose_nothing_silently(text: str, columns: int, most: int) -> None:
    lines = fold(text, columns, most)
    assert len(lines) <= most
    assert all(width(line) <= columns for line in lines)
    if not any(line.endswith("…") for line in lines):
        assert "".join("".join(lines).split()) == "".join(plain(text).split())


def test_wide_characters_take_two_columns() -> None:
    assert fold("数据处理流水线", 6, 9) == ("数据处", "理流水", "线")
