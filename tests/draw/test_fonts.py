"""The shipped fonts: unmodified, licensed, known character by character, and able to draw every sign."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from fontTools.ttLib.tables._g_l_y_f import Glyph  # type: ignore[import-untyped]

from workflow_engine.draw.fonts import SHIPPED, uncovered, undrawable
from workflow_engine.draw.labels import SIGN_FACE, TEXT_FACE
from workflow_engine.draw.palette import KIND_SIGNS, SIGNS

# As released: Inter 4.001 (fonts.google.com/specimen/Inter), DejaVu 2.37 (dejavu-fonts.github.io).
RELEASED = {
    "DejaVuSans.ttf": "7da195a74c55bef988d0d48f9508bd5d849425c1770dba5d7bfc6ce9ed848954",
    "Inter_400Regular.ttf": "a414b48aa577ef2c62ebb135341ddeef33ee26a4f5dc9f787f93c1aab08ebb50",
    "Inter_700Bold.ttf": "fbe825cbfc749317f57a1433d3905aa9d3f388732fd29b8e8a36f34845e3bc3e",
}

# For private use, in the last plane: no font of a developer's machine has them.
ONE, OTHER = "\U0010fff0", "\U0010fff1"


def test_the_fonts_are_as_they_were_released() -> None:
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in SHIPPED.glob("*.ttf")}
    assert there == RELEASED


def test_each_font_has_its_licence_beside_it_and_a_row_in_the_list() -> None:
    listed = (Path(__file__).parents[2] / "THIRD_PARTY.md").read_text(encoding="utf-8")
    for name, version in (("Inter", "4.001"), ("DejaVu", "2.37")):
        assert (SHIPPED / f"LICENSE-{name}.txt").stat().st_size > 4000
        (row,) = [line for line in listed.splitlines() if line.startswith(f"| {name}")]
        assert version in row
        assert f"LICENSE-{name}.txt" in row


def test_the_list_of_covered_characters_is_that_of_the_fonts() -> None:
    """Where it fails: write `ranges` into the file, one range a line."""
    drawn = sorted(set().union(*((TTFont(path).getBestCmap() or {}) for path in SHIPPED.glob("*.ttf"))))
    ranges: list[list[int]] = []
    for each in drawn:
        if ranges and each == ranges[-1][1] + 1:
            ranges[-1][1] = each
        else:
            ranges.append([each, each])
    text = "".join(f"{first:04X}-{last:04X}\n" for first, last in ranges)
    assert (SHIPPED / "coverage.txt").read_text(encoding="ascii") == text


def test_every_sign_is_in_the_font_it_is_set_in() -> None:
    drawn = TTFont(SHIPPED / "DejaVuSans.ttf").getBestCmap() or {}
    assert [
        sign for signs in (SIGNS, KIND_SIGNS) for sign in signs.values() if not set(map(ord, sign)) <= set(drawn)
    ] == []


def test_the_faces_have_the_names_the_labels_ask_for() -> None:
    named = {TTFont(SHIPPED / name)["name"].getDebugName(1) for name in RELEASED}
    assert named == {TEXT_FACE, SIGN_FACE}


def test_a_font_of_the_machine_is_found_where_the_shipped_ones_lack_a_character(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = FontBuilder(1000)
    made.setupGlyphOrder([".notdef", "number"])
    made.setupCharacterMap({ord(ONE): "number"})
    made.setupGlyf({".notdef": Glyph(), "number": Glyph()})
    made.setupHorizontalMetrics({".notdef": (500, 0), "number": (1000, 0)})
    made.setupHorizontalHeader(ascent=800, descent=-200)
    made.setupNameTable({"familyName": "One Character", "styleName": "Regular"})
    made.setupOS2()
    made.setupPost()
    made.save(tmp_path / "one.ttf")
    configured = tmp_path / "fonts.conf"
    configured.write_text(f'<?xml version="1.0"?><fontconfig><dir>{tmp_path}</dir></fontconfig>')
    assert undrawable(ONE + OTHER) == ONE + OTHER
    monkeypatch.setenv("FONTCONFIG_FILE", str(configured))
    assert undrawable(ONE + OTHER) == OTHER


def test_what_no_shipped_font_draws_is_found() -> None:
    assert uncovered("plan → ≤3 ×2 · “Übermut” проверка δοκιμή ✔✖❚↻○") == ""
    assert uncovered("数据 ok 数 🚀") == "".join(sorted("数据🚀"))
