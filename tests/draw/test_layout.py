"""What the eye must be able to rely on: nothing overlaps, no word leaves its card, every word can be read."""

from __future__ import annotations

from itertools import combinations
from typing import get_args

import pytest

from tests.draw.diagrams import at_random, hostile, known
from tests.draw.geometry import Box, Part, of, parts
from workflow_engine.draw import Diagram, render
from workflow_engine.draw.diagram import Kind, Meaning, Status
from workflow_engine.draw.lettering import plain
from workflow_engine.draw.palette import DARK, DASHES, KIND_SIGNS, LIGHT, SIGNS, Palette, contrast

DIAGRAMS = {
    **known(),
    "hostile": hostile(),
    "forty": at_random(40, 5),
    **{f"random {seed}": at_random(14, seed) for seed in range(6)},
}


@pytest.fixture(scope="module", params=DIAGRAMS)
def diagram(request: pytest.FixtureRequest) -> Diagram:
    return DIAGRAMS[request.param]


@pytest.fixture(scope="module")
def picture(diagram: Diagram) -> tuple[Part, ...]:
    return parts(render(diagram, "svg"))


def boxes(found: list[Part]) -> list[tuple[str, Box]]:
    return [(part.title, part.box) for part in found if part.box is not None]


def lettered(found: tuple[Part, ...]) -> list[tuple[str, Box]]:
    return [(words.text, words.box) for part in of(found, "label") for words in part.words]


def test_every_card_is_drawn_once(diagram: Diagram, picture: tuple[Part, ...]) -> None:
    assert len(of(picture, "card")) == len(diagram.cards)


def test_no_two_cards_overlap(picture: tuple[Part, ...]) -> None:
    clashes = [(one, other) for (one, a), (other, b) in combinations(boxes(of(picture, "card")), 2) if a.overlaps(b)]
    assert clashes == []


def test_no_label_overlaps_a_card_or_another_label(picture: tuple[Part, ...]) -> None:
    labels, cards = lettered(picture), boxes(of(picture, "card"))
    assert [(text, card) for text, box in labels for card, there in cards if box.overlaps(there)] == []
    assert [(one, other) for (one, a), (other, b) in combinations(labels, 2) if a.shrunk(0.5).overlaps(b)] == []


def test_no_line_runs_through_a_label_or_a_card(picture: tuple[Part, ...]) -> None:
    solid = [*lettered(picture), *boxes(of(picture, "card"))]
    crossed = {
        (arrow.title, text)
        for arrow in of(picture, "arrow")
        for text, box in solid
        if any(box.shrunk(2).has(x, y) for x, y in arrow.line)
    }
    assert crossed == set()


def test_no_word_leaves_its_card(picture: tuple[Part, ...]) -> None:
    outside = [
        (part.title, words.text)
        for part in of(picture, "card")
        for words in part.words
        if part.box is None or not part.box.shrunk(2).holds(words.box)
    ]
    assert outside == []


def test_the_words_of_the_page_stand_on_the_page_and_on_no_card(picture: tuple[Part, ...]) -> None:
    (page,) = of(picture, "page")
    assert page.box is not None
    cards = boxes(of(picture, "card"))
    assert [words.text for part in picture for words in part.words if not page.box.holds(words.box)] == []
    assert [words.text for words in page.words if any(words.box.overlaps(box) for _, box in cards)] == []


def test_a_group_holds_its_cards_and_no_other(diagram: Diagram, picture: tuple[Part, ...]) -> None:
    placed = {part.node: part for part in of(picture, "card")}
    drawn = {card.id: placed[plain(card.id)] for card in diagram.cards}
    inside = [
        frozenset(name for name, card in drawn.items() if card.box and group.box and group.box.holds(card.box))
        for group in of(picture, "group")
    ]
    assert sorted(inside, key=sorted) == sorted((group.cards for group in diagram.groups), key=sorted)


def test_words_have_the_width_of_the_shipped_font(picture: tuple[Part, ...]) -> None:
    """Or a viewer would see them squeezed: Graphviz would have measured with another font than it draws with."""
    words = [each for part in picture for each in part.words]
    assert [each.text for each in words if each.held is None] == []
    wrong = [each for each in words if abs((each.held or 0) - each.measured) > 3 + 0.06 * each.measured]
    assert [each.text for each in wrong if "�" not in each.text] == []


@pytest.mark.parametrize("dark", [False, True])
def test_every_word_can_be_read_on_its_ground(diagram: Diagram, dark: bool) -> None:
    picture = parts(render(diagram, "svg", theme="dark" if dark else "light"))
    (page,) = of(picture, "page")
    pale = []
    for part in picture:
        for words in part.words:
            own = [part.fill] if "card" in part.classes else [page.fill]
            behind = [each.fill for each in of(picture, "group") if each.box and each.box.overlaps(words.box)]
            for ground in own if "card" in part.classes else own + behind:
                assert ground is not None
                if contrast(words.colour, ground) < 4.5:
                    pale.append((words.text, words.colour, ground))
    assert pale == []


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_every_palette_can_be_read(palette: Palette) -> None:
    tones = [*palette.statuses.values(), *palette.kinds.values(), palette.neutral]
    words = [(colour, tone.fill) for tone in tones for colour in (tone.title, tone.sign, palette.soft)]
    strokes = [*palette.taken.values(), palette.idle, palette.plan]
    words += [(stroke.text, ground) for stroke in strokes for ground in (palette.page, palette.group)]
    words += [(tone.sign, palette.page) for tone in palette.statuses.values()]
    words += [(palette.title, palette.page), (palette.soft, palette.page), (palette.soft, palette.group)]
    assert [(word, ground) for word, ground in words if contrast(word, ground) < 4.5] == []


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#d97706", "#ffffff") == pytest.approx(3.19, abs=0.01)
    assert contrast("#ffffff", "#b45309") == pytest.approx(5.02, abs=0.01)


def test_colour_never_speaks_alone() -> None:
    assert set(SIGNS) == set(get_args(Status))
    assert len(set(SIGNS.values())) == len(SIGNS)
    assert set(DASHES) == set(get_args(Meaning))
    assert set(get_args(Kind)) - set(KIND_SIGNS) == {"start", "end", "fork", "join"}
