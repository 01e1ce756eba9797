"""What the offline playbook says of real work: it looks at files and failures, and never counts visits."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from graphs.ship import Analysis, Design, Patch, Report, Ruling, implement
from tests.graphs.test_ship_runs import PLAYBOOK, ROMAN, SLUGIFY
from workflow_engine import END, START, Engine, State, workflow
from workflow_engine.agents import choose_model, refuse_unknown
from workflow_engine.errors import UsageError


class Left(State):
    """What came before the one visit under test, given as inputs."""

    request: str
    analysis: Analysis
    design: Design
    report: Report
    patch: Patch
    ruling: Ruling | None = None


mend = workflow("mend", state=Left, edges=[START >> implement >> END])


def known(request: str, file: str, text: str, *failures: str) -> dict[str, Any]:
    """A run's state before a second visit to implement: `text` is the file as somebody left it."""
    return {
        "request": request,
        "analysis": {"package": file.partition("/")[0], "requirements": []},
        "design": {"modules": [], "tests": [{"name": "test_x.py", "text": ""}]},
        "patch": {"files": {file: text}, "summary": ""},
        "report": {
            "green": False,
            "passed": 1,
            "failed": len(failures),
            "failures": list(failures),
            "log": "\n".join(f"FAILED tests/test_x.py::{failure}" for failure in failures),
            "sandbox": "none",
            "isolated": True,
        },
    }


@pytest.fixture
def mended(tmp_path: Path) -> Any:
    async def mended(inputs: dict[str, Any]) -> Patch:
        choice = choose_model("offline", {}, PLAYBOOK)
        async with Engine.connect(tmp_path / "runs.sqlite", workflows=[mend], model=choice) as engine:
            view = await engine.run(mend, inputs)
        assert view.status == "succeeded", view.document()["error"]
        return view.state.patch

    return mended


ACCENTS, CUT = "test_accents_are_taken_off", "test_a_long_title_ends_with_a_whole_word"


async def test_a_file_edited_between_two_visits_is_answered_differently(mended: Any) -> None:
    file = "slugify/__init__.py"
    naive = await mended(known(SLUGIFY, file, "def slugify(title): ...\n", ACCENTS, CUT))
    edited = await mended(known(SLUGIFY, file, "import unicodedata\ndef slugify(title): ...\n", CUT))
    assert "for word in" in naive.files[file]
    assert "rpartition" in edited.files[file]


async def test_the_same_file_with_other_failures_is_answered_differently(mended: Any) -> None:
    file, text = "slugify/__init__.py", "import unicodedata\ndef slugify(title): ...\n"
    assert "rpartition" in (await mended(known(SLUGIFY, file, text, CUT))).files[file]
    untouched = await mended(known(SLUGIFY, file, text, "test_something_else"))
    assert untouched.files == {file: text}
    assert untouched.summary == "The files stand as they should; nothing was changed."


async def test_a_better_file_skips_a_step(mended: Any) -> None:
    file, failure = "roman/__init__.py", "test_what_nobody_writes_is_refused[IIII]"
    plain = await mended(known(ROMAN, file, "def to_roman(n): ...\n", "test_a_number_is_written[4-IV]", failure))
    subtractive = await mended(known(ROMAN, file, 'def to_roman(n): "CM"\n', failure))
    assert "to_roman(number) != numeral" not in plain.files[file]
    assert "to_roman(number) != numeral" in subtractive.files[file]


def test_what_make_run_asks_is_known_and_anything_else_is_refused_with_the_list() -> None:
    inputs = json.loads(PLAYBOOK.with_name("ship.json").read_text())
    refuse_unknown(PLAYBOOK, inputs)
    with pytest.raises(UsageError) as refused:
        refuse_unknown(PLAYBOOK, {"request": "Add a slugify function"})
    assert SLUGIFY in str(refused.value)
    assert ROMAN in str(refused.value)


def test_no_rule_counts_visits() -> None:
    rules = tomllib.loads(PLAYBOOK.read_text())["rule"]
    asked = json.dumps([rule.get("when", {}) for rule in rules])
    assert not re.search(r"visit|attempt", asked)
