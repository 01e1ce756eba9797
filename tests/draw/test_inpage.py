"""The live drawing: every mark a page needs is there, nothing moves, and no page's rule against styles is broken."""

from __future__ import annotations

import json
import re
from typing import get_args
from xml.etree import ElementTree

import pytest

from tests.draw.diagrams import HOSTILE, hostile, run_of, waiting
from tests.draw.workflows import RELEASE, SHIP
from workflow_engine.draw import diagram_of, live, marks, render, stylesheet
from workflow_engine.draw.diagram import Meaning, Status
from workflow_engine.draw.lettering import plain
from workflow_engine.draw.theme import colours, decoded

SVG = "{http://www.w3.org/2000/svg}"
PLAN, NOW = diagram_of(SHIP), run_of(waiting())


@pytest.fixture(scope="module")
def bare() -> ElementTree.Element:
    return ElementTree.fromstring(live(PLAN).data)


@pytest.fixture(scope="module")
def marked() -> ElementTree.Element:
    return ElementTree.fromstring(live(PLAN, NOW).data)


def groups(root: ElementTree.Element, hook: str) -> list[ElementTree.Element]:
    return [each for each in root.iter(f"{SVG}g") if hook in each.attrib]


def test_every_card_and_every_arrow_is_one_group_with_its_marks(bare: ElementTree.Element) -> None:
    assert sorted(each.attrib["data-node"] for each in groups(bare, "data-node")) == sorted(
        card.id for card in PLAN.cards
    )
    arrows = groups(bare, "data-arrow")
    found = sorted((each.attrib["data-from"], each.attrib["data-to"], each.attrib["data-edge"]) for each in arrows)
    assert found == sorted((each.tail, each.head, each.edge) for each in PLAN.arrows)
    assert all(len(each.findall(f".//{SVG}tspan[@data-count='']")) == 1 for each in arrows)
    for card in groups(bare, "data-node"):
        signless = {"start", "end", "fork", "join", "fail"} & set(card.attrib["class"].split())
        assert bool(signless) or len(card.findall(f"{SVG}text[@data-line='2']")) == 1


def test_no_style_is_within(bare: ElementTree.Element, marked: ElementTree.Element) -> None:
    for root in (bare, marked, ElementTree.fromstring(render(NOW, "svg", theme="page"))):
        assert [each for each in root.iter() if "style" in each.attrib or each.tag == f"{SVG}style"] == []


def test_nothing_moves_when_a_run_is_marked(bare: ElementTree.Element, marked: ElementTree.Element) -> None:
    def places(root: ElementTree.Element) -> list[tuple[str | None, ...]]:
        kept = ("d", "points", "cx", "cy", "viewBox", "y")
        return [tuple(each.get(name) for name in kept) for each in root.iter()]

    assert places(bare) == places(marked)


def test_each_sign_has_the_room_of_the_widest(bare: ElementTree.Element) -> None:
    rooms = {float(each.attrib["data-room"]) for each in bare.iter(f"{SVG}text") if each.get("class") == "sign"}
    assert min(rooms) > 12  # of a small card, such as that of a failure
    assert max(rooms) > 20


def test_a_run_is_marked_by_classes_signs_and_words(marked: ElementTree.Element) -> None:
    cards = {each.attrib["data-node"]: each for each in groups(marked, "data-node")}
    assert cards["review"].attrib["class"] == "card human waiting"
    assert cards["review"].attrib["aria-label"].startswith("review, human, waiting, asked")
    assert "".join(cards["test"].itertext()).count("verdict → failed") == 1
    loop = next(each for each in groups(marked, "data-arrow") if "loop" in each.attrib["class"])
    assert loop.attrib["class"] == "arrow loop taken"
    assert "".join(loop.itertext()).endswith("×3 of 3\n") or "×3 of 3" in "".join(loop.itertext())


def test_the_marks_are_json_and_tell_of_every_card_and_arrow() -> None:
    told = json.loads(json.dumps(marks(NOW)))
    assert set(told["cards"]) == {card.id for card in PLAN.cards}
    assert told["cards"]["implement"]["line"] == "4 visits · 3 m 12 s · 31.2k tokens"
    assert [each["count"] for each in told["arrows"] if each["meaning"] == "loop"] == ["×3 of 3"]
    assert told["header"]["status"] == "waiting"


def test_a_page_reads_the_sign_of_each_status_from_the_drawing(bare: ElementTree.Element) -> None:
    assert set(json.loads(bare.attrib["data-signs"])) == set(get_args(Status))


def test_hostile_words_stay_words() -> None:
    root = ElementTree.fromstring(live(hostile()).data)
    assert {plain(f"h{at}{name}") for at, name in enumerate(HOSTILE)} == {
        each.attrib["data-node"] for each in groups(root, "data-node")
    }
    assert {each.tag.rpartition("}")[2] for each in root.iter()} <= {
        "svg", "g", "title", "text", "tspan", "path", "polygon", "polyline", "ellipse"
    }  # fmt: skip


def test_fork_and_join_are_marked_as_well() -> None:
    root = ElementTree.fromstring(live(diagram_of(RELEASE)).data)
    assert sum("fork" in each.attrib["class"].split() for each in groups(root, "data-node")) == 1


# ------------------------------------------------------------------------------------------------ both themes


def test_one_drawing_serves_light_and_dark() -> None:
    light, auto = (ElementTree.fromstring(render(NOW, "svg", theme=theme)) for theme in ("light", "auto"))
    strip = [{k: v for k, v in each.attrib.items() if k != "class"} for each in auto.iter() if "style" not in each.tag]
    assert strip == [{k: v for k, v in each.attrib.items() if k != "class"} for each in light.iter()]
    (sheet,) = auto.iter(f"{SVG}style")
    dark = colours("dark")
    used = {word for each in auto.iter() for word in each.get("class", "").split() if word[1] == "-"}
    ruled = dict(re.findall(r"\.([fs]-[\w-]+)\{\w+:(#\w+)\}", sheet.text or ""))
    assert used >= set(ruled)
    assert all(ruled[each] == dark[each[2:]] for each in ruled)
    assert used - set(ruled) == {each for each in used if dark[each[2:]] == colours("light")[each[2:]]}


def test_every_code_is_a_part_of_its_own() -> None:
    assert len(decoded()) == len(set(decoded().values())) == len(colours("light"))


def test_the_style_sheet_knows_every_part_status_and_meaning() -> None:
    sheet = stylesheet()
    for part, colour in colours("dark").items():
        assert f"--{part}:{colour}" in sheet
    assert all(f".live .card.{each.replace(' ', '-')}{{" in sheet for each in get_args(Status))
    assert all(f".live .arrow.{each}.taken{{" in sheet for each in get_args(Meaning))
    assert sheet.count("{") == sheet.count("}")
    assert len(sheet) < 20_000
