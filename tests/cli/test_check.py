"""workflow check and draw: what a workflow breaks, and how it looks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.flows import ASK, GREET
from tests.cli.terminal import Cli, Write


def test_a_sound_workflow_is_told_its_ceiling(write: Write, cli: Cli) -> None:
    write("greet.py", GREET)
    typed = cli("check", "greet.py")
    assert typed.code == 0
    assert "greeting is sound: 1 node, at most 1 step between two answers" in typed.out
    assert typed.next == "workflow run greet.py:greeting name=..."
    told = cli("check", "greet.py", "--json").json
    assert set(told.pop("fingerprint")) == {"workflow", "shape", "nodes"}
    assert told == {"ok": True, "ceiling": 1, "findings": []}


def test_every_finding_has_its_code_place_cure_and_line(write: Write, cli: Cli) -> None:
    text = ASK.replace('    review["abandon"] >> FAIL("abandoned"),\n', "").replace("review.expired", 'review["exprd"]')
    write("draft.py", text)
    typed = cli("check", "draft.py", "--json")
    assert typed.code == 5
    assert typed.json["ok"] is False
    assert typed.json["ceiling"] is None
    findings = typed.json["findings"]
    assert len(findings) >= 2
    for each in findings:
        assert set(each) == {"code", "place", "what", "cure", "where", "severity"}
        assert each["code"].startswith("W2")
        assert each["cure"]
        assert each["where"].startswith("draft.py:")
    plain = cli("check", "draft.py")
    assert plain.code == 5
    assert all(each["what"] in plain.out for each in findings)
    assert "breaks" in plain.err


@pytest.mark.parametrize(
    ("suffix", "begins"), [("svg", b"<"), ("png", b"\x89PNG"), ("pdf", b"%PDF"), ("dot", b"digraph")]
)
def test_a_workflow_is_drawn_in_the_format_of_the_suffix(write: Write, cli: Cli, suffix: str, begins: bytes) -> None:
    write("draft.py", ASK)
    typed = cli("draw", "draft.py", "-o", f"pictures/draft.{suffix}")
    assert typed.code == 0
    assert typed.out == ""
    assert Path(f"pictures/draft.{suffix}").read_bytes().lstrip().startswith(begins)
    assert [each.name for each in Path("pictures").iterdir()] == [f"draft.{suffix}"]


def test_a_workflow_without_a_file_is_mermaid_on_stdout(write: Write, cli: Cli) -> None:
    write("draft.py", ASK)
    typed = cli("draw", "draft.py")
    assert typed.code == 0
    assert "flowchart" in typed.out
    assert "review" in typed.out


def test_a_run_is_drawn_without_its_code(write: Write, cli: Cli) -> None:
    write("draft.py", ASK)
    cli("run", "draft.py", "text=x")
    Path("draft.py").unlink()
    typed = cli("draw", "@last", "-o", "run.svg")
    assert typed.code == 0
    assert "review" in Path("run.svg").read_text()
    run = cli("runs", "--json").json[0]["run"]
    assert cli("draw", run[:9]).code == 0


def test_a_run_leaves_its_picture_where_asked(write: Write, cli: Cli) -> None:
    write("greet.py", GREET)
    typed = cli("run", "greet.py", "name=Ada", "--picture", "out/run.svg", "--json")
    assert typed.code == 0
    assert typed.json["status"] == "succeeded"
    assert "out/run.svg" in typed.err
    assert Path("out/run.svg").is_file()


def test_a_picture_that_cannot_be_written_does_not_change_how_the_run_ended(write: Write, cli: Cli) -> None:
    write("greet.py", GREET)
    write("blocked", "a file where a folder should be")
    typed = cli("run", "greet.py", "name=Ada", "--picture", "blocked/run.svg")
    assert typed.code == 0
    assert "no picture" in typed.err
    assert cli("draw", "greet.py", "-o", "blocked/x.svg").code == 2
