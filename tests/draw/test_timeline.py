"""A timeline tells when each node worked, failed and waited: in bars, in words, and in the same bytes each time."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any
from xml.etree import ElementTree

import pytest
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

from tests.draw.diagrams import HOSTILE, waiting
from tests.draw.journey import Journey
from tests.draw.workflows import RELEASE, SHIP
from workflow_engine.draw import Header, Timeline, in_words, timeline_in_words, timeline_of, timeline_picture
from workflow_engine.draw.advances import BOLD, REGULAR, advance
from workflow_engine.draw.diagram import Diagram
from workflow_engine.draw.fonts import SHIPPED
from workflow_engine.draw.scale import Scale
from workflow_engine.draw.stretches import Bar
from workflow_engine.draw.timeline import Cost, Jump, Moment, Row
from workflow_engine.errors import Failure
from workflow_engine.record import events as e
from workflow_engine.record.usage import Usage

SVG = "{http://www.w3.org/2000/svg}"


def told(journey: Journey, **how: float) -> Timeline:
    now = journey.now + timedelta(seconds=how["now"]) if "now" in how else None
    return timeline_of(journey.workflow, journey.run, journey.journal, now=now)


def bars(timeline: Timeline, node: str) -> list[tuple[str, float, float, str]]:
    row = next(each for each in timeline.rows if each.node == node)
    return [(bar.what, bar.start, bar.end, bar.status) for bar in row.bars]


def hostile_timeline() -> Timeline:
    rows = tuple(
        Row(
            f"{at}{name}",
            "agent",
            (Bar(at, at + 2, "attempt", "failed", 1, 2, name), Bar(at, at, "item", "done", 1)),
            1,
        )
        for at, name in enumerate(HOSTILE)
    )
    return Timeline(
        Header(HOSTILE[0], HOSTILE[1], "failed", HOSTILE),
        rows,
        20,
        True,
        (Jump(3, rows[3].node, rows[1].node, "loop"),),
        (Moment(4, HOSTILE[4]),),
        Cost("money", ((0, 0), (5, 0), (5, 0.5), (20, 0.5)), 2.0),
    )


# ------------------------------------------------------------------------------------------------ what it tells


def test_a_loop_that_asks_a_person_is_told_bar_by_bar() -> None:
    made = told(waiting(), now=92)
    assert made.now
    assert [row.node for row in made.rows] == ["analyze", "design", "implement", "test", "deploy", "review"]
    assert bars(made, "analyze") == [("attempt", 0.0, 18.2, "done")]
    assert len(bars(made, "implement")) == len(bars(made, "test")) == 4
    assert bars(made, "review") == [("wait", 309.2, 401.2, "waiting")]
    assert bars(made, "deploy") == []
    assert [(each.tail, each.head, each.meaning) for each in made.jumps] == [
        *[("test", "implement", "loop")] * 3,
        ("test", "review", "escalation"),
    ]
    assert made.cost is not None
    assert list(made.cost.points[-1]) == pytest.approx([401.2, 0.36])
    assert "1 m 32 s waiting for people" in made.header.facts


def test_an_answer_ends_the_wait_and_its_word_stands_in_the_bar() -> None:
    journey = waiting()
    journey.now += timedelta(minutes=3)
    made = told(journey.answered("review", "retry", seconds=0).then(verdict="passed").did("implement"))
    (row,) = (each for each in made.rows if each.node == "review")
    assert [(bar.what, bar.label, bar.status, bar.open) for bar in row.bars] == [("wait", "retry", "done", False)]
    assert len(bars(made, "implement")) == 5


def test_each_try_is_a_bar_with_a_pause_between() -> None:
    journey = Journey(SHIP).did("analyze", seconds=2)
    journey.now += timedelta(seconds=1)
    failure = Failure("design", "rate_limit", "429", 1)
    journey.journal.append(e.AttemptFailed(journey.now, "design", 1, 1, failure, 4.0))
    journey.now = journey.now - timedelta(seconds=1)  # the step began when it became due
    made = told(journey.did("design", seconds=9, attempts=2))
    assert bars(made, "design") == [
        ("attempt", 2.0, 3.0, "failed"),
        ("pause", 3.0, 7.0, "not reached"),
        ("attempt", 7.0, 11.0, "done"),
    ]


def test_arms_lie_side_by_side_and_a_person_waits_beside_work() -> None:
    journey = Journey(RELEASE).did("build").asked("legal").did("compile_all", seconds=200)
    made = told(journey, now=5)
    assert bars(made, "legal") == [("wait", 1.0, 206.0, "waiting")]
    assert bars(made, "compile_all") == [("attempt", 1.0, 201.0, "done")]
    assert bars(made, "smoke") == [("attempt", 201.0, 206.0, "running")]


def test_what_a_dead_process_did_ends_where_the_next_one_took_the_run() -> None:
    journey = Journey(SHIP).did("analyze", seconds=10)
    journey.now += timedelta(seconds=30)
    journey.journal.append(e.RunClaimed(journey.now, 2, "there", "recover"))
    made = told(journey.did("design", seconds=5))
    assert bars(made, "design") == [("attempt", 10.0, 40.0, "interrupted"), ("attempt", 40.0, 45.0, "done")]
    assert made.moments == (Moment(40.0, "recovered"),)


def test_items_lie_in_as_few_lanes_as_they_need() -> None:
    journey = Journey(SHIP)
    for item, (at, took) in enumerate([(4, 4), (5, 4), (8, 3), (9, 2)]):
        journey.journal.append(e.ItemFinished(journey.now + timedelta(seconds=at), "analyze", 1, item, 1, took, "1"))
    journey.now += timedelta(seconds=0)
    row = told(journey.did("analyze", seconds=10)).rows[0]
    assert row.lanes == 2
    assert [(bar.start, bar.end, bar.lane) for bar in row.bars if bar.what == "item"] == [
        (0, 4, 0), (1, 5, 1), (5, 8, 0), (7, 9, 1)
    ]  # fmt: skip


def test_tokens_are_counted_where_no_price_is_known() -> None:
    made = told(Journey(SHIP).did("analyze", usage=Usage(1, 400, 20)))
    assert made.cost is not None
    assert (made.cost.unit, made.cost.words) == ("tokens", "420 tokens")
    assert told(Journey(SHIP).did("analyze")).cost is None


# ------------------------------------------------------------------------------------------------ the scale


def test_a_long_stretch_without_work_is_cut_and_all_else_is_in_proportion() -> None:
    scale = Scale.of(86_500, [(0, 60), (86_460, 86_500)])
    assert [*scale.cuts] == [(60, 86_460)]
    assert scale.place(60) == pytest.approx(0.54)
    assert scale.place(86_460) == pytest.approx(0.64)
    assert scale.place(30) * 2 == pytest.approx(scale.place(60))
    places = [scale.place(each) for each in (0, 30, 60, 5000, 80_000, 86_460, 86_480, 86_500)]
    assert places == sorted(places)
    assert places[-1] == pytest.approx(1.0)
    assert all(not 60 < at < 86_460 for at, _ in scale.ticks())


def test_a_short_wait_is_not_cut() -> None:
    assert Scale.of(100, [(0, 60)]).cuts == ()
    assert Scale.of(0, []).place(0) == 0.0


# ------------------------------------------------------------------------------------------------ how it is drawn


@pytest.mark.parametrize("asked", ["svg", "png", "pdf"])
def test_it_is_drawn_in_every_format_and_theme(asked: str) -> None:
    made = told(waiting(), now=92)
    one = timeline_picture(made, asked)  # type: ignore[arg-type]
    assert one.data.startswith({"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[asked])
    assert one.notes == ()
    assert timeline_picture(made, asked, theme="dark").data != one.data  # type: ignore[arg-type]


def test_hostile_words_are_words_in_every_format() -> None:
    made = hostile_timeline()
    root = ElementTree.fromstring(timeline_picture(made, "svg", theme="auto").data)
    assert {each.tag.rpartition("}")[2] for each in root.iter()} <= {
        "svg", "desc", "title", "rect", "polyline", "polygon", "text", "style"
    }  # fmt: skip
    assert timeline_picture(made, "png").data.startswith(b"\x89PNG")


def test_no_style_attribute_and_a_description_for_who_does_not_see() -> None:
    root = ElementTree.fromstring(timeline_picture(told(waiting(), now=92), "svg", theme="page").data)
    assert [each for each in root.iter() if "style" in each.attrib or each.tag.endswith("style")] == []
    description = root.find(f"{SVG}desc")
    assert description is not None
    assert description.text == timeline_in_words(told(waiting(), now=92))
    assert "waiting for a person" in root.attrib["aria-label"]


def test_in_words_every_bar_stands_once() -> None:
    said = timeline_in_words(told(waiting(), now=92))
    assert said.count(" worked ") == 10
    assert "from 5 m 9 s waited 1 m 32 s so far: visit 1, waiting (asked)" in said
    assert "at 5 m 9 s: test → review (escalation)" in said
    assert said.endswith("cost: $0.36\n")


def test_a_diagram_in_words_names_every_card_and_way() -> None:
    from workflow_engine.draw import diagram_of

    made: Diagram = diagram_of(SHIP)
    said = in_words(made)
    assert said.count("\n- ") == len(made.cards)
    assert "    failed: back to implement (≤3)" in said


def test_the_bytes_depend_on_no_hash_seed() -> None:
    code = """
        import hashlib
        from tests.draw.diagrams import waiting
        from tests.draw.test_timeline import hostile_timeline, told
        from workflow_engine.draw import replay, timeline_picture
        made = waiting()
        for asked in ("svg", "png", "pdf"):
            print(hashlib.sha256(timeline_picture(told(made, now=9), asked, theme="auto").data).hexdigest())
        print(hashlib.sha256(timeline_picture(hostile_timeline(), "svg").data).hexdigest())
        print(hashlib.sha256(replay(made.workflow, made.journal).data).hexdigest())
    """
    made = [
        subprocess.run(
            [sys.executable, "-c", dedent(code)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert made[0] == made[1]
    assert len(made[0].split()) == 5


def test_widths_are_those_of_the_shipped_fonts() -> None:
    for table, name in ((REGULAR, "Inter_400Regular.ttf"), (BOLD, "Inter_700Bold.ttf")):
        font: Any = TTFont(SHIPPED / name)
        glyphs, metrics, units = font.getBestCmap(), font["hmtx"].metrics, font["head"].unitsPerEm
        real = tuple(round(metrics[glyphs[ord(" ") + at]][0] * 1000 / units) for at in range(len(table)))
        assert table == real
    assert advance("漢", 10) > advance("m", 10)
