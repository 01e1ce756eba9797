"""A replay shows each look for its time, in the order of the journal, and ends as the run stands."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests.draw.diagrams import run_of, waiting
from tests.draw.workflows import SHIP
from workflow_engine.draw import diagram_of, live, replay
from workflow_engine.draw.film import BRIEFEST

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def film() -> ElementTree.Element:
    journey = waiting()
    return ElementTree.fromstring(replay(journey.workflow, journey.journal, theme="auto").data)


def times(film: ElementTree.Element) -> dict[str, tuple[float, float]]:
    """From when and until when each class is seen, in percent."""
    sheet = next(film.iter(f"{SVG}style")).text or ""
    found = {}
    for name, rules in re.findall(r"@keyframes (t\d+)\{(.*?\})\}", sheet):
        steps = [(float(at), look) for at, look in re.findall(r"([\d.]+)%\{visibility:(\w+)\}", rules)]
        begin = next(at for at, look in steps if look == "visible")
        found[name] = (begin, next((at for at, look in steps if look == "hidden" and at > begin), 100.0))
    return found


def looks(film: ElementTree.Element, node: str) -> list[ElementTree.Element]:
    return [each for each in film.iter(f"{SVG}g") if each.get("data-node") == node]


def test_the_end_is_what_is_seen_without_animation(film: ElementTree.Element) -> None:
    journey = waiting()
    still = ElementTree.fromstring(live(diagram_of(SHIP), run_of(journey)).data)
    for wanted in still.iter(f"{SVG}g"):
        if (node := wanted.get("data-node")) is None:
            continue
        (seen,) = [each for each in looks(film, node) if each.get("visibility") != "hidden"]
        assert seen.attrib["class"].startswith(wanted.attrib["class"])
        assert "".join(seen.itertext()) == "".join(wanted.itertext())


def test_the_looks_of_a_card_follow_one_another_without_a_gap(film: ElementTree.Element) -> None:
    shown = times(film)
    for node in ("analyze", "implement", "test", "review"):
        spans = [shown[each.attrib["class"].split()[-1]] for each in looks(film, node)]
        assert spans[0][0] == 0
        assert spans[-1][1] == 100
        assert [end for _, end in spans[:-1]] == [begin for begin, _ in spans[1:]]
        assert all(begin < end for begin, end in spans)


def test_the_order_is_that_of_the_journal(film: ElementTree.Element) -> None:
    statuses = [each.attrib["class"].split()[2] for each in looks(film, "implement")]
    assert statuses == [
        "not-reached",
        "running",
        "done",
        "running",
        "looping",
        "running",
        "looping",
        "running",
        "looping",
    ]
    shown = times(film)
    runs = [
        shown[each.attrib["class"].split()[-1]]
        for each in looks(film, "implement")
        if "running" in each.attrib["class"]
    ]
    tests = [
        shown[each.attrib["class"].split()[-1]] for each in looks(film, "test") if "running" in each.attrib["class"]
    ]
    assert [one[1] for one in runs] == [other[0] for other in tests]
    assert runs[0][1] - runs[0][0] == pytest.approx(48 / 14.5 * (tests[0][1] - tests[0][0]), rel=0.01)


def test_no_look_is_too_brief_to_be_seen(film: ElementTree.Element) -> None:
    sheet = next(film.iter(f"{SVG}style")).text or ""
    (length,) = {float(each) for each in re.findall(r"animation:t\d+ ([\d.]+)s", sheet)}
    assert all((end - begin) * length / 100 > BRIEFEST * 0.95 for begin, end in times(film).values())


def test_who_prefers_less_motion_sees_none(film: ElementTree.Element) -> None:
    sheet = next(film.iter(f"{SVG}style")).text or ""
    before, _, rules = sheet.partition("@media (prefers-reduced-motion:no-preference){")
    assert "animation" not in before
    assert rules.count("{") == rules.count("}") - 1
    assert [each for each in film.iter() if "style" in each.attrib] == []
